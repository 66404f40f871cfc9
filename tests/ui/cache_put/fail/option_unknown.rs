use larder::cache_put;

#[cache_put(key = "user:<id>", priority = 1)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
