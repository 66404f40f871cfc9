use larder::cache_put;

struct User;

#[cache_put(key = "user:<id>")]
async fn save(id: u64) -> Option<User> {
    drop(id);
    None
}

fn main() {}
