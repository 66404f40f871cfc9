use larder::cache_invalidate;

struct User;

#[cache_invalidate("user:<user>")]
async fn save(user: User) -> u64 {
    drop(user);
    1
}

fn main() {}
