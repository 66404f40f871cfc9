use larder::cached;
use serde::Serialize;

#[derive(Clone, Serialize)]
struct User;

#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> Option<User> {
    drop(id);
    None
}

fn main() {}
