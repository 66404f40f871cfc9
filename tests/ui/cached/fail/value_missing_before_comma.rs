use larder::cached;

#[cached(ttl = , key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
