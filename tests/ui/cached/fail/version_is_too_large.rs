use larder::cached;

#[cached(key = "user:<id>", version = 99999999999999999999)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
