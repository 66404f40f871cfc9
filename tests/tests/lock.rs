//! `lock`: one load and one stored result among processes that share a store. Here a process is a cache of its own over
//! the same store. A holder that is killed is a lease that nobody gives back, or a process.
//!
//! | case | where |
//! |---|---|
//! | 21 four processes × 50 readers | here |
//! | 22 a holder that is killed | here, by simulated time and over a real server |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use larder::store::{Claim, RemoteStore, Token};
use larder::{Cache, Memory, Redis, cached};
use tests::child::{self, Child};
use tests::map_store::MapStore;
use tests::redis::{Server, patient};
use tests::{Gate, until, until_async};
use tokio::time::{Instant, advance, timeout};

const TTL: Duration = Duration::from_secs(60);
const BOUND: Duration = Duration::from_secs(10);

/// One process of an application.
#[derive(Clone)]
struct App {
    cache: Cache,
    gate: Gate,
    /// Of all processes.
    loads: Arc<AtomicU64>,
    /// Loads that have begun and not ended, among all processes.
    running: Arc<AtomicU64>,
    /// How many loads do not stop at the gate.
    free: u64,
}

impl App {
    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    fn running(&self) -> u64 {
        self.running.load(Ordering::SeqCst)
    }

    async fn source(&self) -> u64 {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        let _running = Running::of(&self.running);
        if number > self.free {
            self.gate.pass().await;
        }
        number
    }

    #[cached(key = "user:<id>", ttl = 60, lock, skip(self), cache = self.cache)]
    async fn get(&self, id: u64) -> u64 {
        let _ = id;
        self.source().await
    }

    #[cached(key = "failing:<id>", ttl = 60, lock, skip(self), cache = self.cache)]
    async fn failing(&self, id: u64) -> Result<u64, String> {
        Err(format!("{id}: {}", self.source().await))
    }

    #[cached(key = "brief:<id>", ttl = 60, lock = "2s", skip(self), cache = self.cache)]
    async fn brief(&self, id: u64) -> u64 {
        let _ = id;
        self.source().await
    }

    #[cached(key = "stale:<id>", ttl = 60, stale = 600, lock, skip(self), cache = self.cache)]
    async fn stale(&self, id: u64) -> u64 {
        let _ = id;
        self.source().await
    }
}

struct Running(Arc<AtomicU64>);

impl Running {
    fn of(running: &Arc<AtomicU64>) -> Self {
        running.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// So many processes over one store, whose loads stop at a gate.
fn fleet(size: usize, cache: impl Fn(usize) -> Cache) -> Vec<App> {
    let (gate, loads, running) = (Gate::default(), Arc::default(), Arc::default());
    (0..size)
        .map(|number| App {
            cache: cache(number),
            gate: gate.clone(),
            loads: Arc::clone(&loads),
            running: Arc::clone(&running),
            free: 0,
        })
        .collect()
}

/// Processes of both kinds: with a near copy, and without.
fn over(store: &MapStore, size: usize) -> Vec<App> {
    fleet(size, |number| {
        let builder = Cache::builder().namespace("shop").remote(store.clone());
        let builder = if number % 2 == 0 { builder } else { builder.local(Memory::new(1000)) };
        builder.load_limit(Duration::from_secs(30)).build()
    })
}

#[tokio::test]
async fn four_processes_with_fifty_readers_each_load_once() {
    let server = Server::start();
    let fleet = fleet(4, |number| {
        let builder = Cache::builder().namespace("shop").remote(patient(server.url()));
        let builder = if number % 2 == 0 { builder } else { builder.local(Memory::new(1000)) };
        builder.build()
    });
    let readers = fleet.iter().flat_map(|app| std::iter::repeat_n(app.clone(), 50));
    let readers: Vec<_> = readers.map(|app| tokio::spawn(async move { app.get(1).await })).collect();
    until(|| fleet[0].running() == 1).await;
    let waiting = || fleet.iter().map(|app| app.cache.stats().joins).sum::<u64>();
    until(|| waiting() == 196).await;
    fleet[0].gate.open();
    let read = timeout(BOUND, join_all(readers)).await.unwrap();
    assert!(read.into_iter().all(|value| value.unwrap() == 1));
    assert_eq!(fleet[0].loads(), 1, "one load among four processes");
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_each_process_would_load() {
    // The same without `lock` is the proof that the test above can fail.
    let store = MapStore::default();
    let fleet = over(&store, 4);
    let readers: Vec<_> = fleet
        .iter()
        .map(|app| {
            let app = app.clone();
            tokio::spawn(async move { app.cache.get_or_load("k", TTL, || app.source_ok()).await })
        })
        .collect();
    until(|| fleet[0].running() == 4).await;
    fleet[0].gate.open();
    join_all(readers).await;
    assert_eq!(fleet[0].loads(), 4);
}

impl App {
    async fn source_ok(&self) -> Result<u64, String> {
        Ok(self.source().await)
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_fails_is_followed_by_the_next_at_once() {
    let store = MapStore::default();
    let fleet = over(&store, 3);
    fleet[0].gate.open();
    let began = Instant::now();
    let read = fleet.iter().map(|app| {
        let app = app.clone();
        tokio::spawn(async move { app.failing(1).await })
    });
    for (number, read) in join_all(read).await.into_iter().enumerate() {
        assert!(read.unwrap().is_err(), "process {number} hears of its own load");
    }
    assert_eq!(fleet[0].loads(), 3);
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for a lease to expire");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_is_dropped_is_followed_by_the_next_at_once() {
    let store = MapStore::default();
    let fleet = over(&store, 2);
    let first = tokio::spawn({
        let app = fleet[0].clone();
        async move { app.get(1).await }
    });
    until(|| fleet[0].running() == 1).await;
    let began = Instant::now();
    let second = tokio::spawn({
        let app = fleet[1].clone();
        async move { app.get(1).await }
    });
    first.abort();
    until_late(|| fleet[0].loads() == 2).await;
    fleet[0].gate.open();
    assert_eq!(second.await.unwrap(), 2);
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for a lease to expire");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_gone_is_replaced_within_its_lease() {
    let store = MapStore::default();
    let lease = Duration::from_secs(5);
    // As a process leaves it that is killed while it loads.
    let claim = Claim::new(Token([7; 16]), lease);
    store.fetch("shop:user:1", &[], Some(claim)).await.unwrap();
    let fleet = over(&store, 2);
    fleet[0].gate.open();
    let began = Instant::now();
    assert_eq!(fleet[0].get(1).await, 1);
    let took = began.elapsed();
    assert!(took >= lease, "the lease was not waited for: {took:?}");
    assert!(took < lease + Duration::from_millis(200), "{took:?}");
    assert_eq!(fleet[1].get(1).await, 1, "and what it made is stored");
}

/// How long a load may take where a process is killed, and so the lease: a second more.
const LOAD_LIMIT: Duration = Duration::from_secs(5);
const LEASE: Duration = Duration::from_secs(6);
/// What a busy machine may add to a bound before a test takes offence.
const BUSY: Duration = Duration::from_secs(3);

/// The load of a process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, as a process of its own"]
async fn a_holder() {
    let Some(url) = child::orders() else { return };
    let cache = Cache::builder().namespace("shop").remote(patient(url)).load_limit(LOAD_LIMIT).build();

    #[cached(key = "user:<id>", ttl = 60, lock, skip(cache), cache = cache)]
    async fn get(id: u64, cache: &Cache) -> u64 {
        let _ = cache;
        child::say_and_wait("loading").await;
        id
    }
    get(1, &cache).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_22_a_holder_that_is_killed_is_replaced_within_its_lease() {
    let server = Server::start();
    let fleet = fleet(2, |_| {
        let builder = Cache::builder().namespace("shop").remote(patient(server.url()));
        builder.load_limit(LOAD_LIMIT).build()
    });
    fleet[0].gate.open();
    // Their connections are no part of what is measured.
    for app in &fleet {
        app.cache.exists("nothing").await.unwrap();
    }
    let began = Instant::now();
    let mut holder = Child::start("a_holder", &server.url());
    holder.await_line("loading");
    let left = || {
        let left: i64 = server.tell(&["PTTL", "shop:user:1"]);
        Duration::from_millis(left.try_into().unwrap_or_default())
    };
    assert!((Duration::from_millis(1)..=LEASE).contains(&left()));
    // Nobody waits for longer than a load may take. Who comes now waits until the lease has ended, and a while longer.
    until(|| left() + LOAD_LIMIT < LEASE).await;
    let readers: Vec<_> =
        fleet.iter().cloned().map(|app| tokio::spawn(async move { app.get(1).await })).collect();
    holder.kill();
    let read = timeout(BOUND, join_all(readers)).await.unwrap();
    assert!(began.elapsed() < LEASE + BUSY, "{:?}", began.elapsed());
    assert!(read.into_iter().all(|value| value.unwrap() == 1));
    assert_eq!(fleet[0].loads(), 1, "one of them has taken the place of the holder");
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_long_enough_loads_alone() {
    let store = MapStore::default();
    let fleet = over(&store, 2);
    let first = tokio::spawn({
        let app = fleet[0].clone();
        async move { app.brief(1).await }
    });
    until(|| fleet[0].running() == 1).await;
    let second = tokio::spawn({
        let app = fleet[1].clone();
        async move { app.brief(1).await }
    });
    let began = Instant::now();
    until_late(|| fleet[0].running() == 2).await;
    let waited = began.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_millis(2_200)).contains(&waited), "{waited:?}");
    fleet[0].gate.open();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
    let stored = Cache::builder().namespace("shop").remote(store.clone()).build();
    assert_eq!(stored.get::<u64>("brief:1").await.unwrap(), Some(1), "what the first made is what is stored");
}

/// Lets simulated time pass until it is true.
async fn until_late(mut done: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        advance(Duration::from_millis(1)).await;
    }
    panic!("ten seconds have passed");
}

#[tokio::test(start_paused = true)]
async fn one_process_refreshes_a_stale_value() {
    let store = MapStore::default();
    let mut fleet = over(&store, 4);
    for app in &mut fleet {
        app.free = 1;
        assert_eq!(app.stale(1).await, 1);
    }
    advance(TTL + Duration::from_secs(1)).await;
    for app in &fleet {
        assert_eq!(app.stale(1).await, 1, "the old value meanwhile");
    }
    until(|| fleet[0].running() == 1).await;
    // Long enough for all others to have begun, if they did not wait.
    advance(Duration::from_secs(5)).await;
    assert_eq!(fleet[0].loads(), 2, "one refresh among four processes");
    fleet[0].gate.open();
    for app in &fleet {
        until_async(async || {
            advance(Duration::from_millis(50)).await;
            app.stale(1).await == 2
        })
        .await;
    }
    assert_eq!(fleet[0].loads(), 2, "the others have taken what it made");
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_is_not_waited_out() {
    // The load that others wait for was overtaken: it is not stored, and the next one begins at once.
    let store = MapStore::default();
    let fleet = over(&store, 3);
    let first = tokio::spawn({
        let app = fleet[0].clone();
        async move { app.get(1).await }
    });
    until(|| fleet[0].running() == 1).await;
    fleet[2].cache.invalidate("user:1").await.unwrap();
    let began = Instant::now();
    let second = tokio::spawn({
        let app = fleet[1].clone();
        async move { app.get(1).await }
    });
    until(|| fleet[0].running() == 2).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    fleet[0].gate.open();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
    assert_eq!(fleet[2].get(1).await, 2, "the load that began before the invalidation is not stored");
}

#[tokio::test]
async fn a_store_that_is_gone_is_no_reason_to_wait() {
    let cache =
        Cache::builder().namespace("shop").remote(Redis::open("redis://127.0.0.1:1").unwrap()).build();
    let app = fleet(1, |_| cache.clone()).remove(0);
    app.gate.open();
    assert_eq!(timeout(BOUND, app.get(1)).await.unwrap(), 1);
}
