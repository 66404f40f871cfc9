#![deny(warnings)]

use async_trait::async_trait;
use larder::cached;

#[async_trait]
trait Store: Send + Sync {
    async fn load(&self, id: u64) -> Result<u64, String>;
    async fn pair(&self, pair: (u64, u64)) -> u64;
    async fn name(&self, name: &str) -> Option<String>;
}

struct Repo {
    tenant: u64,
}

#[async_trait]
impl Store for Repo {
    #[cached(key = "user:<self.tenant>:<id>", ttl = 60)]
    async fn load(&self, id: u64) -> Result<u64, String> {
        let id: u64 = id.to_string().parse().map_err(|_| "no number")?;
        if id == 0 {
            return Err("zero".to_owned());
        }
        Ok(self.tenant + id)
    }

    #[cached(key = "pair:<a>:<b>", skip(self))]
    async fn pair(&self, (a, mut b): (u64, u64)) -> u64 {
        b += 1;
        a + b
    }

    #[cached(skip(self))]
    async fn name(&self, name: &str) -> Option<String> {
        Some(name.to_owned())
    }
}

#[tokio::main]
async fn main() {
    let store: Box<dyn Store> = Box::new(Repo { tenant: 1 });
    assert_eq!(store.load(2).await, Ok(3));
    assert_eq!(store.load(0).await, Err("zero".to_owned()));
    assert_eq!(store.pair((1, 2)).await, 4);
    assert_eq!(store.name("a").await.as_deref(), Some("a"));
}
