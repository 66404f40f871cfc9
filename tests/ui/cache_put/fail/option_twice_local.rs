use larder::cache_put;

#[cache_put(key = "user:<id>", local, local)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
