#![deny(warnings)]

use std::sync::Arc;

use larder::cached;

struct Repo;

impl Repo {
    #[cached(key = "user:<id>", skip(self))]
    async fn load(self: Arc<Self>, id: u64) -> u64 {
        id
    }

    #[cached(key = "copy:<id>", skip(self))]
    async fn load_by_reference(self: &Self, id: u64) -> u64 {
        id
    }
}

#[tokio::main]
async fn main() {
    let repo = Arc::new(Repo);
    assert_eq!(Arc::clone(&repo).load(1).await, 1);
    assert_eq!(Arc::clone(&repo).load_refresh(1).await, 1);
    assert_eq!(repo.load_key(1).as_str(), "user:1");
    assert_eq!(repo.load_by_reference(1).await, 1);
}
