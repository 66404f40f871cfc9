use larder::cached;

#[cached(key = "user:<id>", ttl = 300, lock)]
async fn get_user(id: u64) -> u64 {
    id
}

// The function and its companion are there, so code that names them has no error of its own.
async fn use_it() -> u64 {
    let _ = get_user::key(1);
    get_user(1).await + get_user::uncached(2).await
}

fn main() {}
