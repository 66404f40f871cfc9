//! The map itself: a thin layer over `quick_cache` that looks up by borrowed key, weighs, and counts evictions.
//! Decides nothing about the entries in it.
//!
//! Entries are the keys of that map, and there are no values: a slot is then a pointer and some bytes, and an
//! entry can be shown where the map compares it, without counting it twice.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::store::{Front, LocalStore, Removal, Usage};
use cache_core::{Entry, KeyRef};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Lifecycle, OptionsBuilder, Weighter};

use crate::builder::{Bounds, MemoryBuilder, Weight, Wishes};
use crate::roster::{Roster, Turn};

/// What an entry takes besides its key's text and its value: the slot in the map, its headers, its stamp, the cells
/// of its scopes. Tables that double are never full, so it is less at most times.
///
/// Measured with a counting allocator; `tests/passing.rs` holds it to the truth.
const OVERHEAD: u64 = 320;

/// Entries that room is made for in advance, some 60 MB; what the system gives is not occupied before it is used.
const RESERVED: usize = 1 << 20;

/// Live values in this process.
///
/// Bounded by entries, by bytes, or by both; what is used least is evicted first (a CLOCK with ghosts,
/// close to S3-FIFO). A hit looks its key up by reference and allocates nothing.
///
/// # Examples
///
/// ```
/// use cache_memory::Memory;
///
/// let memory = Memory::new(100_000);
/// # let _ = memory;
/// ```
pub struct Memory {
    entries: Cache<Held, (), Weight, Prehashed, Evictions>,
    front: Arc<Front>,
    roster: Roster,
    evictions: Evictions,
    weight: Weight,
    wishes: Wishes,
    /// How often entries were reclaimed.
    reclaims: AtomicU64,
}

impl Memory {
    /// A store of at most `max_entries` entries.
    #[must_use]
    pub fn new(max_entries: usize) -> Self {
        Self::builder().max_entries(max_entries).build()
    }

    /// A builder, to bound the store by bytes too.
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder::new()
    }

    pub(crate) fn with(bounds: Bounds, wishes: Wishes) -> Self {
        let Bounds { shards, capacity, entries, weight } = bounds;
        let front = Arc::new(Front::new(entries));
        let evictions = Evictions { count: Arc::default(), front: Arc::clone(&front) };
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity(entries)
            .weight_capacity(capacity)
            .build();
        let expected = entries.min(RESERVED);
        let entries = match options {
            Ok(options) => Cache::with_options(options, weight, Prehashed::default(), evictions.clone()),
            // Only when one of the capacities is missing, and both are there.
            Err(_) => Cache::with(entries, capacity, weight, Prehashed::default(), evictions.clone()),
        };
        // Room for all, and for the evicted keys that are remembered: while a shard grows, its readers wait.
        entries.reserve(expected);
        Self {
            entries,
            front,
            roster: Roster::new(expected, shards),
            evictions,
            weight,
            wishes,
            reclaims: AtomicU64::new(0),
        }
    }

    /// Removes the entry whose turn it is if it is over.
    fn examine(&self, turn: Turn, is_over: &mut dyn FnMut(&Entry) -> Option<Removal>) {
        let (mut stays, mut over) = (false, None);
        let visit: Visit<'_> = &mut |entry| {
            over = is_over(entry).map(|removal| (Arc::clone(entry), removal));
            stays = over.is_none() && entry.enter_round(turn.round);
        };
        self.entries.peek(&Hashed { hash: turn.hash, visit: Cell::new(Some(visit)) });
        if stays {
            self.roster.add(turn.hash);
        }
        if let Some((entry, removal)) = over
            && self.entries.remove(&This(&entry)).is_some()
        {
            self.front.forget(&entry);
            self.tell(&entry, removal);
        }
    }

    fn tell(&self, entry: &Entry, removal: Removal) {
        if let Some(listener) = &self.wishes.listener {
            listener.tell(entry.key(), removal);
        }
    }
}

impl LocalStore for Memory {
    fn read(&self, key: KeyRef<'_>, visit: &mut dyn FnMut(&Arc<Entry>)) {
        self.entries.get(&Asked { key, visit: Cell::new(Some(visit)) });
    }

    fn insert(&self, entry: Arc<Entry>) {
        let hash = entry.key().hash64();
        let mut dropped = Dropped { inserted: Some(hash), ..Dropped::default() };
        self.entries.insert_with_lifecycle(Held(entry), (), &mut dropped);
        if !dropped.replaced {
            self.roster.add(hash);
        }
        if self.wishes.listener.is_some() {
            let evicted = |Held(entry): &&Held| entry.key().hash64() != hash;
            let evicted = dropped.first.iter().chain(&dropped.rest).filter(evicted);
            evicted.for_each(|Held(entry)| self.tell(entry, Removal::Evicted));
        }
    }

    fn remove(&self, key: KeyRef<'_>) {
        self.entries.remove(&Asked { key, visit: Cell::new(Some(&mut |entry| self.front.forget(entry))) });
    }

    fn clear(&self) {
        // One by one, so that no reader waits for more than one entry to go.
        self.entries.drain().for_each(|(Held(entry), ())| self.front.forget(&entry));
        self.roster.clear();
    }

    fn reclaim(&self, limit: usize, is_over: &mut dyn FnMut(&Entry) -> Option<Removal>) {
        // Each time in the list after that of the time before.
        let list = self.reclaims.fetch_add(1, Ordering::Relaxed) << 16;
        for _ in 0..limit {
            let Some(turn) = self.roster.next(list) else { return };
            self.examine(turn, is_over);
        }
    }

    fn is_weighed(&self) -> bool {
        self.weight != Weight::Entry
    }

    fn weigh(&self, value: &dyn Any) -> Option<usize> {
        self.wishes.weighers.weigh(value)
    }

    fn time_to_idle(&self) -> Option<Duration> {
        self.wishes.time_to_idle
    }

    fn front(&self) -> Option<Arc<Front>> {
        Some(Arc::clone(&self.front))
    }

    fn usage(&self) -> Usage {
        let entries = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        let bytes = if self.is_weighed() { self.entries.weight() } else { 0 };
        Usage::new(entries, bytes, self.evictions.count.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("capacity", &self.entries.capacity())
            .field("weight", &self.weight)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

impl Weighter<Held, ()> for Weight {
    fn weight(&self, Held(entry): &Held, (): &()) -> u64 {
        match *self {
            Self::Entry => 1,
            Self::Bytes { at_least } => {
                let text = u64::try_from(entry.key().whole().len()).unwrap_or(u64::MAX);
                (OVERHEAD + entry.weight()).saturating_add(text).max(at_least)
            }
        }
    }
}

/// An entry, as the map knows it: by its key.
struct Held(Arc<Entry>);

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for Held {}

/// A key that is looked up without owning it, and who wants to see what is there.
struct Asked<'a> {
    key: KeyRef<'a>,
    visit: Cell<Option<Visit<'a>>>,
}

type Visit<'a> = &'a mut dyn FnMut(&Arc<Entry>);

/// Whatever entry has this hash.
struct Hashed<'a> {
    hash: u64,
    visit: Cell<Option<Visit<'a>>>,
}

impl Hash for Hashed<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Held> for Hashed<'_> {
    fn equivalent(&self, Held(entry): &Held) -> bool {
        let found = self.hash == entry.key().hash64();
        if found && let Some(visit) = self.visit.take() {
            visit(entry);
        }
        found
    }
}

/// This very entry, and none that took its place.
struct This<'a>(&'a Arc<Entry>);

impl Hash for This<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl Equivalent<Held> for This<'_> {
    fn equivalent(&self, Held(entry): &Held) -> bool {
        Arc::ptr_eq(self.0, entry)
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl Equivalent<Held> for Asked<'_> {
    #[inline]
    fn equivalent(&self, Held(entry): &Held) -> bool {
        let found = self.key.names(entry.key());
        if found && let Some(visit) = self.visit.take() {
            visit(entry);
        }
        found
    }
}

/// Passes on the hash that a key carries with it.
#[derive(Clone, Copy, Default)]
struct Prehashed(u64);

impl BuildHasher for Prehashed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Keys only ever write one u64; whatever else comes is still told apart.
        for &byte in bytes {
            self.0 = (self.0.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517C_C1B7_2722_0A95);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Counts the entries that made room for others, and has the front forget whatever goes.
#[derive(Clone)]
struct Evictions {
    count: Arc<AtomicU64>,
    front: Arc<Front>,
}

/// What an insertion pushed out: dropped after the shard's lock, for a value's `Drop` may take long.
#[derive(Default)]
struct Dropped {
    /// The hash of the key that is being inserted: what goes under it was replaced or refused, not evicted.
    inserted: Option<u64>,
    /// Whether something went under that key.
    replaced: bool,
    /// Nearly always there is one at most, which then needs no allocation.
    first: Option<Held>,
    rest: Vec<Held>,
}

impl Lifecycle<Held, ()> for Evictions {
    type RequestState = Dropped;

    fn on_evict(&self, dropped: &mut Dropped, held: Held, (): ()) {
        // Under the shard's lock, so that nobody finds what was replaced after what took its place.
        self.front.forget(&held.0);
        if dropped.inserted == Some(held.0.key().hash64()) {
            dropped.replaced = true;
        } else {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        if dropped.first.is_none() {
            dropped.first = Some(held);
        } else {
            dropped.rest.push(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use cache_core::store::conformance::entry;

    use super::*;

    #[test]
    fn turns_do_not_pile_up_while_keys_come_and_go() {
        let memory = Memory::new(200);
        let insert = |number: u64| memory.insert(entry(format!("user:{number}"), number, 0));
        (0..100).for_each(insert);
        for number in 0..10_000 {
            // Whoever comes back soon after it went is in the list twice.
            memory.remove(KeyRef::from(format!("user:{}", number % 100).as_str()));
            insert(number % 100);
            memory.reclaim(3, &mut |_| None);
        }
        assert!(memory.roster.len() <= 200, "{} turns for 100 entries", memory.roster.len());
    }
}
