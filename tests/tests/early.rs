//! A value that is read steadily is refreshed a little before its end, at random, by the time its load takes: so
//! nobody is there when it expires. The decision itself is tested beside it, in `policy`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Memory, cached};
use tests::held_store::HeldStore;
use tests::{Gate, until};
use tokio::time::{Instant, advance, sleep};

const LOAD: Duration = Duration::from_millis(50);

/// An application whose loads take their time, on a clock that does not.
#[derive(Clone)]
struct App {
    cache: Cache,
    loads: Arc<AtomicU64>,
    gate: Gate,
}

impl App {
    fn new(cache: Cache) -> Self {
        let app = Self { cache, loads: Arc::default(), gate: Gate::default() };
        app.gate.open();
        app
    }

    async fn source(&self) -> u64 {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        sleep(LOAD).await;
        number
    }

    #[cached(ttl = 1, early = true, key = "early", skip(self), cache = self.cache)]
    async fn early(&self) -> u64 {
        self.source().await
    }

    /// Always due.
    #[cached(ttl = 10, early = 1e9, key = "hasty", skip(self), cache = self.cache)]
    async fn hasty(&self) -> u64 {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        if number == 1 {
            sleep(LOAD).await;
        }
        self.gate.pass().await;
        number
    }

    #[cached(ttl = 1, key = "plain", skip(self), cache = self.cache)]
    async fn plain(&self) -> u64 {
        self.source().await
    }

    /// How many of the calls of 20 seconds, one each millisecond, had to wait.
    async fn waits(&self, call: impl AsyncFn(&Self) -> u64) -> u64 {
        let mut waits = 0;
        call(self).await;
        for _ in 0..20_000 {
            advance(Duration::from_millis(1)).await;
            let asked = Instant::now();
            call(self).await;
            waits += u64::from(asked.elapsed() > Duration::ZERO);
        }
        waits
    }
}

fn in_memory() -> Cache {
    Cache::builder().local(Memory::new(10)).build()
}

fn near() -> Cache {
    // The near copy is trusted for less than the value lives.
    let bound = Duration::from_millis(400);
    Cache::builder().local(Memory::new(10)).remote(HeldStore::open()).max_staleness(bound).build()
}

fn shared() -> Cache {
    Cache::builder().remote(HeldStore::open()).build()
}

#[tokio::test(start_paused = true)]
async fn at_steady_traffic_nobody_meets_the_end_of_a_value() {
    for build in [in_memory, near, shared] {
        let app = App::new(build());
        assert_eq!(app.waits(async |app| app.early().await).await, 0);
        let loads = app.loads.load(Ordering::SeqCst);
        assert!((20..40).contains(&loads), "{loads} loads, of which 20 are needed");

        let app = App::new(build());
        let waits = app.waits(async |app| app.plain().await).await;
        assert!(waits > 15, "without `early` somebody meets each end: {waits}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_refresh_is_one_and_nobody_waits_for_it() {
    for build in [in_memory, shared] {
        let app = App::new(build());
        assert_eq!(app.hasty().await, 1);
        let held = App { gate: Gate::default(), ..app.clone() };
        let asked = Instant::now();
        for _ in 0..100 {
            assert_eq!(held.hasty().await, 1);
        }
        assert_eq!(asked.elapsed(), Duration::ZERO);
        held.gate.arrived(1).await;
        assert_eq!(held.hasty().await, 1);
        app.cache.invalidate("hasty").await.unwrap();
        assert_eq!(app.hasty().await, 3, "neither the old value nor what refreshes it");
        held.gate.open();
        until(|| app.cache.stats().refreshes > 0).await;
        assert_ne!(app.hasty().await, 2, "which is thrown away");
        assert_eq!(app.cache.stats().stale_hits, 0, "an early refresh is of a fresh value");
    }
}
