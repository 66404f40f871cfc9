#![deny(warnings)]

use larder::{Any, cached};

struct Repo;

impl Repo {
    #[cached(key = "user:<id>")]
    async fn load(id: u64) -> u64 {
        id
    }

    #[cached]
    async fn other(id: u64) -> u64 {
        Self::load(id).await
    }
}

#[tokio::main]
async fn main() {
    assert_eq!(Repo::load(1).await, 1);
    assert_eq!(Repo::load_key(1).as_str(), "user:1");
    assert_eq!(Repo::load_pattern(Any).as_str(), "user:*");
    assert_eq!(Repo::load_uncached(1).await, 1);
    assert_eq!(Repo::load_refresh(1).await, 1);
    assert_eq!(Repo::other(1).await, 1);
    assert!(Repo::other_key(1).as_str().ends_with("Repo::other:1"));
}
