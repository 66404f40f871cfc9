//! Ten thousand callers at the moment in which a value expires: one load, and with `stale` nobody waits for it.
//!
//! Smaller crowds, and what becomes of a load that fails, are in `single_flight` and `stale`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use larder::{Cache, Memory, cached};
use tests::map_store::MapStore;
use tests::{Gate, until};
use tokio::time::{Instant, advance};

const TTL: Duration = Duration::from_secs(60);
/// The last moment of a value.
const LAST: Duration = Duration::from_millis(59_999);
const CROWD: usize = 10_000;

/// An application whose first load is quick, and whose others stop at a gate.
#[derive(Clone)]
struct App {
    cache: Cache,
    gate: Gate,
    loads: Arc<AtomicU64>,
}

impl App {
    fn new(cache: Cache) -> Self {
        Self { cache, gate: Gate::default(), loads: Arc::default() }
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    async fn source(&self) -> u64 {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        if number > 1 {
            self.gate.pass().await;
        }
        number
    }

    #[cached(ttl = 60, key = "plain", skip(self), cache = self.cache)]
    async fn plain(&self) -> u64 {
        self.source().await
    }

    #[cached(ttl = 60, stale = 60, key = "stale", skip(self), cache = self.cache)]
    async fn stale(&self) -> u64 {
        self.source().await
    }
}

const BACKENDS: [fn() -> Cache; 3] = [
    || Cache::builder().local(Memory::new(1000)).build(),
    || Cache::builder().remote(MapStore::default()).build(),
    || Cache::builder().local(Memory::new(1000)).remote(MapStore::default()).build(),
];

#[tokio::test(start_paused = true)]
async fn the_crowd_that_meets_an_expiry_shares_one_load() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.plain().await, 1);
        advance(LAST).await;
        assert_eq!(app.plain().await, 1, "not yet");
        advance(TTL.saturating_sub(LAST)).await;
        let crowd: Vec<_> = (0..CROWD)
            .map(|_| {
                let app = app.clone();
                tokio::spawn(async move { app.plain().await })
            })
            .collect();
        // All are there before the load ends.
        until(|| app.cache.stats().joins >= CROWD as u64 - 1).await;
        app.gate.open();
        for answer in join_all(crowd).await {
            assert_eq!(answer.unwrap(), 2);
        }
        assert_eq!(app.loads(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn with_stale_nobody_of_the_crowd_waits() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.stale().await, 1);
        advance(TTL).await;
        let moment = Instant::now();
        let crowd = (0..CROWD).map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app.stale().await })
        });
        // The gate is closed: whoever waited for the load would not come back.
        for answer in join_all(crowd).await {
            assert_eq!(answer.unwrap(), 1);
        }
        assert_eq!(moment.elapsed(), Duration::ZERO);
        app.gate.arrived(1).await;
        assert_eq!((app.loads(), app.cache.stats().joins), (2, 0), "one refresh, which nobody waits for");
        app.gate.open();
        until(|| app.cache.stats().refreshes == 1).await;
        assert_eq!(app.stale().await, 2);
        assert_eq!(app.loads(), 2);
    }
}
