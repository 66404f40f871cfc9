#![deny(warnings)]

use larder::cached;

#[cached]
async fn sum(a: u64, b: u64) -> u64 {
    a + b
}

#[cached(local)]
async fn constant() -> &'static str {
    "constant"
}

#[tokio::main]
async fn main() {
    assert_eq!(sum(1, 2).await, 3);
    assert_eq!(constant().await, "constant");
    assert!(sum::key(1, 2).as_str().ends_with("::sum:1:2"));
    assert!(constant::key().as_str().ends_with("::constant"));
}
