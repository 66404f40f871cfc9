use larder::cached;

#[cached(key = "user:<id>", ttl = true)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
