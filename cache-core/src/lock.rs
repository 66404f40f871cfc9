//! Locks by name: one holder at a time, among all processes where there is a remote store.
//!
//! A lock is a lease that its holder renews. Whoever loses it is told, and its fencing token is smaller than that
//! of whoever has it now: what the lock protects can refuse it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::cache::Cache;
use crate::clock::{self, Moment};
use crate::error::{Error, ErrorKind, Result};
use crate::random;
use crate::store::Token;

impl Cache {
    /// Waits for the lock called `name` and holds it until the guard is dropped.
    ///
    /// While the guard lives the lock is renewed; if the process dies, others get it after `lease`. Waits as long
    /// as another holds it: put a timeout around it to bound that. An error says that there is no telling who
    /// holds it. Needs a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # async fn charge(order: u64, fence: u64) {}
    /// # async fn run(cache: &cache_core::Cache, orders: &[u64]) -> cache_core::Result<()> {
    /// let lock = cache.lock("billing", Duration::from_secs(10)).await?;
    /// for order in orders {
    ///     if lock.is_lost() {
    ///         // somebody else may be billing by now
    ///         break;
    ///     }
    ///     charge(*order, lock.fence()).await;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn lock(&self, name: impl AsRef<str>, lease: Duration) -> Result<LockGuard> {
        for attempt in 0_u32.. {
            if let Some(guard) = self.try_lock(name.as_ref(), lease).await? {
                return Ok(guard);
            }
            sleep(random::pause(attempt)).await;
        }
        Err(Error::new(ErrorKind::Unavailable, "the lock was not to be had"))
    }

    /// The lock called `name`, unless somebody holds it. See [`lock`](Self::lock).
    pub async fn try_lock(&self, name: impl AsRef<str>, lease: Duration) -> Result<Option<LockGuard>> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(Error::new(ErrorKind::Unsupported, "a lock is renewed in a task, so it needs tokio"));
        };
        let held = Held {
            cache: self.clone(),
            name: self.inner().settings.scope_lock(name.as_ref()).into(),
            token: random::token(),
            lease: lease.max(Duration::from_millis(1)),
            until: AtomicU64::new(0),
        };
        // From now on, so that whoever goes away before there is an answer gives back what was granted.
        let mut holding = Holding { held: Arc::new(held), runtime, armed: true };
        // It may be granted as soon as it is asked for, and the lease begins then.
        let asked = clock::now();
        let Some(fence) = holding.held.acquire().await? else {
            holding.armed = false;
            return Ok(None);
        };
        holding.held.extended(asked);
        let (sender, lost) = watch::channel(false);
        let renewal = holding.runtime.spawn(keep(Arc::clone(&holding.held), sender)).abort_handle();
        Ok(Some(LockGuard { holding, fence, lost, renewal }))
    }
}

/// A lock that is held until this is dropped, or lost.
pub struct LockGuard {
    holding: Holding,
    fence: u64,
    lost: watch::Receiver<bool>,
    renewal: AbortHandle,
}

impl LockGuard {
    /// The fencing token: larger than that of everybody who held the lock before.
    ///
    /// Hand it on to what the lock protects, and let that refuse smaller ones than it has seen.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Whether somebody else may hold the lock by now.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        // The task that renews it may have had no chance to run.
        *self.lost.borrow() || clock::now() >= self.holding.held.until()
    }

    /// Ends as soon as somebody else may hold the lock.
    pub async fn lost(&self) {
        // The task ends with the guard, or says so before.
        let _ = self.lost.clone().wait_for(|lost| *lost).await;
    }

    /// Gives the lock back, and waits until that is done: whether it was held until then.
    ///
    /// Dropping the guard does the same in the background.
    pub async fn release(mut self) -> Result<bool> {
        self.renewal.abort();
        let held = !self.is_lost();
        let released = self.holding.held.release().await?;
        self.holding.armed = false;
        Ok(released && held)
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Renews a lock until it is lost, and says so then.
async fn keep(held: Arc<Held>, lost: watch::Sender<bool>) {
    loop {
        let left = held.until().since(clock::now());
        if left.is_zero() {
            break;
        }
        sleep((held.lease / 3).min(left)).await;
        let asked = clock::now();
        match timeout(held.until().since(asked), held.extend()).await {
            Ok(Ok(true)) => held.extended(asked),
            Ok(Ok(false)) => break,
            // Nobody else gets it before the lease is over; there may be an answer by then.
            Ok(Err(_)) | Err(_) => {}
        }
    }
    tracing::warn!(target: "larder", "a lock was lost before it was released");
    lost.send_replace(true);
}

/// Gives a lock back when it is dropped.
struct Holding {
    held: Arc<Held>,
    runtime: Handle,
    armed: bool,
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.armed {
            let held = Arc::clone(&self.held);
            // If that fails, the lease ends by itself.
            self.runtime.spawn(async move { drop(held.release().await) });
        }
    }
}

/// What names one holding of a lock, and when it ends unless it is renewed.
struct Held {
    cache: Cache,
    name: Box<str>,
    token: Token,
    lease: Duration,
    until: AtomicU64,
}

impl Held {
    async fn acquire(&self) -> Result<Option<u64>> {
        match &self.cache.inner().settings.remote {
            Some(remote) => remote.lock(&self.name, self.token, self.lease).await,
            None => Ok(self.locks().lock(&self.name, self.token, self.lease)),
        }
    }

    async fn extend(&self) -> Result<bool> {
        match &self.cache.inner().settings.remote {
            Some(remote) => remote.extend_lock(&self.name, self.token, self.lease).await,
            None => Ok(self.locks().extend(&self.name, self.token, self.lease)),
        }
    }

    async fn release(&self) -> Result<bool> {
        match &self.cache.inner().settings.remote {
            Some(remote) => remote.unlock(&self.name, self.token).await,
            None => Ok(self.locks().unlock(&self.name, self.token)),
        }
    }

    fn extended(&self, asked: Moment) {
        self.until.store((asked + self.lease).nanos(), Ordering::Release);
    }

    fn until(&self) -> Moment {
        Moment::from_nanos(self.until.load(Ordering::Acquire))
    }

    fn locks(&self) -> &Locks {
        &self.cache.inner().locks
    }
}

/// The locks of a cache without a remote store.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    held: HashMap<Box<str>, (Token, Moment)>,
    fence: u64,
}

impl Locks {
    fn lock(&self, name: &str, token: Token, lease: Duration) -> Option<u64> {
        let (mut table, now) = (self.0.lock(), clock::now());
        table.held.retain(|_, (_, until)| *until > now);
        if table.held.contains_key(name) {
            return None;
        }
        table.held.insert(name.into(), (token, now + lease));
        table.fence += 1;
        Some(table.fence)
    }

    fn extend(&self, name: &str, token: Token, lease: Duration) -> bool {
        let (mut table, now) = (self.0.lock(), clock::now());
        match table.held.get_mut(name) {
            Some((held, until)) if *held == token && *until > now => {
                *until = now + lease;
                true
            }
            _ => false,
        }
    }

    fn unlock(&self, name: &str, token: Token) -> bool {
        let (mut table, now) = (self.0.lock(), clock::now());
        let held = table.held.get(name).copied();
        if held.is_some_and(|(held, _)| held == token) {
            table.held.remove(name);
        }
        held.is_some_and(|(held, until)| held == token && until > now)
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("fence", &self.fence)
            .field("lost", &self.is_lost())
            .finish_non_exhaustive()
    }
}
