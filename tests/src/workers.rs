//! Real processes with a cache each, over one server: the test binary, run again. They write down what they see by
//! one clock, and their histories are put together when they have ended. What traffic they make is in `traffic`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cache_core::sabotage::{Fault, plant};
use larder::testing::History;
use larder::{Cache, Memory, Redis};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::traffic::{Plan, Traffic};

/// What a worker is told, by an environment variable of this name.
const ORDERS: &str = "LARDER_WORKER";

/// By then workers must have ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// The same in each process of a machine, and never set.
#[must_use]
pub fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// What one worker does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// Which of the workers it is: 1 and up.
    pub number: u32,
    /// Where its server is.
    pub url: String,
    /// Decides what its tasks do.
    pub seed: u64,
    /// How many operations.
    pub operations: u64,
    /// Δ.
    pub staleness: Duration,
    /// The name of the fault that is planted in it, or nothing.
    pub fault: String,
    /// Where its history goes to.
    notes: PathBuf,
}

impl Orders {
    /// Traffic over the server at `url`, in the worker of this number.
    #[must_use]
    pub fn new(number: u32, url: String, plan: Plan, staleness: Duration) -> Self {
        let (seed, operations) = (plan.seed.wrapping_add(u64::from(number)), plan.operations);
        let notes = std::env::temp_dir().join(format!("larder-notes-{:x}-{number}", plan.seed));
        Self { number, url, seed, operations, staleness, fault: String::new(), notes }
    }

    /// With this fault.
    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        Self { fault: format!("{fault:?}"), ..self }
    }
}

/// Processes that are ready, or at work.
#[derive(Debug)]
pub struct Workers {
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
    ///
    /// # Panics
    ///
    /// If one cannot be started, or ends before it is ready.
    #[must_use]
    pub fn start(orders: impl IntoIterator<Item = Orders>) -> Self {
        let mut workers: Vec<_> = orders.into_iter().map(Worker::start).collect();
        for worker in &mut workers {
            worker.await_ready();
        }
        for worker in &mut workers {
            let said = worker.child.stdin.as_mut().expect("a pipe").write_all(b"go\n");
            said.expect("a worker that listens");
        }
        Self { workers }
    }

    /// Whether one of them is still at work.
    ///
    /// # Panics
    ///
    /// If one cannot be asked.
    pub fn are_busy(&mut self) -> bool {
        let ended = |worker: &mut Worker| worker.child.try_wait().expect("a child").is_some();
        !self.workers.iter_mut().all(ended)
    }

    /// What all of them have seen, when they have ended.
    ///
    /// # Panics
    ///
    /// If one fails, or does not end.
    #[must_use]
    pub fn history(mut self) -> History {
        let began = Instant::now();
        while self.are_busy() {
            assert!(began.elapsed() < PATIENCE, "a worker does not end");
            // Bounded polling: a child that ends tells nobody.
            std::thread::sleep(Duration::from_millis(2));
        }
        let history = History::new();
        for worker in &mut self.workers {
            let status = worker.child.wait().expect("a child");
            assert!(status.success(), "worker {} failed: {status}", worker.orders.number);
            let notes = fs::read_to_string(&worker.orders.notes).expect("the notes of a worker");
            history.add(&notes).expect("notes");
        }
        history
    }
}

impl Worker {
    fn start(orders: Orders) -> Self {
        let binary = std::env::current_exe().expect("this binary");
        let child = Command::new(binary)
            .args(["a_worker", "--exact", "--ignored", "--nocapture"])
            .env(ORDERS, serde_json::to_string(&orders).expect("orders"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("another process");
        Self { child, orders }
    }

    fn await_ready(&mut self) {
        let mut said = BufReader::new(self.child.stdout.as_mut().expect("a pipe"));
        let mut line = String::new();
        while !line.ends_with("ready\n") {
            line.clear();
            let read = said.read_line(&mut line).expect("a worker that speaks");
            assert!(read > 0, "worker {} ended before it was ready", self.orders.number);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.orders.notes);
    }
}

/// What a worker does: all of the test `a_worker`. Without orders, nothing.
///
/// # Panics
///
/// If the orders are malformed.
pub async fn work() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let orders: Orders = serde_json::from_str(&orders).expect("orders");
    plant(Fault::ALL.into_iter().find(|fault| format!("{fault:?}") == orders.fault));
    let history = History::of_process(orders.number, monotonic);
    let cache = Cache::builder()
        .local(Memory::new(1_000))
        .remote(Redis::open(&orders.url).expect("a URL"))
        .max_staleness(orders.staleness)
        .build();
    // Connected, if the server is there.
    let _ = cache.exists("nothing").await;
    println!("ready");
    let told = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    if !matches!(told.await, Ok(Ok(1..))) {
        // Whoever started us has gone.
        return;
    }
    let plan = Plan { seed: orders.seed, operations: orders.operations, ..Plan::crowded(0) };
    Traffic::new(cache, history.clone(), plan).run([]).await;
    fs::write(&orders.notes, history.notes().expect("notes")).expect("a place for the notes");
}
