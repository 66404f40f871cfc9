//! A mutation that stores what it returned, and a value that is set beside it over a shared store: once the set is
//! acknowledged, nobody gets the value of a mutation that began before. The random traffic of `history` found it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use larder::store::{Append, Claim, Expect, Fetched, Health, Position, Put, RemoteStore, Token};
use larder::{Cache, Result, cache_put};
use tests::Gate;
use tests::map_store::MapStore;

/// A store in which the value of a mutation waits at a gate, and a removal at another.
#[derive(Clone, Debug, Default)]
struct Held {
    store: Arc<MapStore>,
    publish: Gate,
    remove: Gate,
}

#[async_trait]
impl RemoteStore for Held {
    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        self.store.fetch(name, scopes, claim).await
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        self.store.fetch_many(names).await
    }

    async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        if matches!(expect, Expect::Unmoved(..)) {
            self.publish.pass().await;
        }
        self.store.publish(put, expect).await
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        self.store.put_many(puts).await
    }

    async fn invalidate(
        &self,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        if !names.is_empty() {
            self.remove.pass().await;
        }
        self.store.invalidate(names, scopes, append).await
    }

    async fn abandon(&self, name: &str, token: Token) -> Result<()> {
        self.store.abandon(name, token).await
    }

    async fn expire(&self, name: &str, ttl: Duration) -> Result<bool> {
        self.store.expire(name, ttl).await
    }

    async fn health(&self) -> Result<Health> {
        self.store.health().await
    }
}

const TTL: Duration = Duration::from_secs(300);

#[cache_put(key = "user:<id>", ttl = 300)]
async fn rename(id: u64) -> u64 {
    let _ = id;
    1
}

/// What is stored by hand while a mutation of the same key is under way, whose value is 1.
async fn overtaken_by(by_hand: impl AsyncFnOnce(&Cache)) {
    let store = Held::default();
    let cache = Cache::builder().remote(store.clone()).build();
    let put = tokio::spawn({
        let cache = cache.clone();
        async move { cache.scope(rename(1)).await }
    });
    // Its body has ended; its value is on its way to the store.
    store.publish.arrived(1).await;
    by_hand(&cache).await;
    assert_eq!(cache.get::<u64>("user:1").await.unwrap(), Some(2));
    store.publish.open();
    // Overtaken, it takes back whatever it may have stored: held here, so that what it did store can be seen.
    store.remove.arrived(1).await;
    assert_eq!(
        cache.get::<u64>("user:1").await.unwrap(),
        Some(2),
        "what was put is older than what was stored by hand and acknowledged"
    );
    store.remove.open();
    assert_eq!(put.await.unwrap(), 1);
    assert_eq!(cache.get::<u64>("user:1").await.unwrap(), None);
}

#[tokio::test]
async fn a_put_that_a_set_overtakes_is_not_served_after_the_set() {
    overtaken_by(async |cache| cache.set("user:1", &2_u64, TTL).await.unwrap()).await;
}

#[tokio::test]
async fn a_put_that_a_set_if_absent_overtakes_is_not_served_after_it() {
    overtaken_by(async |cache| assert!(cache.set_if_absent("user:1", &2_u64, TTL).await.unwrap())).await;
}
