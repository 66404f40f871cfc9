//! The entries that are asked for most, where each thread finds them without touching what other threads touch: a lock
//! that all readers of a store share is memory that their processors pull from each other at every hit.
//!
//! Holds pointers to entries that the store behind it holds too, and decides nothing about them: whoever finds an
//! entry here asks the rule as ever.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::entry::Entry;
use crate::key::KeyRef;
use crate::place;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Slots of one thread, at most: 32 KiB.
const MOST_SLOTS: usize = 512;
/// A thread has a slot for so many entries of the store.
const ENTRIES_PER_SLOT: usize = 8;
/// No slot has more votes. With so many, one question in [`SEEN_BY_STORE`] goes to the store.
const MOST_VOTES: u32 = 95;
const SEEN_BY_STORE: u32 = 64;

/// What stands in front of a [`LocalStore`](super::LocalStore): for each thread pointers to the entries that it asks
/// for most, so that a hit of one of them writes nothing that other threads read or write.
///
/// A store that has one shows it with [`LocalStore::front`](super::LocalStore::front), and its cache then asks that
/// first. Now and then it asks the store all the same, which so learns what is in use. The store keeps two promises:
///
/// - It calls the visitor of a read under a lock that it also takes to let an entry go.
/// - It calls [`forget`](Self::forget) with each entry that it lets go; with one that another takes the place of,
///   before that other can be seen.
pub struct Front {
    /// By the place of the thread.
    desks: [OnceLock<Box<[Slot]>>; place::PLACES],
    /// A power of two.
    slots: usize,
}

/// Room for one of the entries whose hashes lead here: one that is asked for more often than the others together.
#[derive(Default)]
#[repr(align(64))]
struct Slot {
    /// The hash of the key that has the slot, if it has votes.
    hash: AtomicU64,
    /// Each question for that key is a vote more, each for another key one less; at none the next one has the slot.
    votes: AtomicU32,
    kept: Mutex<Option<Kept>>,
}

/// An entry that is kept.
pub(crate) struct Kept {
    entry: Arc<Entry>,
    /// The same, for who looks at it without the lock: its count is this thread's alone.
    own: Arc<Arc<Entry>>,
}

/// An entry that was found in front, and the lock of its slot.
pub(crate) struct InFront<'f>(MutexGuard<'f, Option<Kept>>);

/// What to do where nothing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskStore {
    /// Ask the store.
    Only,
    /// Ask the store, and [keep](Front::keep) what it has.
    AndKeep,
}

impl Front {
    /// For a store of about so many entries. Takes next to no room before threads ask: then up to 32 KiB for each.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        let slots = (entries / ENTRIES_PER_SLOT).clamp(1, MOST_SLOTS);
        Self { desks: Default::default(), slots: 1 << slots.ilog2() }
    }

    /// Forgets `entry`: when this returns, nobody is shown it here any more.
    pub fn forget(&self, entry: &Entry) {
        if !entry.was_kept() {
            return;
        }
        for desk in &self.desks {
            let Some(slot) = self.slot(desk, entry.key().hash64()) else { continue };
            let mut kept = slot.kept.lock();
            let forgotten = kept.take_if(|kept| std::ptr::addr_eq(Arc::as_ptr(&kept.entry), entry));
            drop(kept);
            // The store has it still, so nothing of the value's is dropped here.
            drop(forgotten);
        }
    }

    /// This thread's entry under `key`.
    ///
    /// What is returned holds a lock that other threads hardly ever take: what is done meanwhile must be short, and
    /// the cache's own.
    #[inline]
    pub(crate) fn read(&self, key: KeyRef<'_>) -> Result<InFront<'_>, AskStore> {
        let hash = key.hash64();
        // A thread without a place has kept nothing yet.
        let desk = self.desks.get(place::settled());
        let Some(slot) = desk.and_then(|desk| self.slot(desk, hash)) else { return Err(AskStore::AndKeep) };
        // Hardly any threads share a desk, so a vote may get lost.
        let votes = slot.votes.load(Ordering::Relaxed);
        if slot.hash.load(Ordering::Relaxed) != hash {
            if votes == 0 {
                slot.hash.store(hash, Ordering::Relaxed);
            }
            slot.votes.store(votes.checked_sub(1).unwrap_or(1), Ordering::Relaxed);
            return Err(AskStore::Only);
        }
        if votes == MOST_VOTES {
            slot.votes.store(MOST_VOTES - SEEN_BY_STORE, Ordering::Relaxed);
            return Err(AskStore::Only);
        }
        slot.votes.store(votes + 1, Ordering::Relaxed);
        let found = InFront(slot.kept.lock());
        if found.entry().is_some_and(|entry| key.names(entry.key())) {
            Ok(found)
        } else {
            Err(AskStore::AndKeep)
        }
    }

    /// Keeps `entry` for this thread. Called by a visitor, under the store's lock; what was kept before is to be
    /// dropped where no lock is held.
    #[cold]
    pub(crate) fn keep(&self, entry: &Arc<Entry>) -> Option<Kept> {
        let slots = || (0..self.slots).map(|_| Slot::default()).collect();
        let desk = self.desks.get(place::place());
        let slot = desk.and_then(|desk| {
            desk.get_or_init(slots);
            self.slot(desk, entry.key().hash64())
        })?;
        let kept = Kept { entry: Arc::clone(entry), own: Arc::new(Arc::clone(entry)) };
        entry.note_kept();
        slot.hash.store(entry.key().hash64(), Ordering::Relaxed);
        slot.kept.lock().replace(kept)
    }

    #[inline]
    fn slot<'d>(&self, desk: &'d OnceLock<Box<[Slot]>>, hash: u64) -> Option<&'d Slot> {
        // Any bits will do.
        let number = usize::try_from(hash >> 20).unwrap_or_default() & (self.slots - 1);
        desk.get()?.get(number)
    }
}

impl InFront<'_> {
    #[inline]
    pub(crate) fn entry(&self) -> Option<&Arc<Entry>> {
        self.0.as_ref().map(|kept| &kept.entry)
    }

    /// The entry, for who looks at it without the lock.
    #[inline]
    pub(crate) fn unlocked(&self) -> Option<Arc<Arc<Entry>>> {
        self.0.as_ref().map(|kept| Arc::clone(&kept.own))
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let desks = self.desks.iter().filter(|desk| desk.get().is_some()).count();
        f.debug_struct("Front").field("desks", &desks).field("slots", &self.slots).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::entry::Until;
    use crate::key::Key;
    use crate::scope::Scopes;

    fn entry(key: &str, value: u64) -> Arc<Entry> {
        let stamp = Scopes::new().stamp(&Key::from(key), &[]);
        let never = Moment::from_nanos(u64::MAX);
        Arc::new(Entry::new(value, Arc::new(stamp), Until { fresh: never, trusted: never }, 0))
    }

    fn read(front: &Front, key: &str) -> Result<Option<u64>, AskStore> {
        front.read(KeyRef::from(key)).map(|found| found.entry()?.value::<u64>().copied())
    }

    #[test]
    fn what_is_asked_for_again_is_kept_and_what_is_not_in_use_gives_way() {
        // With one slot, every key wants it.
        let front = Front::new(1);
        let (one, two) = (entry("one", 1), entry("two", 2));
        assert_eq!(read(&front, "one"), Err(AskStore::AndKeep), "the first question of a thread");
        assert!(front.keep(&one).is_none());
        for _ in 0..10 {
            assert_eq!(read(&front, "one"), Ok(Some(1)));
        }
        for _ in 0..10 {
            assert_eq!(read(&front, "two"), Err(AskStore::Only), "`one` has more votes");
        }
        assert_eq!(read(&front, "two"), Err(AskStore::Only), "it has the slot now");
        assert_eq!(read(&front, "two"), Err(AskStore::AndKeep));
        assert!(front.keep(&two).is_some(), "what was there is given back");
        assert_eq!(read(&front, "two"), Ok(Some(2)));
        assert_ne!(read(&front, "one"), Ok(Some(1)));
    }

    #[test]
    fn the_store_sees_now_and_then_what_is_in_use() {
        let front = Front::new(1);
        let (mut seen, asked) = (0, 10 * SEEN_BY_STORE);
        let one = entry("one", 1);
        front.keep(&one);
        for _ in 0..asked {
            seen += u32::from(read(&front, "one").is_err());
        }
        assert!((8..=10).contains(&seen), "{seen} of {asked}");
    }

    #[test]
    fn what_is_forgotten_is_gone_for_every_thread_and_nothing_else_is() {
        let front = Front::new(1_000);
        let (old, new) = (entry("one", 1), entry("one", 2));
        front.keep(&old);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                front.keep(&old);
                assert_eq!(read(&front, "one"), Ok(Some(1)));
            });
            other.join().unwrap();
        });
        assert_eq!(Arc::strong_count(&old), 5, "here, and twice for each thread");
        front.forget(&new);
        assert_eq!(read(&front, "one"), Ok(Some(1)), "another entry of the same key");
        front.forget(&old);
        assert_eq!(read(&front, "one"), Err(AskStore::AndKeep));
        assert_eq!(Arc::strong_count(&old), 1);
    }

    #[test]
    fn an_entry_that_was_found_outlives_its_being_forgotten() {
        let front = Front::new(1);
        let one = entry("one", 1);
        front.keep(&one);
        let found = front.read(KeyRef::from("one")).ok().and_then(|found| found.unlocked());
        front.forget(&one);
        drop(one);
        assert_eq!(found.and_then(|entry| entry.value::<u64>().copied()), Some(1));
    }

    #[test]
    fn there_are_no_more_slots_than_a_store_has_use_for() {
        for (entries, slots) in [(0, 1), (1, 1), (100, 8), (10_000, 512), (1 << 20, 512)] {
            assert_eq!(Front::new(entries).slots, slots, "{entries}");
        }
    }
}
