use larder::cached;

#[cached(key = "user:<id>", when = id >, ttl = 5)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
