use std::rc::Rc;

use larder::cached;

struct Repo;

#[async_trait::async_trait]
trait Store {
    async fn load(&self, id: u64) -> u64;
}

#[async_trait::async_trait]
impl Store for Repo {
    #[cached(key = "user:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        let id = Rc::new(id);
        std::future::ready(()).await;
        *id
    }
}

fn main() {}
