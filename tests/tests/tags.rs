//! Tags: declared, learned from the result, inherited from nested calls, and depending on each other.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Memory, Tag, cached};
use tests::Gate;

const TTL: Duration = Duration::from_secs(300);

fn cache() -> Cache {
    Cache::builder().local(Memory::new(1000)).build()
}

#[derive(Clone, Default)]
struct Source {
    gate: Gate,
    loads: Arc<AtomicU64>,
}

impl Source {
    fn next(&self) -> u64 {
        self.loads.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn tagged(&self, cache: &Cache, key: &str, tags: &[&str]) -> u64 {
        let Ok(value) = cache
            .get_or_load(key, TTL, || async {
                let number = self.next();
                self.gate.pass().await;
                for tag in tags {
                    larder::tag(*tag);
                }
                Ok::<_, Infallible>(number)
            })
            .await;
        value
    }
}

static LOADS: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = 300, key = "member:<id>", skip(team), tags = ["team:<team>", "members"])]
async fn member(id: u64, team: u64) -> u64 {
    let _ = (id, team);
    LOADS.fetch_add(1, Ordering::SeqCst)
}

#[tokio::test]
async fn a_declared_tag_invalidates_what_carries_it() {
    for (tag, first_goes, second_goes) in
        [("team:7", true, false), ("members", true, true), ("team", false, false)]
    {
        let cache = cache();
        let read = || cache.scope(async { (member(1, 7).await, member(2, 8).await) });
        let before = read().await;
        assert_eq!(read().await, before);
        cache.invalidate(Tag::from(tag)).await.unwrap();
        let after = read().await;
        assert_eq!((after.0 != before.0, after.1 != before.1), (first_goes, second_goes), "{tag}");
    }
}

#[tokio::test]
async fn a_tag_from_the_result_invalidates_too() {
    let (cache, source) = (cache(), Source::default());
    source.gate.open();
    assert_eq!(source.tagged(&cache, "user:1", &["team:7"]).await, 1);
    assert_eq!(source.tagged(&cache, "user:1", &["team:7"]).await, 1);
    cache.invalidate(Tag::from("team:7")).await.unwrap();
    assert_eq!(source.tagged(&cache, "user:1", &["team:7"]).await, 2);
}

#[tokio::test]
async fn a_tag_that_moved_during_the_load_is_not_stored_although_nobody_carried_it() {
    let (cache, source) = (cache(), Source::default());
    let reader = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move { source.tagged(&cache, "user:1", &["team:7"]).await }
    });
    source.gate.arrived(1).await;
    cache.invalidate(Tag::from("team:7")).await.unwrap();
    source.gate.open();
    assert_eq!(reader.await.unwrap(), 1);
    assert_eq!(
        source.tagged(&cache, "user:1", &["team:7"]).await,
        2,
        "the first was returned and not stored"
    );
}

#[tokio::test]
async fn a_nested_call_passes_its_tags_on_whether_it_is_a_hit_or_a_load() {
    for inner_is_cached in [false, true] {
        let (cache, source) = (cache(), Source::default());
        source.gate.open();
        if inner_is_cached {
            source.tagged(&cache, "inner", &["deep"]).await;
        }
        let outer = async || {
            let Ok(value) = cache
                .get_or_load("outer", TTL, || async {
                    source.tagged(&cache, "inner", &["deep"]).await;
                    Ok::<_, Infallible>(source.next())
                })
                .await;
            value
        };
        let before = outer().await;
        assert_eq!(outer().await, before);
        cache.invalidate(Tag::from("deep")).await.unwrap();
        assert_ne!(outer().await, before, "inner cached before: {inner_is_cached}");
    }
}

#[tokio::test]
async fn dependents_go_with_what_they_depend_on() {
    let (cache, source) = (cache(), Source::default());
    source.gate.open();
    cache.depends("role", &["user", "permission"]);
    cache.depends("user", &["activity", "role"]);
    let read = async || {
        let mut values = Vec::new();
        for name in ["role", "user", "permission", "activity", "other"] {
            values.push(source.tagged(&cache, name, &[name]).await);
        }
        values
    };
    let before = read().await;
    assert_eq!(read().await, before);
    cache.invalidate(Tag::from("role")).await.unwrap();
    let after = read().await;
    assert!(before[..4].iter().zip(&after).all(|(before, after)| before != after), "{before:?} {after:?}");
    assert_eq!(before[4], after[4]);
    cache.invalidate(Tag::from("permission")).await.unwrap();
    assert_eq!(read().await[..2], after[..2], "an edge has a direction");
}

#[tokio::test]
async fn a_batch_moves_nothing_before_it_is_flushed() {
    let cache = cache();
    cache.set("a", &1_u64, TTL).await.unwrap();
    cache.set("b:1", &2_u64, TTL).await.unwrap();
    let dropped = cache.batch();
    dropped.invalidate("a");
    drop(dropped);

    let batch = cache.batch();
    batch.invalidate("a");
    batch.invalidate("b:*");
    assert_eq!(cache.get_many::<u64>(["a", "b:1"]).await.unwrap(), [Some(1), Some(2)]);
    batch.flush().await.unwrap();
    assert_eq!(cache.get_many::<u64>(["a", "b:1"]).await.unwrap(), [None, None]);
}

#[tokio::test]
async fn a_load_that_asks_for_its_own_key_runs_and_does_not_wait_for_itself() {
    let cache = cache();
    let inner = || cache.get_or_load("loop", TTL, || async { Ok::<_, Infallible>(1_u64) });
    let Ok(value) = cache.get_or_load("loop", TTL, || async { inner().await.map(|value| value + 1) }).await;
    assert_eq!(value, 2);
    assert_eq!(cache.get::<u64>("loop").await.unwrap(), Some(2));
}
