//! What a local store holds under a key: a live value with its stamp and its time to live.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::key::Key;
use crate::scope::Stamp;
use crate::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// A value in memory, with what is needed to know whether it may still be served.
///
/// The value's type is known to the function that made it; a store holds it as `Entry`, without its type.
///
/// Whatever a hit asks of it is in place, so that it need not be fetched from elsewhere in memory.
#[repr(C)]
pub struct Entry<V: ?Sized = dyn Any + Send + Sync> {
    /// A [`narrow`] number.
    weight: [u8; 3],
    /// The round, and whether it was [`KEPT`].
    marks: AtomicU8,
    /// The bits of an [`Aging`].
    aging: AtomicU32,
    // From the middle of the stamp to the end is what a hit reads: two cache lines, wherever the entry lies.
    stamp: Stamp,
    fresh_until: AtomicU64,
    value: V,
}

/// Until when an entry in this process is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Until {
    /// It is fresh.
    pub(crate) fresh: Moment,
    /// It is trusted even if nothing is heard of what other processes invalidate. Only asked beside a remote store.
    pub(crate) trusted: Moment,
}

/// How a value ages: for how long it still will do once it is no longer fresh, and how long its load took.
///
/// It is kept in four bytes: the window to the millisecond up to 524 seconds and to four parts in a million
/// beyond, the time of the load to 5 %, up to an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aging {
    pub(crate) stale: Duration,
    /// Zero where nobody is to know.
    pub(crate) load_time: Duration,
}

/// How long a value is kept: fresh, and then as it ages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) fresh: Duration,
    pub(crate) aging: Aging,
}

/// Marks an entry that was kept in front of its store.
const KEPT: u8 = 1 << 7;

/// Bits of a narrow number.
const NARROW: u32 = 24;
/// Bits of a narrow number under its exponent.
const MANTISSA: u32 = 19;

/// A number in three bytes: exact up to 524,287, less four parts in a million at most beyond.
fn narrow(number: u64) -> u32 {
    let exponent = (u64::BITS - number.leading_zeros()).saturating_sub(MANTISSA);
    if exponent < 1 << (NARROW - MANTISSA) {
        exponent << MANTISSA | u32::try_from(number >> exponent).unwrap_or_default()
    } else {
        (1 << NARROW) - 1
    }
}

fn widen(narrow: u32) -> u64 {
    let (exponent, mantissa) = (narrow >> MANTISSA, narrow & ((1 << MANTISSA) - 1));
    u64::from(mantissa) << exponent
}

fn three_bytes(weight: usize) -> [u8; 3] {
    let [low, middle, high, _] = narrow(u64::try_from(weight).unwrap_or(u64::MAX)).to_le_bytes();
    [low, middle, high]
}

/// Stands for a `None` that is remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absent;

impl<V: Any + Send + Sync> Entry<V> {
    pub(crate) fn new(value: V, stamp: Arc<Stamp>, until: Until, weight: usize) -> Self {
        Self {
            stamp: Arc::unwrap_or_clone(stamp).of_an_entry(until.trusted.nanos()),
            fresh_until: AtomicU64::new(until.fresh.nanos()),
            weight: three_bytes(weight),
            marks: AtomicU8::new(0),
            aging: AtomicU32::new(0),
            value,
        }
    }
}

impl Entry {
    /// The value as a `V`: nothing if it is of another type.
    pub(crate) fn value<V: Any>(&self) -> Option<&V> {
        self.value.downcast_ref()
    }

    /// The value, whatever its type.
    pub(crate) fn any(&self) -> &dyn Any {
        &self.value
    }

    pub(crate) fn set_weight(&mut self, weight: usize) {
        self.weight = three_bytes(weight);
    }
}

impl<V: ?Sized> Entry<V> {
    /// The key that the entry is stored under.
    #[must_use]
    #[inline]
    pub fn key(&self) -> &Key {
        self.stamp.key()
    }

    pub(crate) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    pub(crate) fn fresh_until(&self) -> Moment {
        Moment::from_nanos(self.fresh_until.load(Ordering::Relaxed))
    }

    pub(crate) fn trusted_until(&self) -> Moment {
        Moment::from_nanos(self.stamp.word_of_the_entry())
    }

    /// Notes that the entry was found to have outlived its time; whether this is the first to notice.
    pub(crate) fn expire(&self) -> bool {
        self.fresh_until.swap(0, Ordering::Relaxed) != 0
    }

    pub(crate) fn set_fresh_until(&self, moment: Moment) {
        self.fresh_until.store(moment.nanos(), Ordering::Relaxed);
    }

    /// Notes that a store has looked at the entry in this round of its own, from 1 to 127; whether it had not before.
    ///
    /// For stores that look at all of theirs in turn. Before its first round an entry is in round 0, so no other
    /// round has that number.
    pub fn enter_round(&self, round: u8) -> bool {
        let round = round & !KEPT;
        let entered = |marks| Some(marks & KEPT | round);
        let before = self.marks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, entered);
        before.is_ok_and(|marks| marks & !KEPT != round)
    }

    /// Notes that a pointer to the entry is kept in [front](crate::store::Front) of its store.
    pub(crate) fn note_kept(&self) {
        self.marks.fetch_or(KEPT, Ordering::Relaxed);
    }

    /// Whether such a pointer was kept at any time.
    pub(crate) fn was_kept(&self) -> bool {
        self.marks.load(Ordering::Relaxed) & KEPT != 0
    }

    /// Until when it will do for those who take a stale value; never before it stops being fresh.
    pub(crate) fn stale_until(&self) -> Moment {
        let fresh_until = self.fresh_until();
        // Zero is what has expired for good.
        if fresh_until.nanos() == 0 {
            fresh_until
        } else {
            fresh_until + stale_of(self.aging.load(Ordering::Relaxed))
        }
    }

    /// What is left of its life.
    pub(crate) fn left(&self, now: Moment) -> Life {
        let fresh_until = self.fresh_until();
        let stale = self.stale_until().since(fresh_until.max(now));
        Life { fresh: fresh_until.since(now), aging: Aging { stale, ..self.aging() } }
    }

    pub(crate) fn aging(&self) -> Aging {
        Aging::from_bits(self.aging.load(Ordering::Relaxed))
    }

    pub(crate) fn set_aging(&self, aging: Aging) {
        self.aging.store(aging.bits(), Ordering::Relaxed);
    }

    /// An estimate of the bytes that the value occupies; 0 where the store asks for no weights.
    ///
    /// Beyond half a megabyte it is kept to four parts in a million.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let [low, middle, high] = self.weight;
        widen(u32::from_le_bytes([low, middle, high, 0]))
    }
}

impl Aging {
    /// As it is kept, here and in a remote store.
    pub(crate) fn bits(self) -> u32 {
        let millis = u64::try_from(self.stale.as_millis()).unwrap_or(u64::MAX);
        let micros = self.load_time.as_micros().clamp(0, u128::from(u32::MAX));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "from 1 to 256, and rounded on purpose"
        )]
        // The eighth root of two, to this power; one more, so that zero stays zero.
        let power = if micros == 0 { 0 } else { (1.0 + 8.0 * (micros as f64).log2()).round() as u32 };
        power.min(u32::from(u8::MAX)) << NARROW | narrow(millis)
    }

    pub(crate) fn from_bits(bits: u32) -> Self {
        let power = bits >> NARROW;
        let load_time = if power == 0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(((f64::from(power) - 1.0) / 8.0).exp2() / 1e6)
        };
        Self { stale: stale_of(bits), load_time }
    }
}

/// The stale window among the bits of an [`Aging`].
pub(crate) fn stale_of(bits: u32) -> Duration {
    Duration::from_millis(widen(bits & ((1 << NARROW) - 1)))
}

impl From<Duration> for Life {
    fn from(fresh: Duration) -> Self {
        Self { fresh, aging: Aging::default() }
    }
}

impl<V: ?Sized> fmt::Debug for Entry<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("stamp", &self.stamp)
            .field("fresh_until", &self.fresh_until())
            .field("aging", &self.aging())
            .field("weight", &self.weight())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_life_is_counted_to_its_end() {
        let cache = crate::Cache::builder().build();
        let (as_of, now) = (cache.inner().as_of_now(&"k".into(), &[]), crate::clock::now());
        let [one, two] = [1, 2].map(Duration::from_secs);
        let entry = Entry::new(1_u64, as_of.stamp, Until { fresh: now + two, trusted: now + one }, 0);
        assert_eq!(entry.trusted_until(), now + one);
        entry.set_aging(Aging { stale: two, load_time: Duration::ZERO });
        let left = |after| {
            let Life { fresh, aging } = entry.left(now + after);
            (fresh, aging.stale)
        };
        assert_eq!(left(Duration::ZERO), (two, two));
        assert_eq!(left(one), (one, two));
        assert_eq!(left(two), (Duration::ZERO, two));
        assert_eq!(left(two + one), (Duration::ZERO, one));
        assert_eq!(left(two + two), (Duration::ZERO, Duration::ZERO));
        assert!(entry.expire());
        assert_eq!(left(Duration::ZERO), (Duration::ZERO, Duration::ZERO), "expired for good");
    }

    #[test]
    fn what_comes_before_the_stamp_takes_eight_bytes() {
        assert_eq!(size_of::<Entry<u64>>(), 8 + size_of::<Stamp>() + 8 + 8);
    }

    #[test]
    fn a_weight_survives_in_three_bytes() {
        for weight in [0, 1, 42, 524_287, 1 << 30] {
            assert_eq!(widen(narrow(weight)), weight);
        }
        for weight in [524_289, 99_999_999, (1 << 40) + 12_345] {
            let kept = widen(narrow(weight));
            assert!(kept <= weight && weight - kept <= weight / 250_000, "{weight} became {kept}");
        }
        assert!(widen(narrow(u64::MAX)) > 1 << 49);
    }

    #[test]
    fn aging_survives_in_four_bytes() {
        let kept = |aging: Aging| Aging::from_bits(aging.bits());
        for millis in [0, 1, 2, 999, 300_000, (1 << MANTISSA) - 1] {
            let stale = Duration::from_millis(millis);
            assert_eq!(kept(Aging { stale, ..Aging::default() }), Aging { stale, ..Aging::default() });
        }
        for shift in 19..49 {
            let stale = Duration::from_millis((1 << shift) + 12_345);
            let found = kept(Aging { stale, ..Aging::default() }).stale;
            assert!(
                stale.saturating_sub(found) <= stale / 250_000 && found <= stale,
                "{stale:?} became {found:?}"
            );
        }
        assert!(
            kept(Aging { stale: Duration::MAX, ..Aging::default() }).stale > Duration::from_secs(1 << 39)
        );
        for micros in [1, 7, 80, 50_000, 1_000_000, 3_000_000_000] {
            let load_time = Duration::from_micros(micros);
            let found = kept(Aging { load_time, ..Aging::default() }).load_time;
            let ratio = found.as_secs_f64() / load_time.as_secs_f64();
            assert!((0.95..1.05).contains(&ratio), "{load_time:?} became {found:?}");
        }
    }
}
