use larder::cached;

#[cached(key = "user:<id>", ttl = 60, stale = 60, timeout = |value| Duration::from_secs(1))]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
