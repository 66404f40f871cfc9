//! `settle`: after a mutation the database's replicas lag for a while. What is loaded from them meanwhile is returned,
//! to everybody who waits for it, and not stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Memory, cache_invalidate, cached};
use tests::Gate;
use tests::map_store::MapStore;
use tokio::time::advance;

const SETTLE: Duration = Duration::from_millis(500);

/// An application that writes to a primary database and reads from a replica.
#[derive(Clone)]
struct App {
    cache: Cache,
    primary: Arc<AtomicU64>,
    replica: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
    gate: Gate,
}

impl App {
    fn new(cache: Cache) -> Self {
        let app = Self {
            cache,
            primary: Arc::default(),
            replica: Arc::default(),
            loads: Arc::default(),
            gate: Gate::default(),
        };
        app.gate.open();
        app
    }

    /// The replica has caught up.
    fn catch_up(&self) {
        self.replica.store(self.primary.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    #[cached(key = "user:<id>", ttl = 300, tags = ["users"], skip(self), cache = self.cache)]
    async fn get(&self, id: u64) -> u64 {
        let _ = id;
        self.loads.fetch_add(1, Ordering::SeqCst);
        let read = self.replica.load(Ordering::SeqCst);
        self.gate.pass().await;
        read
    }

    #[cache_invalidate("user:<id>", settle = "500ms", cache = self.cache)]
    async fn save(&self, id: u64, value: u64) {
        let _ = id;
        self.primary.store(value, Ordering::SeqCst);
    }

    #[cache_invalidate(tags = ["users"], settle = SETTLE, cache = self.cache)]
    async fn save_all(&self, value: u64) -> Result<(), String> {
        self.primary.store(value, Ordering::SeqCst);
        if value == 13 { Err("after the commit".to_owned()) } else { Ok(()) }
    }

    #[cache_invalidate("user:*", cache = self.cache)]
    async fn save_unsettled(&self, value: u64) {
        self.primary.store(value, Ordering::SeqCst);
    }
}

const BACKENDS: [fn() -> Cache; 3] = [
    || Cache::builder().local(Memory::new(100)).build(),
    || Cache::builder().remote(MapStore::default()).build(),
    || Cache::builder().local(Memory::new(100)).remote(MapStore::default()).build(),
];

#[tokio::test(start_paused = true)]
async fn an_old_value_from_a_replica_is_not_stored() {
    for cache in BACKENDS {
        let app = App::new(cache());
        assert_eq!(app.get(1).await, 0);
        app.save(1, 7).await;
        assert_eq!(app.get(1).await, 0, "what the replica has");
        advance(SETTLE / 2).await;
        app.catch_up();
        assert_eq!(app.get(1).await, 7, "the old value was not stored");
        assert_eq!(app.get(1).await, 7);
        assert_eq!(app.loads(), 4, "and neither is any other within this time");
        advance(SETTLE).await;
        assert_eq!((app.get(1).await, app.get(1).await), (7, 7));
        assert_eq!(app.loads(), 5, "then there is one to store");
    }
}

#[tokio::test(start_paused = true)]
async fn without_settle_it_is() {
    // The proof that the test above can fail.
    for cache in BACKENDS {
        let app = App::new(cache());
        app.save_unsettled(7).await;
        assert_eq!(app.get(1).await, 0);
        app.catch_up();
        assert_eq!(app.get(1).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn tags_settle_also_when_the_mutation_fails() {
    for cache in BACKENDS {
        let app = App::new(cache());
        assert!(app.save_all(13).await.is_err());
        assert_eq!(app.get(1).await, 0);
        app.catch_up();
        assert_eq!(app.get(1).await, 13);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_began_in_time_and_ends_late_is_not_stored() {
    for cache in BACKENDS {
        let mut app = App::new(cache());
        app.gate = Gate::default();
        app.save(1, 7).await;
        let load = tokio::spawn({
            let app = app.clone();
            async move { app.get(1).await }
        });
        app.gate.arrived(1).await;
        advance(2 * SETTLE).await;
        app.catch_up();
        app.gate.open();
        assert_eq!(load.await.unwrap(), 0);
        assert_eq!(app.get(1).await, 7);
    }
}

#[tokio::test(start_paused = true)]
async fn callers_share_a_load_while_it_settles() {
    for cache in BACKENDS {
        let mut app = App::new(cache());
        app.gate = Gate::default();
        app.save(1, 7).await;
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let app = app.clone();
                tokio::spawn(async move { app.get(1).await })
            })
            .collect();
        tests::until(|| app.cache.stats().joins == 19).await;
        app.gate.open();
        for call in calls {
            assert_eq!(call.await.unwrap(), 0);
        }
        assert_eq!(app.loads(), 1);
    }
}
