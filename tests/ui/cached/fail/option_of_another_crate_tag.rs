use larder::cached;

#[cached(key = "user:<id>", tag = "users")]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
