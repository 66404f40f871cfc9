use larder::cached;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct User;

#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> Result<User, String> {
    Err(id.to_string())
}

fn main() {}
