#![deny(warnings)]

use larder::cached;

trait Store {
    fn load(&self, id: u64) -> impl Future<Output = u64> + Send;
    fn name(id: u64) -> impl Future<Output = String> + Send;
}

struct Repo;

impl Store for Repo {
    #[cached(key = "user:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id
    }

    #[cached]
    async fn name(id: u64) -> String {
        id.to_string()
    }
}

#[tokio::main]
async fn main() {
    assert_eq!(Repo.load(1).await, 1);
    assert_eq!(Repo::name(1).await, "1");
}
