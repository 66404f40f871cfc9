use larder::cached;

#[cached(key = "user:<id>", ttl = 60, stale = "a while")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
