#![deny(warnings)]
#![allow(async_fn_in_trait, reason = "used in this crate alone")]

use larder::cached;

trait Store: Sync {
    fn tenant(&self) -> u64;

    #[cached(key = "store:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id + self.tenant()
    }
}

struct Repo;

impl Store for Repo {
    fn tenant(&self) -> u64 {
        1
    }
}

#[tokio::main]
async fn main() {
    assert_eq!(Repo.load(1).await, 2);
}
