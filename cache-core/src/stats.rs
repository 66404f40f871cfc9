//! What a cache counts, and how it counts without readers getting in each other's way.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

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
    /// Of the hits, those with a value in its stale window.
    pub stale_hits: u64,
    /// Calls that found no current value.
    pub misses: u64,
    /// Loads that ran, failed ones included.
    pub loads: u64,
    /// Loads that ended with an error, a panic, or were dropped.
    pub load_errors: u64,
    /// The time spent in loads that ended.
    pub load_time: Duration,
    /// Of the loads, those that refreshed a value while callers were answered with it.
    pub refreshes: u64,
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
    /// Operations that were not sent: the remote store was being left alone, or too many were under way.
    pub remote_skipped: u64,
    /// How often the remote store failed so much that it was left alone.
    pub breaker_openings: u64,
    /// How often the remote store was so slow that it is asked for less at once, for a while.
    pub remote_slowdowns: u64,
    /// Remote entries refused because they were damaged, or of another type or version.
    pub remote_refusals: u64,
    /// How often this process gave up all that it held, since it may have missed what others invalidated.
    pub distrusts: u64,
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
    pub(crate) stale_hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) loads: Counter,
    pub(crate) load_errors: Counter,
    pub(crate) load_nanos: Counter,
    pub(crate) refreshes: Counter,
    pub(crate) joins: Counter,
    pub(crate) stores: Counter,
    pub(crate) invalidations: Counter,
    pub(crate) expirations: Counter,
    pub(crate) remote_refusals: Counter,
    pub(crate) distrusts: Counter,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        let (local_hits, remote_hits) = (self.local_hits.get(), self.remote_hits.get());
        Stats {
            hits: local_hits + remote_hits,
            local_hits,
            remote_hits,
            stale_hits: self.stale_hits.get(),
            misses: self.misses.get(),
            loads: self.loads.get(),
            load_errors: self.load_errors.get(),
            load_time: Duration::from_nanos(self.load_nanos.get()),
            refreshes: self.refreshes.get(),
            joins: self.joins.get(),
            stores: self.stores.get(),
            invalidations: self.invalidations.get(),
            expirations: self.expirations.get(),
            remote_refusals: self.remote_refusals.get(),
            distrusts: self.distrusts.get(),
            ..Stats::default()
        }
    }
}

/// Threads that have a cell of every counter to themselves: they add to it without a locked instruction.
const OWNED: usize = 16;
/// Cells that all further threads share.
const SHARED: usize = 8;
/// What threads have one of each: those of their own, and those that many share.
pub(crate) const PLACES: usize = OWNED + SHARED;

/// A count that threads add to without touching each other's cache lines.
#[derive(Default)]
pub(crate) struct Counter {
    cells: [Cell; PLACES],
}

/// One cell, alone on its pair of cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Cell(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, amount: u64) {
        let place = place();
        let Some(Cell(count)) = self.cells.get(place) else { return };
        if place < OWNED {
            // Nobody else writes here.
            count.store(count.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
        } else {
            count.fetch_add(amount, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.cells.iter().map(|Cell(count)| count.load(Ordering::Relaxed)).sum()
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

thread_local! {
    /// The place of this thread's cell in every counter; beyond all of them before its first count.
    static PLACE: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) };
    /// Gives the place back when the thread ends.
    static TENANCY: Tenancy = Tenancy::begin();
}

/// The owned places that are free, and how many threads have come too late for one.
static TENANCIES: Mutex<Tenancies> = Mutex::new(Tenancies { begun: 0, vacated: Vec::new() });

struct Tenancies {
    begun: usize,
    vacated: Vec<usize>,
}

/// The right of a thread to the place it has.
struct Tenancy(usize);

impl Tenancy {
    fn begin() -> Self {
        let mut places = TENANCIES.lock();
        if let Some(vacated) = places.vacated.pop() {
            return Self(vacated);
        }
        let begun = places.begun;
        places.begun += 1;
        Self(if begun < OWNED { begun } else { OWNED + begun % SHARED })
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        if self.0 < OWNED {
            // What this thread still counts while it ends must not disturb the next owner.
            PLACE.set(OWNED);
            TENANCIES.lock().vacated.push(self.0);
        }
    }
}

/// The place of this thread, below [`PLACES`].
#[inline]
pub(crate) fn place() -> usize {
    let place = PLACE.get();
    if place == usize::MAX { settle() } else { place }
}

#[cold]
fn settle() -> usize {
    let place = TENANCY.try_with(|tenancy| tenancy.0).unwrap_or(OWNED);
    PLACE.set(place);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_many_threads_add_up() {
        let counter = Counter::default();
        // Twice as many as have cells of their own, twice: the second half takes over places of the first.
        for _ in 0..2 {
            let ready = std::sync::Barrier::new(2 * OWNED);
            let count = || {
                ready.wait();
                (0..200_000).for_each(|_| counter.increment());
            };
            std::thread::scope(|scope| {
                for _ in 0..2 * OWNED {
                    scope.spawn(count);
                }
            });
        }
        assert_eq!(counter.get(), 4 * OWNED as u64 * 200_000);
    }

    #[test]
    fn threads_that_run_at_once_own_different_cells() {
        let ready = std::sync::Barrier::new(OWNED + 4);
        let places: Vec<usize> = std::thread::scope(|scope| {
            let place = || {
                let place = place();
                ready.wait();
                place
            };
            let threads: Vec<_> = (0..OWNED + 4).map(|_| scope.spawn(place)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut owned: Vec<_> = places.into_iter().filter(|place| *place < OWNED).collect();
        let taken = owned.len();
        owned.sort_unstable();
        owned.dedup();
        assert_eq!(owned.len(), taken, "a cell has one owner");
    }

    #[test]
    fn the_hit_ratio_of_nothing_is_zero() {
        assert!(Stats::default().hit_ratio().abs() < f64::EPSILON);
        let stats = Stats { hits: 3, misses: 1, ..Stats::default() };
        assert!((stats.hit_ratio() - 0.75).abs() < f64::EPSILON);
    }
}
