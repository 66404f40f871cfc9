#![deny(warnings)]

use larder::cached;

#[cached(key = "user:<id>", tags = ["team:<team>", "users"], version = 2, local, skip(team))]
async fn tagged(id: u64, team: &str) -> String {
    format!("{id}{team}")
}

#[tokio::main]
async fn main() {
    assert_eq!(tagged(1, "a").await, "1a");
}
