use larder::cache_put;

#[cache_put(key = "user:<id>", ttl = 5, stale = 60)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
