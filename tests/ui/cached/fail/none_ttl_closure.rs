use larder::cached;

#[cached(key = "user:<id>", none_ttl = |value| Duration::from_secs(1))]
async fn get_user(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {}
