//! One way to cache a function, in a form that all the benchmarks can run.
//! Knows nothing of what it runs.

use std::fmt;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// A cached function, called once for each id of a block.
pub struct Subject {
    /// As the tables show it.
    pub name: &'static str,
    /// What a hit gives its caller.
    pub value: Value,
    run: Run,
}

/// Calls the function for each id.
type Run = Box<dyn Fn(&[u64]) + Send + Sync>;

/// What a hit gives its caller. Ratios are taken between subjects that give the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A pointer to the shared value.
    Shared,
    /// A clone of the value, with its string.
    Owned,
}

impl Subject {
    /// The subject that calls `get`.
    pub fn new<T, F: Future<Output = T>>(
        name: &'static str,
        value: Value,
        get: impl Fn(u64) -> F + Send + Sync + 'static,
    ) -> Self {
        let run = move |ids: &[u64]| {
            drive(async {
                for &id in ids {
                    black_box(get(black_box(id)).await);
                }
            });
        };
        Self::in_blocks(name, value, run)
    }

    /// The subject that is given whole blocks of ids.
    pub fn in_blocks(name: &'static str, value: Value, run: impl Fn(&[u64]) + Send + Sync + 'static) -> Self {
        Self { name, value, run: Box::new(run) }
    }

    /// Calls the function for each of `ids`: with a warm cache, a hit each.
    pub fn run(&self, ids: &[u64]) {
        (self.run)(ids);
    }

    /// The time that all calls take together.
    #[must_use]
    pub fn elapsed(&self, ids: &[u64]) -> Duration {
        let start = Instant::now();
        self.run(ids);
        start.elapsed()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("name", &self.name)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// Nanoseconds for each of `calls`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a measured mean needs no more than 52 bits")]
pub fn per_call(elapsed: Duration, calls: usize) -> f64 {
    elapsed.as_nanos() as f64 / calls.max(1) as f64
}

/// Polls a future to its end with next to nothing: what a hit costs is not to drown in what a runtime costs.
pub fn drive(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    // Some peers wait for an asynchronous lock when two threads want one key.
    while future.as_mut().poll(&mut context).is_pending() {
        std::thread::park();
    }
}

/// Wakes the thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
