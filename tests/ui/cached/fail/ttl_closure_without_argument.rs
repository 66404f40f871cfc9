use larder::cached;

#[cached(key = "user:<id>", ttl = || Duration::from_secs(1))]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
