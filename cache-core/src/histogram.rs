//! How long things took: the durations themselves are forgotten, and how many there were of each size is kept.
//!
//! Buckets are spaced by the logarithm, eight to each doubling, so that nanoseconds and minutes are told with the same
//! error of one eighth at most, in 304 numbers.

use std::array;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets to each doubling, as a power of two.
const FINENESS: u32 = 3;
const FINE: u64 = 1 << FINENESS;
/// Durations from 2⁴⁰ ns on, 18 minutes, are in the last bucket.
const DOUBLINGS: u32 = 40;
const BUCKETS: usize = (DOUBLINGS - FINENESS + 1) as usize * (1 << FINENESS);

/// How many durations there were of each size, as of some moment.
///
/// A duration is known as that of its bucket: at least as long, and longer by an eighth at most (by nothing below 8 ns).
/// From 18 minutes on, all of them count as 18 minutes.
///
/// # Examples
///
/// ```
/// # fn report(cache: &cache_core::Cache) {
/// let times = cache.stats().load_times;
/// println!("{} loads, {:?} on average, one in a hundred took {:?} or longer", times.count(), times.mean(), times.quantile(0.99));
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// The buckets that are not empty, in their order.
    buckets: Vec<(usize, u64)>,
    count: u64,
    sum: Duration,
}

impl Histogram {
    /// How many durations there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All of them together: exact.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Their mean: exact, rounded down to nanoseconds; zero if there are none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(nanos(self.sum).checked_div(self.count).unwrap_or_default())
    }

    /// The duration that a share of `q` (from 0 to 1) does not exceed: 0.5 for the median. It is at least the true one,
    /// and longer by an eighth at most. Zero if there are none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among counts needs no more than 52 bits, and is between 0 and their sum"
        )]
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut passed = 0;
        for (bound, count) in self.buckets() {
            passed += count;
            if passed >= rank {
                return bound;
            }
        }
        self.buckets().last().map(|(bound, _)| bound).unwrap_or_default()
    }

    /// The buckets that are not empty, from short to long: the longest duration that belongs into each, and how many do.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.buckets.iter().map(|(bucket, count)| (longest_in(*bucket), *count))
    }

    /// Those of both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut counts = [0; BUCKETS];
        for (bucket, count) in self.buckets.iter().chain(&other.buckets) {
            if let Some(sum) = counts.get_mut(*bucket) {
                *sum += count;
            }
        }
        Self::of(&counts, self.sum.saturating_add(other.sum))
    }

    /// What there would be if the durations were a sample of `count`: more of each size, in the same proportion.
    pub(crate) fn of_as_many_as(self, count: u64) -> Self {
        let (all, sample) = (u128::from(count), u128::from(self.count));
        if sample == 0 || all <= sample {
            return self;
        }
        let scaled = |number: u128| u64::try_from(number * all / sample).unwrap_or(u64::MAX);
        let buckets: Vec<_> =
            self.buckets.iter().map(|(bucket, count)| (*bucket, scaled(u128::from(*count)))).collect();
        let sum = Duration::from_nanos(scaled(self.sum.as_nanos()));
        Self { count: buckets.iter().map(|(_, count)| count).sum(), buckets, sum }
    }

    /// The buckets to which something was added since it was as `earlier`, and how much.
    #[cfg(feature = "metrics")]
    pub(crate) fn since(&self, earlier: &Self) -> impl Iterator<Item = (Duration, u64)> {
        self.buckets.iter().filter_map(|(bucket, count)| {
            let before =
                earlier.buckets.iter().find(|(other, _)| other == bucket).map_or(0, |(_, count)| *count);
            let more = count.saturating_sub(before);
            (more > 0).then(|| (longest_in(*bucket), more))
        })
    }

    fn of(counts: &[u64], sum: Duration) -> Self {
        let buckets = counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        Self { buckets, count: counts.iter().sum(), sum }
    }
}

/// A histogram that is being added to.
///
/// Not sharded: what is timed is rare, or takes far longer than to add to a number that others add to.
pub(crate) struct Times {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Times {
    pub(crate) fn record(&self, took: Duration) {
        let nanos = nanos(took);
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(1, Ordering::Relaxed);
            self.nanos.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> Histogram {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        Histogram::of(&counts, Duration::from_nanos(self.nanos.load(Ordering::Relaxed)))
    }
}

impl Default for Times {
    fn default() -> Self {
        Self { buckets: array::from_fn(|_| AtomicU64::new(0)), nanos: AtomicU64::new(0) }
    }
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// Below 8 each number has a bucket to itself. From there on the three bits after the highest one tell the bucket.
fn bucket_of(nanos: u64) -> usize {
    let nanos = nanos.min((1 << DOUBLINGS) - 1);
    let Some(doubling) = nanos.checked_ilog2().filter(|doubling| *doubling >= FINENESS) else {
        return usize::try_from(nanos).unwrap_or_default();
    };
    let coarser = doubling - FINENESS;
    usize::try_from(u64::from(coarser) * FINE + (nanos >> coarser)).unwrap_or_default()
}

/// The longest duration that belongs into a bucket.
fn longest_in(bucket: usize) -> Duration {
    let bucket = bucket as u64;
    let coarser = (bucket / FINE).saturating_sub(1);
    Duration::from_nanos(((bucket - coarser * FINE + 1) << coarser) - 1)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(nanos: impl IntoIterator<Item = u64>) -> Histogram {
        let times = Times::default();
        nanos.into_iter().for_each(|nanos| times.record(Duration::from_nanos(nanos)));
        times.snapshot()
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut last = None;
        for bucket in 0..BUCKETS {
            let longest = nanos(longest_in(bucket));
            assert_eq!(bucket_of(longest), bucket, "{longest} is the last of its bucket");
            assert!(
                last.is_none_or(|last| bucket_of(last + 1) == bucket),
                "and what comes next is in the next"
            );
            last = Some(longest);
        }
        assert_eq!(last, Some((1 << DOUBLINGS) - 1));
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_within_an_eighth_of_those_of_a_sorted_list() {
        // Sizes from nanoseconds to minutes, each as likely: a generator of numbers, and a power of two by it.
        let mut state = 9_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 24
        };
        for count in [1_usize, 2, 10, 1_000, 100_000] {
            let mut list: Vec<u64> = (0..count).map(|_| next() >> (next() % 40)).collect();
            let histogram = of(list.iter().copied());
            list.sort_unstable();
            assert_eq!(histogram.count(), count as u64);
            assert_eq!(nanos(histogram.sum()), list.iter().sum::<u64>());
            assert_eq!(nanos(histogram.mean()), list.iter().sum::<u64>() / count as u64);
            for (permille, q) in [(0, 0.0), (1, 0.001), (500, 0.5), (900, 0.9), (990, 0.99), (1000, 1.0)] {
                let rank = (count * permille).div_ceil(1000).max(1);
                let (is, said) = (list[rank - 1], nanos(histogram.quantile(q)));
                assert!(said >= is && said <= is + is / 8, "{q} of {count}: {is}, and {said} is said");
            }
        }
    }

    #[test]
    fn nothing_has_no_mean_and_no_quantile() {
        let nothing = of([]);
        assert_eq!(
            (nothing.mean(), nothing.quantile(0.5), nothing.count()),
            (Duration::ZERO, Duration::ZERO, 0)
        );
        assert_eq!(nothing, Histogram::default());
    }

    #[test]
    fn a_sample_stands_for_all() {
        let all = of([10, 10, 30]).of_as_many_as(3_000);
        assert_eq!((all.count(), all.mean()), (3_000, Duration::from_nanos(16)));
        assert_eq!(all.buckets().map(|(_, count)| count).collect::<Vec<_>>(), [2_000, 1_000]);
        assert_eq!(of([10, 20]).of_as_many_as(1), of([10, 20]), "never for fewer than it holds");
        assert_eq!(of([]).of_as_many_as(7), of([]));
    }

    #[test]
    fn two_histograms_are_as_one_of_both() {
        let (one, other) = ([1, 40, 40, 7_000_000], [0, 41, 9_000_000_000]);
        assert_eq!(of(one).and(&of(other)), of(one.into_iter().chain(other)));
    }
}
