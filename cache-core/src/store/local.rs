//! The contract of a store that holds live values in this process.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::entry::Entry;
use crate::key::KeyRef;
use crate::store::Front;

/// A bounded map from keys to live entries, in this process.
///
/// # Contract
///
/// - A read sees the last entry inserted under the key, or nothing: the store may drop any entry at any
///   time, and never answers with one that was removed or replaced before the read began.
/// - `read` takes no lock that it holds while it waits for anything, and does not allocate. It may call `visit`
///   under a lock: `visit` does not call the store, and runs nothing that others have written.
/// - Nothing is decided here: freshness and invalidation are asked by the caller, of the entry.
/// - Every method may be called from many threads at once, and none blocks for longer than a short
///   critical section.
///
/// `cache_core::store::conformance::local` (feature `conformance`) checks an implementation.
pub trait LocalStore: fmt::Debug + Send + Sync + 'static {
    /// Shows the entry under `key` to `visit`, if there is one.
    fn read(&self, key: KeyRef<'_>, visit: &mut dyn FnMut(&Arc<Entry>));

    /// Stores `entry` under [its key](Entry::key), in place of what was there.
    fn insert(&self, entry: Arc<Entry>);

    /// Removes the entry under `key`.
    fn remove(&self, key: KeyRef<'_>);

    /// Removes every entry.
    fn clear(&self);

    /// Whether the store is bounded by bytes, so that entries should be [weighed](Entry::weight).
    fn is_weighed(&self) -> bool;

    /// The bytes that `value` occupies, with what it owns, if the store knows that better than the usual estimate:
    /// its size and that of its JSON.
    fn weigh(&self, value: &dyn Any) -> Option<usize> {
        let _ = value;
        None
    }

    /// How long an entry may go without being asked for. Its cache sees to that, and asks once.
    fn time_to_idle(&self) -> Option<Duration> {
        None
    }

    /// Looks at `limit` entries, others each time, and removes those for which `is_over` says why.
    ///
    /// Called with every insertion, so that what nobody can be given any more does not take up room until
    /// something else needs it. `is_over` may be called under a lock. A store need not do anything.
    fn reclaim(&self, limit: usize, is_over: &mut dyn FnMut(&Entry) -> Option<Removal>) {
        let _ = (limit, is_over);
    }

    /// What stands in front of the store, if anything does: its cache asks that first. See there what the store
    /// promises with it.
    fn front(&self) -> Option<Arc<Front>> {
        None
    }

    /// How full the store is, and what it had to evict so far.
    fn usage(&self) -> Usage;
}

/// Why a store has let an entry go that nothing took the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// Others needed its room.
    Evicted,
    /// It had outlived its time, or nobody had asked for it for too long.
    Expired,
    /// It was invalidated.
    Invalidated,
}

/// How full a [`LocalStore`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Entries held, those included that have expired or were invalidated and not yet reclaimed.
    pub entries: u64,
    /// Bytes held, as far as entries are weighed.
    pub bytes: u64,
    /// Entries dropped to make room, since the start.
    pub evictions: u64,
}

impl Usage {
    /// The usage of a store.
    #[must_use]
    pub fn new(entries: u64, bytes: u64, evictions: u64) -> Self {
        Self { entries, bytes, evictions }
    }
}
