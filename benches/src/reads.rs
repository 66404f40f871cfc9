//! Reads of many callers at once on one tokio thread, and the check that they came from Redis.
//! Who reads is in `benches/redis.rs` and `more-peers/`.

use std::fmt;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::server::Server;
use crate::user::{self, User};

/// A way to read one value, by its number.
pub struct Subject {
    /// What the row is called.
    pub name: &'static str,
    get: Rc<dyn Fn(u64) -> Answer>,
    near: bool,
}

type Answer = Pin<Box<dyn Future<Output = ()>>>;

impl Subject {
    /// The subject that calls `get`.
    pub fn new<F: Future<Output: 'static> + 'static>(
        name: &'static str,
        get: impl Fn(u64) -> F + 'static,
    ) -> Self {
        let get = move |id| -> Answer {
            let answer = get(id);
            Box::pin(async move {
                black_box(answer.await);
            })
        };
        Self { name, get: Rc::new(get), near: false }
    }

    /// The same, whose reads are meant to be answered in this process.
    #[must_use]
    pub fn near(mut self) -> Self {
        self.near = true;
        self
    }

    /// How long `tasks` callers need for `calls` reads of so many keys.
    ///
    /// # Panics
    ///
    /// If a read does.
    #[must_use]
    pub fn elapsed(&self, runtime: &Runtime, tasks: u64, calls: u64, keys: u64) -> Duration {
        LocalSet::new().block_on(runtime, async {
            let start = Instant::now();
            let callers: Vec<_> = (0..tasks)
                .map(|task| {
                    let get = Rc::clone(&self.get);
                    tokio::task::spawn_local(async move {
                        for call in 0..calls / tasks {
                            get((task * 7_919 + call) % keys).await;
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.await.expect("no panic");
            }
            start.elapsed()
        })
    }

    /// Runs `measure`, which makes at least so many reads of values that are stored.
    ///
    /// # Panics
    ///
    /// If a body was called, or if Redis found less than half as many values as were read: then something else was
    /// measured. Not all, for callers that want the same value at the same time may share an answer.
    pub fn checked<T>(&self, server: &Server, reads: u64, measure: impl FnOnce() -> T) -> T {
        let (loads, hits) = (LOADS.load(Ordering::Relaxed), server.hits());
        let measured = measure();
        let (loads, hits) = (LOADS.load(Ordering::Relaxed) - loads, server.hits() - hits);
        assert!(loads == 0, "{}: {loads} of {reads} reads called the body", self.name);
        assert!(self.near || hits >= reads / 2, "{}: Redis found {hits} values in {reads} reads", self.name);
        measured
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).field("near", &self.near).finish_non_exhaustive()
    }
}

/// How often a body was called.
static LOADS: AtomicU64 = AtomicU64::new(0);

/// The body of every cached function here: [`user::load`], counted.
pub fn load(id: u64) -> impl Future<Output = User> + Send {
    LOADS.fetch_add(1, Ordering::Relaxed);
    user::load(id)
}
