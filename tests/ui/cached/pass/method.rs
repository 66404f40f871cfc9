#![deny(warnings)]

use larder::{Any, Cache, cached};

struct Repo {
    tenant: u64,
    cache: Cache,
}

impl Repo {
    #[cached(key = "user:<self.tenant>:<id>", cache = self.cache)]
    async fn load(&self, id: u64) -> u64 {
        self.tenant + id
    }

    #[cached(key = "user:<id>", skip(self))]
    pub async fn shared(&self, id: u64) -> u64 {
        id
    }
}

#[tokio::main]
async fn main() {
    let repo = Repo { tenant: 1, cache: Cache::global() };
    assert_eq!(repo.load(2).await, 3);
    assert_eq!(repo.load_key(2).as_str(), "user:1:2");
    assert_eq!(repo.load_pattern(Any).as_str(), "user:1:*");
    assert_eq!(repo.load_uncached(2).await, 3);
    assert_eq!(repo.load_refresh(2).await, 3);
    assert_eq!(repo.shared(2).await, 2);
    assert_eq!(repo.shared_key(2).as_str(), "user:2");
}
