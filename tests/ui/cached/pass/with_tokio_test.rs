#![deny(warnings)]

use larder::cached;

#[cached(key = "main")]
#[tokio::main]
async fn start() -> u64 {
    1
}

fn main() {
    assert_eq!(start(), 1);
}
