#![deny(warnings)]

use async_trait::async_trait;
use larder::cached;

#[async_trait]
trait Store: Send + Sync {
    fn tenant(&self) -> u64;

    #[cached(key = "store:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id + self.tenant()
    }
}

struct Repo;

#[async_trait]
impl Store for Repo {
    fn tenant(&self) -> u64 {
        1
    }
}

#[tokio::main]
async fn main() {
    assert_eq!(Repo.load(1).await, 2);
}
