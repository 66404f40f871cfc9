//! What a cache counts, and how it counts without readers getting in each other's way.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What a cache has done since it was built.
///
/// # Examples
///
/// ```
/// # fn report(cache: &cache_core::Cache) {
/// let stats = cache.stats();
/// println!("{} hits, {} misses: {:.0} %", stats.hits, stats.misses, 100.0 * stats.hit_ratio());
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Values served from a store: `local_hits` and `remote_hits`.
    pub hits: u64,
    /// Values served from this process.
    pub local_hits: u64,
    /// Values served from the remote store.
    pub remote_hits: u64,
    /// Calls that found no current value.
    pub misses: u64,
    /// Loads that ran, failed ones included.
    pub loads: u64,
    /// Loads that ended with an error, a panic, or were dropped.
    pub load_errors: u64,
    /// The time spent in loads that ended.
    pub load_time: Duration,
    /// Calls that waited for the load of another.
    pub joins: u64,
    /// Values stored, in either store.
    pub stores: u64,
    /// Scopes invalidated.
    pub invalidations: u64,
    /// Local entries dropped to make room.
    pub evictions: u64,
    /// Local entries found to have outlived their time.
    pub expirations: u64,
    /// Local entries held, expired and invalidated ones included until they are reclaimed.
    pub entries: u64,
    /// Bytes that local entries are estimated to occupy, where the local store is bounded by bytes.
    pub bytes: u64,
    /// Operations that the remote store failed, timeouts included.
    pub remote_errors: u64,
    /// Operations that the remote store did not answer in time.
    pub remote_timeouts: u64,
    /// Remote entries refused because they were damaged, or of another type or version.
    pub remote_refusals: u64,
}

impl Stats {
    /// The share of lookups that were hits, from 0 to 1; 0 before the first.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        let lookups = self.hits + self.misses;
        #[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 52 bits")]
        if lookups == 0 { 0.0 } else { self.hits as f64 / lookups as f64 }
    }
}

/// The live counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) local_hits: Counter,
    pub(crate) remote_hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) loads: Counter,
    pub(crate) load_errors: Counter,
    pub(crate) load_nanos: Counter,
    pub(crate) joins: Counter,
    pub(crate) stores: Counter,
    pub(crate) invalidations: Counter,
    pub(crate) expirations: Counter,
    pub(crate) remote_errors: Counter,
    pub(crate) remote_timeouts: Counter,
    pub(crate) remote_refusals: Counter,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        let (local_hits, remote_hits) = (self.local_hits.get(), self.remote_hits.get());
        Stats {
            hits: local_hits + remote_hits,
            local_hits,
            remote_hits,
            misses: self.misses.get(),
            loads: self.loads.get(),
            load_errors: self.load_errors.get(),
            load_time: Duration::from_nanos(self.load_nanos.get()),
            joins: self.joins.get(),
            stores: self.stores.get(),
            invalidations: self.invalidations.get(),
            expirations: self.expirations.get(),
            remote_errors: self.remote_errors.get(),
            remote_timeouts: self.remote_timeouts.get(),
            remote_refusals: self.remote_refusals.get(),
            ..Stats::default()
        }
    }
}

/// How many cells a counter is spread over; threads beyond that share.
const STRIPES: usize = 8;

/// A count that threads add to without touching each other's cache lines.
#[derive(Default)]
pub(crate) struct Counter {
    stripes: [Stripe; STRIPES],
}

/// One cell, alone on its pair of cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, amount: u64) {
        self.stripes[stripe()].0.fetch_add(amount, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.stripes.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// The cell of this thread: threads take turns as they first count something.
#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            stripe.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        stripe.get() % STRIPES
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_many_threads_add_up() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| (0..1000).for_each(|_| counter.increment()));
            }
        });
        assert_eq!(counter.get(), 12_000);
    }

    #[test]
    fn the_hit_ratio_of_nothing_is_zero() {
        assert!(Stats::default().hit_ratio().abs() < f64::EPSILON);
        let stats = Stats { hits: 3, misses: 1, ..Stats::default() };
        assert!((stats.hit_ratio() - 0.75).abs() < f64::EPSILON);
    }
}
