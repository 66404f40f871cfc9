#![deny(unused_variables)]

use larder::cached;

// The attribute reads `id`, and nothing reads `db`.
#[cached(key = "user:<id>", skip(db))]
async fn get_user(db: &str, id: u64) -> u64 {
    1
}

fn main() {}
