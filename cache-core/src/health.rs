//! How a cache says it is: for whoever watches it.

use crate::error::Result;
use crate::store;

/// How a cache is: see [`Cache::health`](crate::Cache::health).
#[derive(Debug)]
#[non_exhaustive]
pub struct Health {
    /// Whether cached functions use the cache.
    pub enabled: bool,
    /// The remote store, if there is one.
    pub remote: Option<RemoteHealth>,
}

/// How the remote store of a cache is.
#[derive(Debug)]
#[non_exhaustive]
pub struct RemoteHealth {
    /// What the store said of itself, or why it did not.
    pub server: Result<store::Health>,
    /// Whether the breaker is open: the store failed so much that calls do not ask it until it answers again.
    pub breaker_open: bool,
    /// Operations under way.
    pub in_flight: usize,
    /// Invalidations that the store could not be told of yet.
    pub owed_invalidations: usize,
}

impl Health {
    /// Whether values are shared as they should be: there is no remote store, or it answers and is told
    /// everything.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let well = |remote: &RemoteHealth| {
            remote.server.is_ok() && !remote.breaker_open && remote.owed_invalidations == 0
        };
        self.remote.as_ref().is_none_or(well)
    }
}
