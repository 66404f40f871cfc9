//! No value whose load began before an invalidation was acknowledged is served after it: in one process,
//! on every road by which a value can reach a caller.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Cache, Scope};
use cache_memory::Memory;
use tests::Gate;
use tokio::task::JoinHandle;

const TTL: Duration = Duration::from_secs(300);

fn cache() -> Cache {
    Cache::builder().local(Memory::new(1000)).build()
}

/// A source whose loads stop at a gate, and say which of them made a value.
#[derive(Clone, Default)]
struct Source {
    gate: Gate,
    loads: Arc<AtomicU64>,
}

impl Source {
    async fn load(&self) -> Result<u64, Infallible> {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        self.gate.pass().await;
        Ok(number)
    }

    fn read(&self, cache: &Cache, key: &'static str) -> JoinHandle<u64> {
        let (source, cache) = (self.clone(), cache.clone());
        tokio::spawn(async move {
            let Ok(value) = cache.get_or_load(key, TTL, || source.load()).await;
            value
        })
    }
}

/// Every way to invalidate `user:1:posts`, and a key it leaves alone.
fn targets() -> Vec<(Scope, &'static str)> {
    vec![
        (Scope::from("user:1:posts"), "user:1"),
        (Scope::from("user:1:*"), "user:2:posts"),
        (Scope::from("user:*"), "team:1"),
        (Scope::from("*:posts"), "user:1"),
        (Scope::from("us*:1:*s"), "user:1:post"),
        (Scope::from("*"), ""),
    ]
}

#[tokio::test]
async fn a_load_that_an_invalidation_overtakes_is_not_stored() {
    for (target, other) in targets() {
        let (cache, source) = (cache(), Source::default());
        cache.set(other, &7_u64, TTL).await.unwrap();
        let reader = source.read(&cache, "user:1:posts");
        source.gate.arrived(1).await;

        cache.invalidate(target.clone()).await.unwrap();
        source.gate.open();

        assert_eq!(reader.await.unwrap(), 1, "{target}: who waited before gets the old value");
        assert_eq!(cache.get::<u64>("user:1:posts").await.unwrap(), None, "{target}: nothing is stored");
        assert_eq!(source.read(&cache, "user:1:posts").await.unwrap(), 2, "{target}: the next read loads");
        if !other.is_empty() {
            assert_eq!(cache.get::<u64>(other).await.unwrap(), Some(7), "{target} leaves {other} alone");
        }
    }
}

#[tokio::test]
async fn a_reader_after_the_acknowledgement_does_not_join_an_older_load() {
    for (target, _) in targets() {
        let (cache, source) = (cache(), Source::default());
        let before = source.read(&cache, "user:1:posts");
        source.gate.arrived(1).await;
        cache.invalidate(target.clone()).await.unwrap();

        let after = source.read(&cache, "user:1:posts");
        source.gate.arrived(2).await;
        source.gate.open();

        assert_eq!(after.await.unwrap(), 2, "{target}");
        assert_eq!(before.await.unwrap(), 1, "{target}");
        assert_eq!(
            cache.get::<u64>("user:1:posts").await.unwrap(),
            Some(2),
            "{target}: the newer one is stored"
        );
    }
}

#[tokio::test]
async fn an_older_load_does_not_overwrite_a_newer_value() {
    let (cache, source) = (cache(), Source::default());
    let reader = source.read(&cache, "user:1");
    source.gate.arrived(1).await;
    cache.set("user:1", &99_u64, TTL).await.unwrap();
    source.gate.open();

    assert_eq!(reader.await.unwrap(), 1);
    assert_eq!(cache.get::<u64>("user:1").await.unwrap(), Some(99));
}

#[tokio::test]
async fn a_stored_value_is_gone_after_each_kind_of_invalidation() {
    for (target, other) in targets() {
        let cache = cache();
        cache.set("user:1:posts", &1_u64, TTL).await.unwrap();
        cache.set(other, &2_u64, TTL).await.unwrap();
        cache.invalidate(target.clone()).await.unwrap();
        assert_eq!(cache.get::<u64>("user:1:posts").await.unwrap(), None, "{target}");
        if !other.is_empty() {
            assert_eq!(cache.get::<u64>(other).await.unwrap(), Some(2), "{target} leaves {other} alone");
        }
    }
}

#[tokio::test]
async fn clear_and_delete_defeat_loads_in_flight() {
    for clear in [true, false] {
        let (cache, source) = (cache(), Source::default());
        let reader = source.read(&cache, "user:1");
        source.gate.arrived(1).await;
        if clear {
            cache.clear().await.unwrap();
        } else {
            assert!(!cache.delete("user:1").await.unwrap(), "nothing is stored yet");
        }
        source.gate.open();
        assert_eq!(reader.await.unwrap(), 1);
        assert!(!cache.exists("user:1").await.unwrap());
    }
}
