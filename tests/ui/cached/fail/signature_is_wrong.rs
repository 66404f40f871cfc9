use larder::cached;

// Once, although the signature is written several times.
#[cached(key = "user:<id>")]
async fn get_user(id: Missing) -> u64 {
    1
}

fn main() {}
