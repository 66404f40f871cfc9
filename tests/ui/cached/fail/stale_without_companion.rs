use larder::cached;

#[cached(key = "user:<id>", ttl = 60, stale = 60, companion = none)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
