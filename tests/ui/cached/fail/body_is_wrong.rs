use larder::cached;

// Once, although the function has companions.
#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    missing(id)
}

fn main() {}
