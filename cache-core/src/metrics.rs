//! What a cache counts, through the facade of the crate [`metrics`](https://docs.rs/metrics), for Prometheus and others.
//!
//! Nothing is recorded while callers are answered: [`Cache::publish_metrics`] brings what was counted to the recorder, when
//! that is asked for its numbers, and [`Cache::publish_metrics_every`] again and again.
//!
//! | name | kind | unit | labels | what |
//! |---|---|---|---|---|
//! | `larder_hits_total` | counter | | `cache`, `function`, `tier` | values served from a store |
//! | `larder_stale_hits_total` | counter | | `cache`, `function` | of these, those with a value in its stale window |
//! | `larder_misses_total` | counter | | `cache`, `function` | calls that found no current value |
//! | `larder_loads_total` | counter | | `cache`, `function`, `outcome` | loads that ran |
//! | `larder_refreshes_total` | counter | | `cache`, `function` | of these, those while callers were answered with the old value |
//! | `larder_joins_total` | counter | | `cache`, `function` | calls that waited for the load of another |
//! | `larder_stores_total` | counter | | `cache`, `function` | values stored, in either store |
//! | `larder_hit_duration_seconds` | histogram | seconds | `cache`, `function`, `tier` | from the key to the value; of the tier `local` one hit in about a thousand, of `remote` one in eight without a local store |
//! | `larder_load_duration_seconds` | histogram | seconds | `cache`, `function` | loads that ended, failed ones included |
//! | `larder_invalidations_total` | counter | | `cache` | scopes invalidated |
//! | `larder_evictions_total` | counter | | `cache` | local entries dropped to make room |
//! | `larder_expirations_total` | counter | | `cache` | local entries found to have outlived their time |
//! | `larder_distrusts_total` | counter | | `cache` | times that this process gave up all that it held |
//! | `larder_entries` | gauge | | `cache` | local entries held |
//! | `larder_size_bytes` | gauge | bytes | `cache` | what they are estimated to occupy, where the local store is bounded by bytes |
//! | `larder_enabled` | gauge | 0 or 1 | `cache` | whether cached functions use the cache |
//! | `larder_remote_errors_total` | counter | | `cache` | operations that the remote store failed, timeouts included |
//! | `larder_remote_timeouts_total` | counter | | `cache` | operations that it did not answer in time |
//! | `larder_remote_skipped_total` | counter | | `cache` | operations that were not sent |
//! | `larder_remote_slowdowns_total` | counter | | `cache` | times that it was so slow that it is asked for less |
//! | `larder_remote_refusals_total` | counter | | `cache` | remote entries refused: damaged, or of another type or version |
//! | `larder_breaker_openings_total` | counter | | `cache` | times that it failed so much that it was left alone |
//! | `larder_breaker_open` | gauge | 0 or 1 | `cache` | whether it is left alone now |
//! | `larder_remote_in_flight` | gauge | | `cache` | operations under way |
//! | `larder_owed_invalidations` | gauge | | `cache` | invalidations that it could not be told of yet |
//! | `larder_hearing_lag_seconds` | gauge | seconds | `cache` | how long ago this process knew of all that others invalidated, where it follows them |
//!
//! The last ten are there with a remote store only. The labels are: `cache`, the namespace, so give the caches of a process
//! different ones; `function`, the path of the function, such as `shop::get_user`, or `by_hand` for calls with keys given by
//! hand; `tier`, `local` or `remote`; `outcome`, `loaded` or `failed`. None holds a key or the value of an argument.
//!
//! Durations are told to an eighth, as by [`Histogram`]: each is published as the longest of its bucket.
//!
//! # Examples
//!
//! ```
//! use cache_core::Cache;
//!
//! # fn install_a_recorder() {}
//! # fn rendered() -> String { String::new() }
//! install_a_recorder();
//! let cache = Cache::builder().namespace("shop").build();
//! // Whenever the recorder is asked for its numbers:
//! cache.publish_metrics();
//! let answer = rendered();
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use metrics::{SharedString, Unit, counter, gauge, histogram};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::cache::{Cache, Inner};
use crate::guard::Guard;
use crate::health::Hearing;
use crate::histogram::Histogram;
use crate::site::Site;
use crate::stats::Stats;
use crate::tally::{Count, Tally};

/// What calls with keys given by hand are labelled with, for they have no function.
const BY_HAND: &str = "by_hand";

impl Cache {
    /// Brings what the cache has counted so far to the installed recorder, as the [table](crate::metrics) says.
    ///
    /// Install the recorder first: what is published without one is lost to its histograms.
    pub fn publish_metrics(&self) {
        self.inner().tell_recorder();
    }

    /// Does that now, and again after each `interval`, until the last clone of the cache is gone: for recorders that send
    /// their numbers by themselves. Outside of a tokio runtime it does it once.
    pub fn publish_metrics_every(&self, interval: Duration) {
        self.publish_metrics();
        let Ok(runtime) = Handle::try_current() else { return };
        let this = self.downgrade();
        let task = async move {
            loop {
                tokio::time::sleep(interval.max(Duration::from_millis(1))).await;
                let Some(inner) = this.upgrade() else { return };
                inner.tell_recorder();
            }
        };
        self.inner().background.spawn(&runtime, task);
    }
}

/// What the recorder has been told of, so that it is told of nothing twice.
#[derive(Debug, Default)]
pub(crate) struct Published {
    functions: Mutex<HashMap<String, Durations>>,
}

/// The histograms of a function.
#[derive(Clone, Debug, Default)]
struct Durations {
    local: Histogram,
    remote: Histogram,
    loads: Histogram,
}

/// A label besides the cache and the function: its name and its value.
type Label = (&'static str, &'static str);

/// What is published of all functions of one path: methods of different types can have the same.
#[derive(Default)]
struct Row {
    counts: BTreeMap<(&'static str, Option<Label>), u64>,
    durations: Durations,
}

impl Row {
    fn add(&mut self, tally: &Tally) {
        let (loads, failed) = (tally.get(Count::Loads), tally.get(Count::LoadErrors));
        let counts = [
            ("larder_hits_total", Some(("tier", "local")), tally.get(Count::LocalHits)),
            ("larder_hits_total", Some(("tier", "remote")), tally.get(Count::RemoteHits)),
            ("larder_stale_hits_total", None, tally.get(Count::StaleHits)),
            ("larder_misses_total", None, tally.get(Count::Misses)),
            ("larder_loads_total", Some(("outcome", "loaded")), loads.saturating_sub(failed)),
            ("larder_loads_total", Some(("outcome", "failed")), failed),
            ("larder_refreshes_total", None, tally.get(Count::Refreshes)),
            ("larder_joins_total", None, tally.get(Count::Joins)),
            ("larder_stores_total", None, tally.get(Count::Stores)),
        ];
        for (name, label, count) in counts {
            *self.counts.entry((name, label)).or_default() += count;
        }
        let Durations { local, remote, loads } = &mut self.durations;
        for (sum, times) in
            [(local, &tally.local_times), (remote, &tally.remote_times), (loads, &tally.load_times)]
        {
            *sum = sum.and(&times.snapshot());
        }
    }
}

impl Inner {
    fn tell_recorder(&self) {
        describe();
        let stats = &self.stats();
        let cache = SharedString::from_shared(Arc::from(&*self.settings.namespace));
        self.publish_functions(&cache);
        publish_cache(stats, &cache);
        let enabled = if self.is_enabled() { 1.0 } else { 0.0 };
        gauge!("larder_enabled", "cache" => cache.clone()).set(enabled);
        if let Some(remote) = &self.settings.remote {
            self.publish_remote(stats, remote, &cache);
        }
    }

    fn publish_functions(&self, cache: &SharedString) {
        let mut rows = BTreeMap::<String, Row>::new();
        rows.entry(BY_HAND.to_owned()).or_default().add(self.counters.book.by_hand());
        for (site, tally) in self.counters.book.functions() {
            rows.entry(path(site)).or_default().add(tally);
        }
        // Held until all is told: who publishes at the same time tells what came since.
        let mut published = self.published.functions.lock();
        for (path, Row { counts, durations }) in rows {
            let function = SharedString::from_shared(Arc::from(&*path));
            for ((name, label), count) in counts {
                let mut labels = vec![
                    metrics::Label::new("cache", cache.clone()),
                    metrics::Label::new("function", function.clone()),
                ];
                labels.extend(label.map(|(name, value)| metrics::Label::new(name, value)));
                counter!(name, labels).absolute(count);
            }
            let before = published.entry(path).or_default();
            for (tier, now, before) in
                [("local", &durations.local, &before.local), ("remote", &durations.remote, &before.remote)]
            {
                let times = histogram!(
                    "larder_hit_duration_seconds",
                    "cache" => cache.clone(), "function" => function.clone(), "tier" => tier
                );
                tell(&times, now.since(before));
            }
            let times = histogram!(
                "larder_load_duration_seconds", "cache" => cache.clone(), "function" => function.clone()
            );
            tell(&times, durations.loads.since(&before.loads));
            *before = durations;
        }
    }

    fn publish_remote(&self, stats: &Stats, remote: &Guard, cache: &SharedString) {
        let counts = [
            ("larder_remote_errors_total", stats.remote_errors),
            ("larder_remote_timeouts_total", stats.remote_timeouts),
            ("larder_remote_skipped_total", stats.remote_skipped),
            ("larder_remote_slowdowns_total", stats.remote_slowdowns),
            ("larder_remote_refusals_total", stats.remote_refusals),
            ("larder_breaker_openings_total", stats.breaker_openings),
        ];
        for (name, count) in counts {
            counter!(name, "cache" => cache.clone()).absolute(count);
        }
        let open = if remote.is_open() { 1.0 } else { 0.0 };
        gauge!("larder_breaker_open", "cache" => cache.clone()).set(open);
        gauge!("larder_remote_in_flight", "cache" => cache.clone()).set(size(remote.load().0));
        gauge!("larder_owed_invalidations", "cache" => cache.clone()).set(size(self.debts.len()));
        if let Hearing::Feed { lag } = self.hearing() {
            gauge!("larder_hearing_lag_seconds", "cache" => cache.clone()).set(lag.as_secs_f64());
        }
    }
}

fn publish_cache(stats: &Stats, cache: &SharedString) {
    let counts = [
        ("larder_invalidations_total", stats.invalidations),
        ("larder_evictions_total", stats.evictions),
        ("larder_expirations_total", stats.expirations),
        ("larder_distrusts_total", stats.distrusts),
    ];
    for (name, count) in counts {
        counter!(name, "cache" => cache.clone()).absolute(count);
    }
    for (name, amount) in [("larder_entries", stats.entries), ("larder_size_bytes", stats.bytes)] {
        gauge!(name, "cache" => cache.clone()).set(size(usize::try_from(amount).unwrap_or(usize::MAX)));
    }
}

fn tell(times: &metrics::Histogram, durations: impl Iterator<Item = (Duration, u64)>) {
    for (duration, count) in durations {
        times.record_many(duration.as_secs_f64(), usize::try_from(count).unwrap_or(usize::MAX));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; sizes beyond 52 bits are not met")]
fn size(amount: usize) -> f64 {
    amount as f64
}

fn path(site: &Site) -> String {
    let place = site.place();
    format!("{}::{}", place.module, place.function)
}

/// Tells the recorder of units and meanings.
fn describe() {
    let counters = [
        ("larder_hits_total", "Values served from a store"),
        ("larder_stale_hits_total", "Hits with a value in its stale window"),
        ("larder_misses_total", "Calls that found no current value"),
        ("larder_loads_total", "Loads that ran"),
        ("larder_refreshes_total", "Loads while callers were answered with the old value"),
        ("larder_joins_total", "Calls that waited for the load of another"),
        ("larder_stores_total", "Values stored, in either store"),
        ("larder_invalidations_total", "Scopes invalidated"),
        ("larder_evictions_total", "Local entries dropped to make room"),
        ("larder_expirations_total", "Local entries found to have outlived their time"),
        ("larder_distrusts_total", "Times that this process gave up all that it held"),
        ("larder_remote_errors_total", "Operations that the remote store failed"),
        ("larder_remote_timeouts_total", "Operations that the remote store did not answer in time"),
        ("larder_remote_skipped_total", "Operations that were not sent to the remote store"),
        ("larder_remote_slowdowns_total", "Times that the remote store was too slow for what it is asked"),
        ("larder_remote_refusals_total", "Remote entries refused"),
        ("larder_breaker_openings_total", "Times that the remote store was left alone"),
    ];
    for (name, what) in counters {
        describe_counter!(name, Unit::Count, what);
    }
    let gauges = [
        ("larder_entries", Unit::Count, "Local entries held"),
        ("larder_size_bytes", Unit::Bytes, "What local entries are estimated to occupy"),
        ("larder_enabled", Unit::Count, "Whether cached functions use the cache"),
        ("larder_breaker_open", Unit::Count, "Whether the remote store is left alone"),
        ("larder_remote_in_flight", Unit::Count, "Operations of the remote store under way"),
        ("larder_owed_invalidations", Unit::Count, "Invalidations that the remote store was not told of yet"),
        ("larder_hearing_lag_seconds", Unit::Seconds, "How long ago all was known that others invalidated"),
    ];
    for (name, unit, what) in gauges {
        describe_gauge!(name, unit, what);
    }
    describe_histogram!("larder_hit_duration_seconds", Unit::Seconds, "Hits, from the key to the value");
    describe_histogram!("larder_load_duration_seconds", Unit::Seconds, "Loads that ended");
}
