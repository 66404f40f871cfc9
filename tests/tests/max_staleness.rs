//! `max_staleness` of a function: its near copies are served for a shorter time without word from other processes than
//! those of the others, and for as long with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Memory, cached};
use tests::Gate;
use tests::held_store::HeldStore;
use tests::map_store::MapStore;
use tokio::time::advance;

/// Δ of the cache.
const STALENESS: Duration = Duration::from_secs(2);
/// Δ of the functions.
const OWN: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct App {
    cache: Cache,
    loads: Arc<AtomicU64>,
    gate: Gate,
}

impl App {
    fn new(cache: Cache) -> Self {
        let gate = Gate::default();
        gate.open();
        Self { cache, loads: Arc::default(), gate }
    }

    fn load(&self) -> u64 {
        self.loads.fetch_add(1, Ordering::SeqCst)
    }

    #[cached(key = "usual:<id>", ttl = 3600, skip(self), cache = self.cache)]
    async fn usual(&self, id: u64) -> u64 {
        self.load() + id
    }

    #[cached(key = "strict:<id>", ttl = 3600, max_staleness = "100ms", skip(self), cache = self.cache)]
    async fn strict(&self, id: u64) -> u64 {
        let loaded = self.load() + id;
        self.gate.pass().await;
        loaded
    }

    #[cached(key = "each:<id>", ttl = 3600, each(id in ids), max_staleness = "100ms", skip(self), cache = self.cache)]
    async fn each(&self, ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, self.load())).collect()
    }

    /// Asks each of those with a Δ of their own; how many loads that takes.
    async fn asks(&self) -> u64 {
        let before = self.loads.load(Ordering::SeqCst);
        self.strict(1).await;
        stale(self.clone(), 1).await;
        self.each(&[1]).await;
        self.loads.load(Ordering::SeqCst) - before
    }

    /// Whether the usual function has to load.
    async fn asks_usual(&self) -> bool {
        let before = self.loads.load(Ordering::SeqCst);
        self.usual(1).await;
        self.loads.load(Ordering::SeqCst) > before
    }
}

#[cached(key = "stale:<id>", ttl = 3600, stale = 3600, max_staleness = "100ms", skip(app), cache = app.cache)]
async fn stale(app: App, id: u64) -> u64 {
    app.load() + id
}

fn store() -> HeldStore {
    let mut store = HeldStore::open();
    store.store = Arc::new(MapStore::logged());
    store
}

fn near(store: &HeldStore) -> App {
    let cache = Cache::builder().local(Memory::new(100)).remote(store.clone()).max_staleness(STALENESS);
    App::new(cache.build())
}

#[tokio::test(start_paused = true)]
async fn without_word_a_strict_function_loads_again_and_others_do_not() {
    let store = store();
    let app = near(&store);
    assert!(app.asks_usual().await);
    assert_eq!(app.asks().await, 3);
    store.leave(true);
    assert_eq!(app.asks().await, 0, "what has just been loaded is new enough");
    advance(OWN + Duration::from_millis(1)).await;
    assert_eq!(app.asks().await, 3);
    assert_eq!(app.asks().await, 0, "so is what has just been loaded again");
    assert!(!app.asks_usual().await);
    advance(STALENESS).await;
    assert!(app.asks_usual().await);
}

#[tokio::test(start_paused = true)]
async fn with_word_it_does_not() {
    let store = store();
    let app = near(&store);
    assert_eq!(app.asks().await, 3);
    for _ in 0..50 {
        advance(OWN / 5).await;
        assert_eq!(app.asks().await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn no_load_is_joined_that_is_too_old_for_it() {
    let store = store();
    let mut app = near(&store);
    app.asks().await;
    app.gate = Gate::default();
    store.leave(true);
    let read = |id| {
        let app = app.clone();
        tokio::spawn(async move { app.strict(id).await })
    };
    let first = read(7);
    app.gate.arrived(1).await;
    let second = read(7);
    tests::until(|| app.cache.stats().joins == 1).await;
    advance(OWN + Duration::from_millis(1)).await;
    let third = read(7);
    app.gate.arrived(2).await;
    app.gate.open();
    let (first, second, third) = (first.await.unwrap(), second.await.unwrap(), third.await.unwrap());
    assert_eq!((first == second, first == third), (true, false));
}

#[tokio::test(start_paused = true)]
async fn in_one_process_it_changes_nothing() {
    let app = App::new(Cache::builder().local(Memory::new(100)).build());
    assert_eq!(app.asks().await, 3);
    advance(10 * STALENESS).await;
    assert_eq!(app.asks().await, 0);
}
