use larder::cached;

#[cached(key = "user:<id>", ttl_secs = 300)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
