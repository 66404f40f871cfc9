#![deny(warnings)]

use larder::cached;

/// Documentation stays.
#[cached(ttl = 300, key = "square:<n>")]
pub async fn square(n: u64) -> u64 {
    n * n
}

#[tokio::main]
async fn main() {
    assert_eq!(square(3).await, 9);
    assert_eq!(square(3).await, 9);
    assert_eq!(square::key(3).as_str(), "square:3");
}
