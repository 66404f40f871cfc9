//! How a cache says it is: for whoever watches it.

use std::time::Duration;

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
    /// How many may be under way at once: 10 000; fewer while the store is too slow for what it is asked or has
    /// just come back, and then more from second to second; none while the breaker is open. What finds no room is skipped.
    pub room: usize,
    /// Invalidations that the store could not be told of yet.
    pub owed_invalidations: usize,
    /// How this process learns of what others invalidate.
    pub hearing: Hearing,
}

/// How a process learns of what others invalidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hearing {
    /// It keeps no values of its own, and so has nothing to learn.
    RemoteOnly,
    /// It follows the log of the remote store: local values live for their whole time.
    Feed {
        /// How long ago it knew of everything.
        lag: Duration,
    },
    /// It hears nothing, now or from this store: local values are given up when they are as old as the cache's
    /// [`max_staleness`](crate::CacheBuilder::max_staleness), and not kept at all with
    /// [`Ack::Fleet`](crate::Ack::Fleet).
    FloorOnly,
}

impl Health {
    /// Whether values are shared as they should be: there is no remote store, or it answers and is told
    /// everything.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let well = |remote: &RemoteHealth| {
            let nodes = |server: &store::Health| {
                server.nodes.iter().all(|node| node.trouble.is_none() && !node.breaker_open)
            };
            remote.server.as_ref().is_ok_and(nodes) && !remote.breaker_open && remote.owed_invalidations == 0
        };
        self.remote.as_ref().is_none_or(well)
    }
}
