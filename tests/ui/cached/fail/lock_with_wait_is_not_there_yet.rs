use larder::cached;

#[cached(key = "user:<id>", ttl = 300, lock = "5s")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
