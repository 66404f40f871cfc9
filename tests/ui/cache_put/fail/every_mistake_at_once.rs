use larder::cache_put;

#[cache_put(key = "user:{id}:<account>:*", ttl = 0, stale = 5, tags = "users")]
fn save(id: u64) -> u64 {
    id
}

fn main() {}
