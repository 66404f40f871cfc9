use larder::cached;

#[cached(key = "user:<id>")]
async fn get_user() -> u64 {
    1
}

fn main() {}
