//! What a cache has done, in numbers, as its users read them. How they are counted is in `tally`.

use std::time::Duration;

use crate::histogram::Histogram;
use crate::site::Site;
use crate::tally::{Count, Counters, Tally};

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
    /// How long hits took, from the key to the value. The first of each thread is timed, and then one in about a
    /// thousand in this process and one in eight in a remote store, which stand for the others, so that their count is
    /// nearly `hits`.
    pub hit_times: Histogram,
    /// How long loads took that ended, whether with a value or with an error.
    pub load_times: Histogram,
    functions: Vec<FunctionStats>,
}

impl Stats {
    /// The share of lookups that were hits, from 0 to 1; 0 before the first.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        ratio(self.hits, self.misses)
    }

    /// What each annotated function has done that was called through this cache, by its name and template.
    ///
    /// The cache's own numbers are the sums of theirs, and of what was done with keys given by hand. In a program with
    /// more than 1 023 annotated functions, those that were called last count as by hand.
    #[must_use]
    pub fn functions(&self) -> &[FunctionStats] {
        &self.functions
    }
}

/// What one annotated function has done through one cache. All instances of a generic function are one.
///
/// # Examples
///
/// ```
/// # fn report(cache: &cache_core::Cache) {
/// for function in cache.stats().functions() {
///     println!("{}: {:?} saved", function.function, function.time_saved());
/// }
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionStats {
    /// The name of the function.
    pub function: &'static str,
    /// The path of the module it is in.
    pub module: &'static str,
    /// The template of its key, as declared: with the names of arguments, never with their values.
    pub template: &'static str,
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
    /// How long hits took; see [`Stats::hit_times`].
    pub hit_times: Histogram,
    /// How long loads took that ended.
    pub load_times: Histogram,
}

impl FunctionStats {
    /// The share of lookups that were hits, from 0 to 1; 0 before the first.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        ratio(self.hits, self.misses)
    }

    /// An estimate of the time that callers did not have to wait: for each hit a mean load, less a mean hit. Zero if hits
    /// take longer, or nothing was loaded yet.
    #[must_use]
    pub fn time_saved(&self) -> Duration {
        let each = self.load_times.mean().saturating_sub(self.hit_times.mean());
        let all = each.as_nanos().saturating_mul(u128::from(self.hits));
        Duration::from_nanos(u64::try_from(all).unwrap_or(u64::MAX))
    }

    fn of(site: &'static Site, tally: &Tally) -> Self {
        let place = site.place();
        let template = site.key_template();
        Self { function: place.function, module: place.module, template, ..Self::by_hand(tally) }
    }

    fn by_hand(tally: &Tally) -> Self {
        let (local_hits, remote_hits) = (tally.get(Count::LocalHits), tally.get(Count::RemoteHits));
        let load_times = tally.load_times.snapshot();
        Self {
            hits: local_hits + remote_hits,
            local_hits,
            remote_hits,
            stale_hits: tally.get(Count::StaleHits),
            misses: tally.get(Count::Misses),
            loads: tally.get(Count::Loads),
            load_errors: tally.get(Count::LoadErrors),
            load_time: load_times.sum(),
            refreshes: tally.get(Count::Refreshes),
            joins: tally.get(Count::Joins),
            stores: tally.get(Count::Stores),
            hit_times: tally
                .local_times
                .snapshot()
                .of_as_many_as(local_hits)
                .and(&tally.remote_times.snapshot().of_as_many_as(remote_hits)),
            load_times,
            ..Self::default()
        }
    }
}

fn ratio(hits: u64, misses: u64) -> f64 {
    let lookups = hits + misses;
    #[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 52 bits")]
    if lookups == 0 { 0.0 } else { hits as f64 / lookups as f64 }
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        let mut functions: Vec<_> =
            self.book.functions().map(|(site, tally)| FunctionStats::of(site, tally)).collect();
        functions.sort_unstable_by_key(|stats| (stats.function, stats.template, stats.module));
        let mut stats = Stats {
            invalidations: self.invalidations.get(),
            expirations: self.expirations.get(),
            remote_refusals: self.remote_refusals.get(),
            distrusts: self.distrusts.get(),
            ..Stats::default()
        };
        stats.add(&FunctionStats::by_hand(self.book.by_hand()));
        for function in &functions {
            stats.add(function);
        }
        Stats { functions, ..stats }
    }
}

impl Stats {
    fn add(&mut self, function: &FunctionStats) {
        self.hits += function.hits;
        self.local_hits += function.local_hits;
        self.remote_hits += function.remote_hits;
        self.stale_hits += function.stale_hits;
        self.misses += function.misses;
        self.loads += function.loads;
        self.load_errors += function.load_errors;
        self.load_time += function.load_time;
        self.refreshes += function.refreshes;
        self.joins += function.joins;
        self.stores += function.stores;
        self.hit_times = self.hit_times.and(&function.hit_times);
        self.load_times = self.load_times.and(&function.load_times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hit_ratio_of_nothing_is_zero() {
        assert!(Stats::default().hit_ratio().abs() < f64::EPSILON);
        let stats = Stats { hits: 3, misses: 1, ..Stats::default() };
        assert!((stats.hit_ratio() - 0.75).abs() < f64::EPSILON);
    }
}
