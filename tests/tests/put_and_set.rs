//! A mutation that stores what it returned, and a value that is set beside it over a shared store: once the set is
//! acknowledged, nobody gets the value of a mutation that began before. The random traffic of `history` found it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use larder::store::{Append, Claim, Expect, Fetched, Health, Position, Put, RemoteStore, Token};
use larder::{Cache, Error, ErrorKind, Result, cache_put};
use tests::Gate;
use tests::map_store::MapStore;
use tests::owned::{Hope, Parcel};

/// A store in which the value of a mutation waits at a gate, and a removal at another.
#[derive(Clone, Debug, Default)]
struct Held {
    store: Arc<MapStore>,
    publish: Gate,
    remove: Gate,
    /// A value that its sender has given up and that is still on its way.
    late: Arc<Mutex<Option<(Parcel, Hope)>>>,
    /// Whether values are late.
    is_slow: bool,
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
        if self.is_slow {
            *self.late.lock().unwrap() = Some((Parcel::of(&put), Hope::of(expect)));
            return Err(Error::new(ErrorKind::Timeout, "the store of this test is slow"));
        }
        self.store.publish(put, expect).await
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        assert!(!self.is_slow, "a late value would be stored");
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

/// What is stored by hand arrives at the store when nobody waits for it any more, and after somebody else has
/// invalidated its key. The simulated worlds found it.
async fn late_by_hand(by_hand: impl AsyncFnOnce(&Cache) -> Result<()>) {
    let slow = Held { is_slow: true, ..Held::default() };
    let here = Cache::builder().remote(slow.clone()).build();
    let there = Cache::builder().remote((*slow.store).clone()).build();
    assert_eq!(by_hand(&here).await.unwrap_err().kind(), ErrorKind::Timeout);
    there.invalidate("user:1").await.unwrap();
    let (parcel, hope) = slow.late.lock().unwrap().take().unwrap();
    assert!(!slow.store.publish(parcel.put(), hope.expect()).await.unwrap());
    assert_eq!(there.get::<u64>("user:1").await.unwrap(), None);
}

#[tokio::test]
async fn a_late_set_is_not_stored_after_an_invalidation() {
    late_by_hand(async |cache| cache.set("user:1", &2_u64, TTL).await).await;
}

#[tokio::test]
async fn a_late_set_if_absent_is_not_stored_after_an_invalidation() {
    late_by_hand(async |cache| cache.set_if_absent("user:1", &2_u64, TTL).await.map(drop)).await;
}

#[tokio::test]
async fn of_several_values_for_one_key_the_last_is_set() {
    let cache = Cache::builder().remote(MapStore::default()).build();
    cache.set_many([("user:1", &1_u64), ("user:2", &2), ("user:1", &3)], TTL).await.unwrap();
    assert_eq!(cache.get_many::<u64>(["user:1", "user:2"]).await.unwrap(), [Some(3), Some(2)]);
}
