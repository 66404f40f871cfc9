//! Warming loads what is missing, a few keys at a time, by the rules that hold for every load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Key, Memory, Warmed};
use tests::map_store::MapStore;
use tests::{Gate, until};
use tokio::task::yield_now;
use tokio::time::advance;

const TTL: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq)]
struct Broken(String);

/// Where values come from: loads stop at its gate, are counted, and fail if they are told to.
#[derive(Clone, Default)]
struct Source {
    gate: Gate,
    loads: Arc<AtomicU64>,
    running: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
    odd_ones_fail: Arc<AtomicBool>,
}

impl Source {
    fn open() -> Self {
        let source = Self::default();
        source.gate.open();
        source
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    /// The length of the key's name.
    async fn load(&self, key: Key) -> Result<usize, Broken> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        self.gate.pass().await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        let odd = key.as_str().ends_with(['1', '3', '5', '7', '9']);
        if odd && self.odd_ones_fail.load(Ordering::SeqCst) {
            return Err(Broken(key.to_string()));
        }
        Ok(key.as_str().len())
    }

    async fn warm(&self, cache: &Cache, keys: Vec<String>, concurrency: usize) -> Warmed<Broken> {
        cache.warm(keys, concurrency, |key| self.load(key)).ttl(TTL).await
    }
}

const BACKENDS: [fn() -> Cache; 3] = [
    || Cache::builder().local(Memory::new(1000)).build(),
    || Cache::builder().remote(MapStore::default()).build(),
    || Cache::builder().local(Memory::new(1000)).remote(MapStore::default()).build(),
];

fn names(ids: impl IntoIterator<Item = u32>) -> Vec<String> {
    ids.into_iter().map(|id| format!("user:{id}")).collect()
}

fn sorted(keys: &[Key]) -> Vec<String> {
    let mut keys: Vec<_> = keys.iter().map(Key::to_string).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn what_is_missing_is_loaded_and_what_is_current_is_not() {
    for build in BACKENDS {
        let (cache, source) = (build(), Source::open());
        cache.set("user:2", &99_usize, TTL).await.unwrap();
        let warmed = source.warm(&cache, names(0..5), 2).await;
        assert_eq!(sorted(&warmed.loaded), names([0, 1, 3, 4]));
        assert_eq!(sorted(&warmed.hits), names([2]));
        assert_eq!((warmed.failed.len(), warmed.count()), (0, 5));
        let values = cache.get_many::<usize>(names(0..5)).await.unwrap();
        assert_eq!(values, [Some(6), Some(6), Some(99), Some(6), Some(6)]);
        assert_eq!(source.loads(), 4);
    }
}

#[tokio::test]
async fn no_more_than_so_many_are_loaded_at_once() {
    for build in BACKENDS {
        let (cache, source, taken) = (build(), Source::default(), Arc::new(AtomicU64::new(0)));
        let warming = tokio::spawn({
            let (cache, source, taken) = (cache.clone(), source.clone(), Arc::clone(&taken));
            let keys = names(0..20).into_iter().inspect(move |_| {
                taken.fetch_add(1, Ordering::SeqCst);
            });
            async move { cache.warm(keys, 3, |key| source.load(key)).await }
        });
        source.gate.arrived(3).await;
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!((source.loads(), taken.load(Ordering::SeqCst)), (3, 3), "and no key is taken before");
        source.gate.open();
        assert_eq!(warming.await.unwrap().loaded.len(), 20);
        assert_eq!(source.most.load(Ordering::SeqCst), 3, "all the room is used, and no more");
    }
}

#[tokio::test]
async fn no_concurrency_at_all_is_one_at_a_time() {
    let (cache, source) = (BACKENDS[0](), Source::open());
    assert_eq!(source.warm(&cache, names(0..5), 0).await.loaded.len(), 5);
    assert_eq!(source.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn errors_stop_nobody_and_are_told_by_key() {
    for build in BACKENDS {
        let (cache, source) = (build(), Source::open());
        source.odd_ones_fail.store(true, Ordering::SeqCst);
        let warmed = source.warm(&cache, names(0..4), 4).await;
        assert_eq!(sorted(&warmed.loaded), names([0, 2]));
        let errors: Vec<_> =
            warmed.failed.iter().map(|(key, error)| (key.as_str(), error.0.as_str())).collect();
        assert_eq!(errors, [("user:1", "user:1"), ("user:3", "user:3")]);

        source.odd_ones_fail.store(false, Ordering::SeqCst);
        let failed = warmed.failed.into_iter().map(|(key, _)| key);
        let again = cache.warm(failed, 4, |key| source.load(key)).await;
        assert_eq!(sorted(&again.loaded), names([1, 3]));
        assert_eq!(source.loads(), 6);
    }
}

#[tokio::test]
async fn dropped_half_way_it_stops_and_goes_on_where_it_was() {
    for build in BACKENDS {
        let (cache, source) = (build(), Source::open());
        let held = Source { gate: Gate::default(), loads: Arc::clone(&source.loads), ..Source::default() };
        let warming = tokio::spawn({
            let (cache, source, held) = (cache.clone(), source.clone(), held.clone());
            let load = move |key: Key| {
                let source = if source.loads() < 5 { source.clone() } else { held.clone() };
                async move { source.load(key).await }
            };
            async move { cache.warm(names(0..10), 1, load).await }
        });
        held.gate.arrived(1).await;
        warming.abort();
        assert!(warming.await.unwrap_err().is_cancelled());
        held.gate.open();
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(source.loads(), 6, "nothing goes on without it");
        assert!(format!("{cache:?}").contains("aloft: 0"), "nothing is left on the board");

        let warmed = source.warm(&cache, names(0..10), 1).await;
        assert_eq!(sorted(&warmed.hits), names(0..5));
        assert_eq!(sorted(&warmed.loaded), names(5..10));
    }
}

#[tokio::test]
async fn an_invalidation_meanwhile_wins() {
    for build in BACKENDS {
        let (cache, source) = (build(), Source::default());
        let warming = tokio::spawn({
            let (cache, source) = (cache.clone(), source.clone());
            async move { source.warm(&cache, names(0..4), 2).await }
        });
        source.gate.arrived(2).await;
        cache.invalidate("user:*").await.unwrap();
        source.gate.open();
        assert_eq!(warming.await.unwrap().loaded.len(), 4);
        let values = cache.get_many::<usize>(names(0..4)).await.unwrap();
        assert_eq!(values, [None, None, Some(6), Some(6)], "those that began before are not stored");
    }
}

#[tokio::test]
async fn callers_and_warming_share_a_load() {
    for build in BACKENDS {
        let (cache, source) = (build(), Source::default());
        let caller = |key: &'static str| {
            let (cache, source) = (cache.clone(), source.clone());
            tokio::spawn(async move { cache.get_or_load(key, TTL, || source.load(key.into())).await })
        };
        let before = caller("user:0");
        source.gate.arrived(1).await;
        let warming = tokio::spawn({
            let (cache, source) = (cache.clone(), source.clone());
            async move { source.warm(&cache, names([0, 1, 1]), 3).await }
        });
        source.gate.arrived(2).await;
        let after = caller("user:1");
        until(|| cache.stats().joins == 3).await;
        source.gate.open();
        let warmed = warming.await.unwrap();
        assert_eq!((sorted(&warmed.loaded), sorted(&warmed.hits)), (names([1]), names([0, 1])));
        assert_eq!((before.await.unwrap(), after.await.unwrap()), (Ok(6), Ok(6)));
        assert_eq!(source.loads(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn values_live_as_long_as_is_said_or_as_usual() {
    let cache = Cache::builder().local(Memory::new(10)).default_ttl(3 * TTL).build();
    let source = Source::open();
    cache.warm(["usual"], 1, |key| source.load(key)).await;
    cache.warm(["said"], 1, |key| source.load(key)).ttl(TTL).await;
    advance(TTL).await;
    assert!(cache.exists("usual").await.unwrap());
    assert!(!cache.exists("said").await.unwrap());
    advance(2 * TTL).await;
    assert!(!cache.exists("usual").await.unwrap());
}

#[tokio::test]
async fn progress_is_told_after_each_key() {
    let (cache, source) = (BACKENDS[0](), Source::open());
    source.odd_ones_fail.store(true, Ordering::SeqCst);
    cache.set("user:2", &99_usize, TTL).await.unwrap();
    let mut seen = Vec::new();
    let warmed = cache
        .warm(names(0..4), 1, |key| source.load(key))
        .on_progress(|so_far| seen.push((so_far.loaded.len(), so_far.hits.len(), so_far.failed.len())))
        .await;
    assert_eq!(seen, [(1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 2)]);
    assert_eq!(warmed.count(), 4);
}

#[tokio::test]
async fn nothing_is_loaded_while_the_cache_is_off() {
    let (cache, source) = (BACKENDS[0](), Source::open());
    cache.set_enabled(false);
    assert_eq!(source.warm(&cache, names(0..4), 2).await.count(), 0);
    assert_eq!(source.loads(), 0);
}

#[tokio::test]
async fn keys_that_need_no_load_leave_others_their_turn() {
    let (cache, source) = (BACKENDS[0](), Source::open());
    source.warm(&cache, names(0..100), 10).await;
    let turns = Arc::new(AtomicU64::new(0));
    let other = tokio::spawn({
        let turns = Arc::clone(&turns);
        async move {
            loop {
                turns.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
            }
        }
    });
    assert_eq!(source.warm(&cache, names(0..100), 10).await.hits.len(), 100);
    assert!(turns.load(Ordering::SeqCst) >= 9, "a turn after each ten");
    other.abort();
}

#[test]
fn it_needs_no_runtime() {
    let (cache, source) = (BACKENDS[0](), Source::open());
    let warmed = pollster::block_on(source.warm(&cache, names(0..10), 3));
    assert_eq!(warmed.loaded.len(), 10);
}
