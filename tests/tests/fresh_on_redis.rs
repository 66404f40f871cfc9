//! `stale`, `timeout`, `early` and `each` between processes that share a real Redis: what one has stored another serves,
//! in its stale window too. Every combination of options, over other stores and in simulated time, is in `options`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder::{Cache, Memory, cached};
use tests::redis::{Server, patient};
use tests::{Gate, until_async};
use tokio::time::timeout;

const BOUND: Duration = Duration::from_secs(10);

/// One process of an application. The first load is quick, the others stop at a gate.
#[derive(Clone)]
struct App {
    cache: Cache,
    /// What all processes load from.
    source: Arc<Source>,
}

#[derive(Default)]
struct Source {
    loads: AtomicU64,
    gate: Gate,
    /// The ids of each bulk load.
    asked: Mutex<Vec<Vec<u64>>>,
}

impl App {
    async fn load(&self) -> u64 {
        let number = self.source.loads.fetch_add(1, Ordering::SeqCst) + 1;
        if number > 1 {
            self.source.gate.pass().await;
        }
        number
    }

    fn loads(&self) -> u64 {
        self.source.loads.load(Ordering::SeqCst)
    }

    #[cached(key = "stale", ttl = "100ms", stale = "1h", skip(self), cache = self.cache)]
    async fn stale(&self) -> u64 {
        self.load().await
    }

    #[cached(key = "patient", ttl = "100ms", stale = "1h", timeout = "1h", skip(self), cache = self.cache)]
    async fn patient(&self) -> u64 {
        self.load().await
    }

    // So early that every hit is.
    #[cached(key = "early", ttl = "1h", early = 1e12, skip(self), cache = self.cache)]
    async fn early(&self) -> u64 {
        self.load().await
    }

    #[cached(key = "user:<id>", ttl = "1h", skip(self), cache = self.cache)]
    async fn user(&self, id: u64) -> u64 {
        self.source.asked.lock().unwrap().push(vec![id]);
        id * 10
    }

    #[cached(key = "user:<id>", ttl = "1h", none_ttl = "1h", each(id in ids), shared, skip(self), cache = self.cache)]
    async fn users(&self, ids: &[u64]) -> HashMap<u64, u64> {
        self.source.asked.lock().unwrap().push(ids.to_vec());
        ids.iter().filter(|id| **id < 100).map(|id| (*id, id * 10)).collect()
    }

    /// Waits until the value under `key` is older than its time to live.
    async fn expired(&self, key: &str) {
        until_async(async || self.cache.ttl(key).await.unwrap().is_none_or(|left| left.is_zero())).await;
    }
}

/// Two processes: they share the server and the source.
fn processes(server: &Server, near: bool) -> [App; 2] {
    let source = Arc::<Source>::default();
    [(); 2].map(|()| {
        let builder = Cache::builder().namespace("shop").remote(patient(server.url())).jitter(0.0);
        let builder = if near { builder.local(Memory::new(1000)) } else { builder };
        App { cache: builder.build(), source: Arc::clone(&source) }
    })
}

#[tokio::test]
async fn another_process_serves_a_stale_value_and_refreshes_it() {
    for near in [false, true] {
        let server = Server::start();
        let [here, there] = processes(&server, near);
        assert_eq!(here.stale().await, 1);
        here.expired("stale").await;
        // The refresh stops at the gate, so this is the value that the other process has stored.
        assert_eq!(timeout(BOUND, there.stale()).await.unwrap(), 1);
        assert_eq!(there.cache.stats().stale_hits, 1);
        there.source.gate.arrived(1).await;
        assert_eq!(here.loads(), 2);
        there.source.gate.open();
        for app in [&there, &here] {
            until_async(async || app.stale().await > 1).await;
        }
    }
}

#[tokio::test]
async fn another_process_waits_for_the_refresh_of_a_stale_value() {
    for near in [false, true] {
        let server = Server::start();
        let [here, there] = processes(&server, near);
        assert_eq!(here.patient().await, 1);
        here.expired("patient").await;
        let call = tokio::spawn(async move { there.patient().await });
        here.source.gate.arrived(1).await;
        here.source.gate.open();
        assert_eq!(timeout(BOUND, call).await.unwrap().unwrap(), 2);
    }
}

#[tokio::test]
async fn another_process_refreshes_early_by_the_load_time_it_finds() {
    for near in [false, true] {
        let server = Server::start();
        let [here, there] = processes(&server, near);
        assert_eq!(here.early().await, 1);
        assert_eq!(timeout(BOUND, there.early()).await.unwrap(), 1, "nobody waits for the refresh");
        there.source.gate.arrived(1).await;
        assert_eq!(there.cache.stats().stale_hits, 0, "it is early, not stale");
        there.source.gate.open();
        until_async(async || there.early().await > 1).await;
    }
}

#[tokio::test]
async fn a_bulk_call_loads_what_no_process_has() {
    for near in [false, true] {
        let server = Server::start();
        let [here, there] = processes(&server, near);
        assert_eq!(here.user(3).await, 30);
        assert_eq!(here.users(&[1, 2, 3, 100]).await, HashMap::from([(1, 10), (2, 20), (3, 30)]));
        assert_eq!(there.users(&[5, 3, 100, 4, 2, 5]).await, [2, 3, 4, 5].map(|id| (id, id * 10)).into());
        assert_eq!(there.user(1).await, 10);
        let asked = here.source.asked.lock().unwrap().clone();
        assert_eq!(asked, [vec![3], vec![1, 2, 100], vec![5, 4, 5]], "each id is loaded by one process");
    }
}
