#![deny(warnings)]

use async_trait::async_trait;
use larder::cache_invalidate;

#[async_trait]
trait Store: Send + Sync {
    async fn save(&self, id: u64) -> Result<u64, String>;
    async fn save_pair(&mut self, pair: (u64, String)) -> String;
}

struct Repo;

#[async_trait]
impl Store for Repo {
    #[cache_invalidate("user:<id>", "user:<result>")]
    async fn save(&self, id: u64) -> Result<u64, String> {
        Ok(id)
    }

    #[cache_invalidate("user:<id>:<name>", "user:<name>:<result>")]
    async fn save_pair(&mut self, (id, name): (u64, String)) -> String {
        format!("{id}{name}")
    }
}

#[tokio::main]
async fn main() {
    assert_eq!(Repo.save(1).await, Ok(1));
    assert_eq!(Repo.save_pair((1, "a".to_owned())).await, "1a");
}
