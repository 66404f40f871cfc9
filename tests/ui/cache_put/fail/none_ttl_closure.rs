use larder::cache_put;

#[cache_put(key = "user:<id>", none_ttl = |value| Duration::from_secs(1))]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
