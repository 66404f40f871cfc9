use larder::cached;

// Nothing of the expansion is in scope in the body.
#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    let _ = miss;
    id
}

fn main() {}
