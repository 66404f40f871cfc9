//! Several invalidations as one, for mutations inside a transaction.

use std::mem;

use parking_lot::Mutex;

use crate::cache::Cache;
use crate::error::Result;
use crate::scope::Scope;
use crate::ticket::Ticket;

/// Invalidations that move nothing before they are flushed. A batch that is dropped does nothing.
///
/// # Examples
///
/// ```
/// # async fn transfer(cache: cache_core::Cache) -> cache_core::Result<()> {
/// let batch = cache.batch();
/// batch.invalidate("account:1");
/// batch.invalidate("account:2:*");
/// // … the transaction commits …
/// batch.flush().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a batch does nothing until it is flushed"]
pub struct Batch {
    cache: Cache,
    targets: Mutex<Vec<Scope>>,
}

impl Batch {
    pub(crate) fn new(cache: &Cache) -> Self {
        Self { cache: cache.clone(), targets: Mutex::default() }
    }

    /// Adds a target: a key, a pattern, a tag, or text (a pattern if it holds `*`, else a key).
    pub fn invalidate(&self, target: impl Into<Scope>) {
        self.targets.lock().push(target.into());
    }

    /// Invalidates all that was added, in one step on a remote store.
    pub async fn flush(self) -> Result<Ticket> {
        let targets = mem::take(&mut *self.targets.lock());
        self.cache.inner().invalidate(targets).await
    }
}
