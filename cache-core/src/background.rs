//! Work that no caller waits for: the refreshes of values that callers are answered with meanwhile.
//!
//! It belongs to the cache: there is a bound to it, and it ends with the last clone of the cache. A task runs in
//! the runtime of the caller that started it, and ends with that, too. What a refresh does is in `call`.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::clock::{self, Moment};
use crate::key::Key;
use crate::scope::Identity;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// Refreshes of one cache at a time. Beyond it values stay stale until there is room.
const MAX_TASKS: usize = 256;

/// Keys whose refresh failed that are remembered. Beyond it all are forgotten, at the price of extra loads.
const MAX_RESTING: usize = 4096;

/// How long a key rests after a refresh that failed. It doubles with each failure in a row …
const FIRST_REST: Duration = Duration::from_secs(1);
/// … until it is this.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// The tasks of one cache, and the keys that rest.
#[derive(Debug, Default)]
pub(crate) struct Background {
    /// Dropping it stops them.
    tasks: Mutex<JoinSet<()>>,
    resting: Mutex<HashMap<Key, Rest, BuildHasherDefault<Identity>>>,
    /// How many keys rest, for a look without the lock.
    count: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Moment,
    failures: u32,
}

impl Background {
    /// Starts a task; whether there was room for it. Without room it is dropped.
    pub(crate) fn spawn(&self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        let room = tasks.len() < MAX_TASKS;
        if room {
            tasks.spawn_on(task, runtime);
        }
        room
    }

    /// Notes that a refresh of `key` failed: the next one has to wait.
    pub(crate) fn failed(&self, key: &Key) {
        let (now, mut resting) = (clock::now(), self.resting.lock());
        if resting.len() >= MAX_RESTING && !resting.contains_key(key) {
            resting.clear();
        }
        let rest = resting.entry(key.clone()).or_insert(Rest { until: now, failures: 0 });
        let pause = FIRST_REST.saturating_mul(1 << rest.failures.min(16)).min(LONGEST_REST);
        *rest = Rest { until: now + pause, failures: rest.failures + 1 };
        self.count.store(resting.len(), Ordering::Release);
    }

    /// Notes that a load of `key` succeeded.
    pub(crate) fn succeeded(&self, key: &Key) {
        if self.count.load(Ordering::Acquire) > 0 {
            let mut resting = self.resting.lock();
            resting.remove(key);
            self.count.store(resting.len(), Ordering::Release);
        }
    }

    /// Whether `key` may not be refreshed yet.
    pub(crate) fn rests(&self, key: &Key) -> bool {
        self.count.load(Ordering::Acquire) > 0
            && self.resting.lock().get(key).is_some_and(|rest| clock::now() < rest.until)
    }
}
