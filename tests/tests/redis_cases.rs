//! Cases of the coherence protocol that are about a server in trouble, with their exact outcomes. What else a server
//! can do is in `redis_conditions`, and what is on the wire in `wire`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cache_core::store::{Claim, Expect, Put, RemoteStore, Token};
use larder::{Cache, Memory, Redis, Result, cached};
use tests::proxy::Proxy;
use tests::redis::Server;
use tests::{until, until_async};
use tokio::task::yield_now;
use tokio::time::sleep;

const TTL: Duration = Duration::from_secs(300);

/// For how long a process may trust what it has not heard of: Δ.
const DELTA: Duration = Duration::from_millis(400);

/// The deadline of a read, and the longest of any operation.
const READ: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// What a busy machine may add to a bound before a test takes offence.
const SLACK: Duration = Duration::from_secs(1);

/// How soon a server that is back must be in use.
const SOON: Duration = Duration::from_secs(1);

const KEYS: u64 = 20;

#[derive(Clone)]
struct Shop {
    cache: Cache,
    /// Of each key, how often it was loaded.
    loads: Arc<[AtomicU64]>,
    /// How long the slowest call took.
    slowest: Arc<Mutex<Duration>>,
}

impl Shop {
    fn new(url: &str, near: bool) -> Self {
        let remote = Redis::open(url).unwrap();
        let mut cache = Cache::builder().namespace("shop").remote(remote).max_staleness(DELTA);
        if near {
            cache = cache.local(Memory::new(1_000));
        }
        let loads = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        Self { cache: cache.build(), loads, slowest: Arc::default() }
    }

    #[cached(ttl = 300, key = "item:<id>", skip(self), cache = self.cache)]
    async fn item(&self, id: u64) -> Result<u64, String> {
        self.loads[usize::try_from(id).unwrap()].fetch_add(1, Ordering::SeqCst);
        Ok(id)
    }

    /// Reads every key once.
    async fn read_all(&self) {
        for id in 0..KEYS {
            let start = Instant::now();
            assert_eq!(self.item(id).await, Ok(id), "no read fails");
            let mut slowest = self.slowest.lock().unwrap();
            *slowest = start.elapsed().max(*slowest);
        }
    }

    /// The slowest call since the last time this was asked.
    fn slowest(&self) -> Duration {
        std::mem::take(&mut *self.slowest.lock().unwrap())
    }

    async fn breaker_is_open(&self) -> bool {
        self.cache.health().await.remote.unwrap().breaker_open
    }

    /// Whether the server takes what is stored. What was loaded while it did not may live on here, and here alone.
    async fn is_stored_to(&self) -> bool {
        self.cache.set("probe", &0, LONGEST).await.is_ok()
    }

    /// Waits until the server is in use, and reads every key.
    async fn used(&self) {
        until_async(async || self.is_stored_to().await).await;
        self.read_all().await;
    }
}

#[tokio::test]
async fn case_23_a_server_that_is_killed_and_restarted_empty_costs_a_load_per_key_and_delta() {
    let mut server = Server::start();
    let shop = Shop::new(&server.url(), true);
    shop.used().await;
    let before: Vec<u64> = shop.loads.iter().map(|loads| loads.load(Ordering::SeqCst)).collect();
    let start = Instant::now();
    server.kill();
    while start.elapsed() < 4 * DELTA {
        shop.read_all().await;
        yield_now().await;
    }
    server.restart_empty();
    until_async(async || {
        shop.read_all().await;
        shop.is_stored_to().await
    })
    .await;
    let most = start.elapsed().as_millis() / DELTA.as_millis() + 2;
    for (id, (loads, before)) in shop.loads.iter().zip(before).enumerate() {
        let loads = u128::from(loads.load(Ordering::SeqCst) - before);
        assert!(loads <= most, "{loads} loads of key {id}, and {most} would be many");
    }
}

#[tokio::test]
async fn case_28_a_server_that_stands_still_for_three_seconds_bounds_each_read_and_is_back_within_one() {
    let server = Server::start();
    let shop = Shop::new(&server.url(), false);
    shop.used().await;
    let _ = shop.slowest();
    server.stop();
    let stopped = Instant::now();
    let reader = tokio::spawn({
        let shop = shop.clone();
        async move {
            while stopped.elapsed() < Duration::from_secs(3) {
                shop.read_all().await;
                yield_now().await;
            }
        }
    });
    until(|| shop.cache.stats().breaker_openings > 0).await;
    // Each of the reads until then may take a deadline to look, and another to say that nothing is stored.
    assert!(shop.slowest() < 3 * READ + SLACK);
    let asked = shop.cache.stats().remote_errors;
    reader.await.unwrap();
    let stats = shop.cache.stats();
    assert_eq!((stats.remote_errors, stats.breaker_openings), (asked, 1), "nobody asks it any more");
    assert!(shop.breaker_is_open().await);
    // The last read that had been sent may still be in there; of the others thousands end in less than 5 ms.
    assert!(stats.remote_skipped > 1_000, "{stats:?}");

    server.cont();
    let back = Instant::now();
    until_async(async || !shop.breaker_is_open().await).await;
    assert!(back.elapsed() < SOON + SLACK, "it took {:?}", back.elapsed());
    shop.used().await;
}

#[tokio::test]
async fn case_29_a_half_open_connection_is_replaced_within_a_second() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let shop = Shop::new(&proxy.url(), false);
    shop.used().await;
    for round in 0..3 {
        let connections = proxy.connections();
        proxy.vanish();
        let start = Instant::now();
        until_async(async || shop.cache.exists("item:0").await.is_ok_and(|is| is)).await;
        assert!(start.elapsed() < SOON + SLACK, "round {round}: it took {:?}", start.elapsed());
        assert_eq!(proxy.connections(), connections + 1, "round {round}");
        until_async(async || !shop.breaker_is_open().await).await;
    }
}

#[tokio::test]
async fn case_30_no_operation_outlives_its_deadline_while_the_server_is_down_for_ten_seconds() {
    let mut server = Server::start();
    let store = Redis::open(server.url()).unwrap();
    until_async(async || store.health().await.is_ok()).await;
    server.kill();
    let start = Instant::now();
    let mut operations = 0;
    while start.elapsed() < Duration::from_secs(10) {
        let (names, scopes) = (["name".to_owned()], ["scope".to_owned()]);
        let put = Put { name: "name", scopes: &scopes, value: b"value", ttl: TTL };
        let token = Token([1; 16]);
        let mut bounded = async |limit: Duration, operation: &mut (dyn Future<Output = bool> + Unpin)| {
            // A machine that stands still lets both times pass: then whoever is ready has his say first.
            let outlived = async {
                sleep(limit + SLACK).await;
                for _ in 0..1_000 {
                    yield_now().await;
                }
            };
            tokio::select! {
                biased;
                failed = operation => assert!(failed, "there is no server"),
                () = outlived => panic!("an operation outlives {limit:?}"),
            }
            operations += 1;
        };
        let read = async { store.fetch("name", &scopes, Some(Claim::new(token, TTL))).await.is_err() };
        bounded(READ, &mut Box::pin(read)).await;
        let write = async { store.publish(put, Expect::Lease(token)).await.is_err() };
        bounded(Duration::from_millis(250), &mut Box::pin(write)).await;
        let invalidation = async { store.invalidate(&names, &scopes, None).await.is_err() };
        bounded(LONGEST, &mut Box::pin(invalidation)).await;
        bounded(LONGEST, &mut Box::pin(async { store.health().await.is_err() })).await;
        yield_now().await;
    }
    assert!(operations > 10, "{operations}");
    server.restart_empty();
    let back = Instant::now();
    until_async(async || store.health().await.is_ok()).await;
    assert!(back.elapsed() < SOON + SLACK, "it took {:?}", back.elapsed());
}
