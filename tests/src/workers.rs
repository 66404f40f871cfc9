//! Real processes with a cache each, over one server: the test binary, run again. They write down what they see by
//! one clock, and their histories are put together when they have ended. What traffic they make is in `traffic`.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::sabotage::{Fault, plant};
use larder::testing::History;
use larder::{Cache, Memory, Redis};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::child::{self, Child};
use crate::proxy::Proxy;
use crate::random::Random;
use crate::redis::Server;
use crate::traffic::{Plan, Traffic};

/// How many files there were for notes.
static FILES: AtomicU64 = AtomicU64::new(0);

/// By then workers must have ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// The same in each process of a machine, and never set.
fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// Workers over one server, each with its own way to it, and what goes on while they are at work.
#[derive(Debug)]
pub struct Run {
    /// The server of all of them.
    pub server: Server,
    /// The way of each of them.
    pub proxies: Vec<Proxy>,
    /// Decides what happens next.
    pub random: Random,
}

impl Run {
    /// An empty server, and a proxy for each of so many workers.
    pub async fn new(workers: u32, plan: Plan) -> Self {
        let server = Server::start();
        let mut proxies = Vec::new();
        for _ in 0..workers {
            proxies.push(Proxy::before(server.port()).await);
        }
        Self { server, proxies, random: Random::new(plan.seed, 0) }
    }

    /// Lets the workers work, the first of them with `fault` (all, if it is about what they have in common), and makes `trouble` meanwhile, again and again. What
    /// they have seen, when they have ended.
    ///
    /// # Panics
    ///
    /// If a worker fails.
    pub async fn work(
        mut self,
        plan: Plan,
        staleness: Duration,
        fault: Option<Fault>,
        mut trouble: impl AsyncFnMut(&mut Self),
    ) -> History {
        let orders = (1..).zip(&self.proxies).map(|(number, proxy)| {
            let fault = fault.filter(|_| number == 1);
            Orders::new(number, proxy.url(), plan, staleness, fault)
        });
        let orders: Vec<_> = orders.collect();
        let workers = tokio::task::spawn_blocking(|| Workers::start(orders)).await;
        let mut workers = workers.expect("workers");
        while workers.are_busy() {
            trouble(&mut self).await;
            // The pace of the trouble: nothing waits for it.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::task::spawn_blocking(|| workers.history()).await.expect("a history")
    }

    /// The way of one of the workers.
    pub fn any_proxy(&mut self) -> &Proxy {
        let which = self.random.below(self.proxies.len() as u64);
        &self.proxies[usize::try_from(which).unwrap_or_default()]
    }
}

/// What one worker does: what it is told when it begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Orders {
    /// Which of the workers it is: 1 and up.
    number: u32,
    /// Where its server is.
    url: String,
    /// Decides what its tasks do.
    seed: u64,
    /// How many operations.
    operations: u64,
    /// Δ.
    staleness: Duration,
    /// The name of the fault that is planted in it, or nothing.
    fault: String,
    /// Where its history goes to.
    notes: PathBuf,
}

impl Orders {
    fn new(number: u32, url: String, plan: Plan, staleness: Duration, fault: Option<Fault>) -> Self {
        let (seed, operations) = (plan.seed.wrapping_add(u64::from(number)), plan.operations);
        let fault = fault.map(|fault| format!("{fault:?}")).unwrap_or_default();
        let file = format!("larder-notes-{}-{}", std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let notes = std::env::temp_dir().join(file);
        Self { number, url, seed, operations, staleness, fault, notes }
    }
}

/// Processes that are ready, or at work.
#[derive(Debug)]
struct Workers {
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    child: Child,
    orders: Orders,
}

impl Workers {
    /// Starts a process for each of `orders`, which runs the ignored test `a_worker` of this binary, and lets them
    /// all go when they are ready.
    fn start(orders: impl IntoIterator<Item = Orders>) -> Self {
        let mut workers: Vec<_> = orders.into_iter().map(Worker::start).collect();
        for worker in &mut workers {
            worker.child.await_line("ready");
        }
        for worker in &mut workers {
            worker.child.go();
        }
        Self { workers }
    }

    /// Whether one of them is still at work.
    fn are_busy(&mut self) -> bool {
        !self.workers.iter_mut().all(|worker| worker.child.ended().is_some())
    }

    /// What all of them have seen, when they have ended.
    fn history(mut self) -> History {
        let began = Instant::now();
        while self.are_busy() {
            assert!(began.elapsed() < PATIENCE, "a worker does not end");
            // Bounded polling: a child that ends tells nobody.
            std::thread::sleep(Duration::from_millis(2));
        }
        let history = History::new();
        for worker in &mut self.workers {
            let succeeded = worker.child.ended().is_some_and(|status| status.success());
            assert!(succeeded, "worker {} failed", worker.orders.number);
            let notes = fs::read_to_string(&worker.orders.notes).expect("the notes of a worker");
            history.add(&notes).expect("notes");
        }
        history
    }
}

impl Worker {
    fn start(orders: Orders) -> Self {
        let child = Child::start("a_worker", &serde_json::to_string(&orders).expect("orders"));
        Self { child, orders }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.orders.notes);
    }
}

/// What a worker does: all of the test `a_worker`. Without orders, nothing.
///
/// # Panics
///
/// If the orders are malformed.
pub async fn a_worker_works() {
    let Some(orders) = child::orders() else { return };
    let orders: Orders = serde_json::from_str(&orders).expect("orders");
    plant(Fault::ALL.into_iter().find(|fault| format!("{fault:?}") == orders.fault));
    let history = History::of_process(orders.number, monotonic);
    let store = Redis::open(&orders.url).expect("a URL");
    let cache = Cache::builder()
        .namespace("shop")
        .local(Memory::new(1_000))
        .remote(store)
        .max_staleness(orders.staleness)
        .build();
    // Connected, if the server is there.
    let _ = cache.exists("nothing").await;
    if !child::say_and_wait("ready").await {
        // Whoever started us has gone.
        return;
    }
    let plan = Plan { seed: orders.seed, operations: orders.operations, ..Plan::crowded(0) };
    Traffic::new(cache, history.clone(), plan).run([]).await;
    fs::write(&orders.notes, history.notes().expect("notes")).expect("a place for the notes");
}
