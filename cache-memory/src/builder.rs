//! How much a store may hold, how that is divided into shards, and what else it is asked to do.
//! Never touches an entry.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::Key;
use cache_core::store::Removal;

use crate::store::Memory;

/// What a store holds when no bound is given.
const DEFAULT_ENTRIES: usize = 10_000;
/// Shards are filled by hash, so unevenly: with fewer entries each, the bound would be felt too early.
const LEAST_ENTRIES: usize = 256;
/// An entry must fit into its shard, so shards are not made smaller than this many bytes.
const LEAST_BYTES: usize = 4 << 20;
/// Shards for each thread that can run at once: two threads then rarely want the same one.
const SHARDS_PER_THREAD: usize = 4;
/// A guess at the bytes of an entry when only bytes are bounded. Sizes the memory of evicted keys.
const USUAL_BYTES: usize = 1 << 10;

/// Builds a [`Memory`].
///
/// # Examples
///
/// ```
/// use cache_memory::Memory;
///
/// let memory = Memory::builder().max_bytes(64 << 20).build();
/// # let _ = memory;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct MemoryBuilder {
    max_entries: Option<usize>,
    max_bytes: Option<usize>,
    wishes: Wishes,
}

/// What else a store is asked to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) time_to_idle: Option<Duration>,
    pub(crate) listener: Option<Listener>,
    pub(crate) weighers: Weighers,
}

/// How values of some types are weighed.
#[derive(Clone, Default)]
pub(crate) struct Weighers(HashMap<TypeId, Arc<Weigh>>);

type Weigh = dyn Fn(&dyn Any) -> usize + Send + Sync;

impl Weighers {
    pub(crate) fn weigh(&self, value: &dyn Any) -> Option<usize> {
        self.0.get(&value.type_id()).map(|weigh| weigh(value))
    }
}

impl fmt::Debug for Weighers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weighers of {} types", self.0.len())
    }
}

/// Who wants to hear of entries that go.
#[derive(Clone)]
pub(crate) struct Listener(Arc<Listen>);

type Listen = dyn Fn(&Key, Removal) + Send + Sync;

impl Listener {
    pub(crate) fn tell(&self, key: &Key, removal: Removal) {
        (self.0)(key, removal);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl MemoryBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Holds at most `entries` entries. With 0 nothing is ever kept.
    ///
    /// Without any bound a store holds 10,000 entries.
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = Some(entries);
        self
    }

    /// Holds at most `bytes` bytes: keys, values as far as their size is known, and what the store adds.
    ///
    /// A single entry of more than about 4 MB, or of more than the whole bound, may not be kept.
    ///
    /// With [`max_entries`](Self::max_entries) too both bounds hold. Each entry then counts for its even
    /// share, `bytes / entries`, or for its real size if that is more.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Weighs values of type `V` with `weigh`: the bytes of one, with all that it owns. May be called for several types.
    ///
    /// Only what is bounded [by bytes](Self::max_bytes) is weighed, once, when it is stored. For other types the estimate
    /// is the size of the value itself and that of its JSON; a `local` function's value counts as its own size alone,
    /// so it is for those that one should say more. The type is that which is stored: of a function that returns
    /// `Result<Option<Arc<V>>, E>` it is `Arc<V>`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cache_memory::Memory;
    ///
    /// struct Picture { pixels: Vec<u8> }
    ///
    /// let memory = Memory::builder()
    ///     .max_bytes(64 << 20)
    ///     .weigher(|picture: &Picture| size_of::<Picture>() + picture.pixels.capacity())
    ///     .build();
    /// # let _ = memory;
    /// ```
    pub fn weigher<V: Any>(mut self, weigh: impl Fn(&V) -> usize + Send + Sync + 'static) -> Self {
        let weigh = move |value: &dyn Any| value.downcast_ref().map_or(0, &weigh);
        self.wishes.weighers.0.insert(TypeId::of::<V>(), Arc::new(weigh));
        self
    }

    /// Lets an entry go that nobody has asked for in `limit`, however much longer it would be fresh. Default: never.
    ///
    /// A hit notes the time at most once in a millisecond. Such an entry counts as expired; with a stale window too it
    /// is gone for good. It takes some 50 bytes more.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cache_memory::Memory;
    ///
    /// let sessions = Memory::builder().time_to_idle(Duration::from_secs(30 * 60)).build();
    /// # let _ = sessions;
    /// ```
    pub fn time_to_idle(mut self, limit: Duration) -> Self {
        self.wishes.time_to_idle = Some(limit);
        self
    }

    /// Calls `listener` with the key of each entry that goes, and why: to make room, because it has expired, or
    /// because it was invalidated. Not for an entry that another takes the place of.
    ///
    /// An entry goes some time after its end: with later insertions, each of which looks at three entries. The
    /// listener runs in the task of such an insertion, so let it be quick; it must not call the cache.
    pub fn on_removal(mut self, listener: impl Fn(&Key, Removal) + Send + Sync + 'static) -> Self {
        self.wishes.listener = Some(Listener(Arc::new(listener)));
        self
    }

    /// The store.
    #[must_use]
    pub fn build(self) -> Memory {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Memory::with(Bounds::new(self.max_entries, self.max_bytes, threads), self.wishes)
    }
}

/// The bounds of a store, in the form its shards need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// A power of two.
    pub(crate) shards: usize,
    /// The sum of weights, a multiple of `shards`, so that no shard rounds its part up.
    pub(crate) capacity: u64,
    /// About as many entries as will be held.
    pub(crate) entries: usize,
    pub(crate) weight: Weight,
}

/// What an entry counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// One.
    Entry,
    /// Its bytes, but no less than this many.
    Bytes { at_least: u64 },
}

impl Bounds {
    pub(crate) fn new(max_entries: Option<usize>, max_bytes: Option<usize>, threads: usize) -> Self {
        let Some(bytes) = max_bytes else {
            let entries = max_entries.unwrap_or(DEFAULT_ENTRIES);
            let shards = shards(threads, entries, LEAST_ENTRIES);
            return Self { shards, capacity: even(entries, shards), entries, weight: Weight::Entry };
        };
        let entries = max_entries.unwrap_or(bytes / USUAL_BYTES);
        let at_least = match max_entries {
            None => 1,
            Some(0) => u64::MAX,
            // With every entry at its even share or above, the byte bound implies the entry bound.
            Some(entries) => wide(bytes.div_ceil(entries)),
        };
        let shards = shards(threads, bytes, LEAST_BYTES).min(shards(threads, entries, LEAST_ENTRIES));
        Self { shards, capacity: even(bytes, shards), entries, weight: Weight::Bytes { at_least } }
    }
}

/// As many shards as `threads` like, as long as each gets at least `least` of `bound`.
fn shards(threads: usize, bound: usize, least: usize) -> usize {
    let wanted = threads.saturating_mul(SHARDS_PER_THREAD).checked_next_power_of_two().unwrap_or(1);
    let room = (bound / least).max(1);
    // The largest power of two that is at most `room`.
    wanted.min(1 << room.ilog2())
}

/// `bound`, rounded down to a multiple of `shards`.
fn even(bound: usize, shards: usize) -> u64 {
    wide(bound - bound % shards)
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bound_is_ten_thousand_entries() {
        let bounds = Bounds::new(None, None, 2);
        assert_eq!(bounds, Bounds { shards: 8, capacity: 10_000, entries: 10_000, weight: Weight::Entry });
    }

    #[test]
    fn shards_never_round_the_bound_up() {
        for entries in [0, 1, 2, 255, 257, 1_001, 4_099, 99_991] {
            for threads in [1, 2, 3, 64] {
                let bounds = Bounds::new(Some(entries), None, threads);
                assert!(bounds.shards.is_power_of_two());
                assert!(bounds.capacity <= wide(entries), "{bounds:?}");
                assert_eq!(bounds.capacity % wide(bounds.shards), 0);
                assert!(bounds.shards == 1 || entries / bounds.shards >= LEAST_ENTRIES);
            }
        }
    }

    #[test]
    fn both_bounds_hold_because_no_entry_counts_less_than_its_share() {
        let bounds = Bounds::new(Some(1_000), Some(1_000_500), 2);
        let Weight::Bytes { at_least } = bounds.weight else { panic!("bytes are bounded") };
        assert!(bounds.capacity / at_least <= 1_000);
        assert!(bounds.capacity <= 1_000_500);
    }

    #[test]
    fn a_bound_of_no_entries_leaves_no_room_for_bytes() {
        let bounds = Bounds::new(Some(0), Some(1 << 30), 2);
        assert_eq!(bounds.weight, Weight::Bytes { at_least: u64::MAX });
    }

    #[test]
    fn a_small_byte_bound_is_not_cut_into_shards_that_fit_nothing() {
        assert_eq!(Bounds::new(None, Some(1 << 20), 64).shards, 1);
        assert_eq!(Bounds::new(None, Some(1 << 30), 64).shards, 256);
    }
}
