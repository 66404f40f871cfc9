//! What the program really did: each place that does something costly counts it. What a cache saves is what is missing here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of a program; clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// Statements that the database was asked.
    pub queries: Counter,
    /// Requests to the service outside.
    pub outside_calls: Counter,
    /// Files that were read from the disk.
    pub disk_reads: Counter,
    /// Clips that were rendered.
    pub renders: Counter,
}

/// The counters at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    queries: u64,
    outside_calls: u64,
    disk_reads: u64,
    renders: u64,
}

impl Work {
    pub(crate) fn done(&self) -> Done {
        Done {
            queries: self.queries.get(),
            outside_calls: self.outside_calls.get(),
            disk_reads: self.disk_reads.get(),
            renders: self.renders.get(),
        }
    }
}
