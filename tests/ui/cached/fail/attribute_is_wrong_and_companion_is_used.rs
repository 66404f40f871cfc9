use larder::{Any, cached};

// One mistake: no error but its own, although others name the function and its companion.
#[cached(key = "user:<idd>", ttl = 300)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {
    let _ = get_user(1);
    let _ = get_user::key(1);
    let _ = get_user::pattern(Any);
    let _ = get_user::uncached(1);
    let _ = get_user::refresh(1);
}
