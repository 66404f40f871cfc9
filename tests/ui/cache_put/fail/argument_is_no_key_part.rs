use larder::cache_put;

struct User;

#[cache_put(key = "user:<user>")]
async fn save(user: User) -> u64 {
    drop(user);
    1
}

fn main() {}
