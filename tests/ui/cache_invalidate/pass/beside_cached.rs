#![deny(warnings)]

use larder::{cache_invalidate, cached};

#[cached(key = "count:<id>")]
#[cache_invalidate("other:<id>")]
async fn cached_first(id: u64) -> u64 {
    id
}

#[cache_invalidate("other:<id>")]
#[cached(key = "count2:<id>")]
async fn invalidate_first(id: u64) -> u64 {
    id
}

#[tokio::main]
async fn main() {
    assert_eq!(cached_first(1).await + invalidate_first(1).await, 2);
}
