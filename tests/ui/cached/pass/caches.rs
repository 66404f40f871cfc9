#![deny(warnings)]

use std::sync::Arc;

use larder::{Cache, Named, cache_invalidate, cached};

static SESSIONS: Named = Named::new("sessions");

struct Repo {
    cache: Cache,
    shared: Arc<Cache>,
    fast: bool,
}

impl Repo {
    fn cache(&self) -> Cache {
        self.cache.clone()
    }

    #[cached(key = "a:<id>", skip(self), cache = self.cache)]
    async fn field(&self, id: u64) -> u64 {
        id
    }

    #[cached(key = "b:<id>", skip(self), cache = self.cache())]
    async fn method(&self, id: u64) -> u64 {
        id
    }

    #[cached(key = "c:<id>", skip(self), cache = self.shared)]
    async fn shared(&self, id: u64) -> u64 {
        id
    }

    #[cached(key = "d:<id>", skip(self), cache = if self.fast { &self.cache } else { &*self.shared })]
    async fn chosen(&self, id: u64) -> u64 {
        id
    }

    #[cache_invalidate("*", cache = self.cache())]
    async fn clear(&mut self) {
        self.fast = true;
    }
}

#[cached(key = "e:<id>", cache = SESSIONS)]
async fn named(id: u64) -> u64 {
    id
}

#[cached(key = "f:<id>", cache = &SESSIONS)]
async fn named_by_reference(id: u64) -> u64 {
    id
}

#[cached(key = "g:<id>", cache = Cache::global())]
async fn global(id: u64) -> u64 {
    id
}

#[cached(key = "h:<id>", cache = cache, skip(cache))]
async fn argument(cache: &Cache, id: u64) -> u64 {
    let _ = cache;
    id
}

#[tokio::main]
async fn main() {
    let cache = Cache::global();
    let mut repo = Repo { cache: cache.clone(), shared: Arc::new(cache.clone()), fast: false };
    assert_eq!(repo.field(1).await + repo.method(1).await + repo.shared(1).await + repo.chosen(1).await, 4);
    repo.clear().await;
    assert_eq!(named(1).await + named_by_reference(1).await + global(1).await + argument(&cache, 1).await, 4);
}
