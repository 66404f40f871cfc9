//! What a local store holds under a key: a live value with its stamp and its time to live.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::clock::Moment;
use crate::key::Key;
use crate::scope::Stamp;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A value in memory, with what is needed to know whether it may still be served.
///
/// The value's type is known to the function that made it; a store holds it as `Entry`, without its type.
///
/// Whatever a hit asks of it is in place, so that it need not be fetched from elsewhere in memory.
pub struct Entry<V: ?Sized = dyn Any + Send + Sync> {
    stamp: Stamp,
    fresh_until: AtomicU64,
    weight: u32,
    round: AtomicU32,
    value: V,
}

/// Stands for a `None` that is remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absent;

impl<V: Any + Send + Sync> Entry<V> {
    pub(crate) fn new(value: V, stamp: Arc<Stamp>, fresh_until: Moment, weight: usize) -> Self {
        Self {
            stamp: Arc::unwrap_or_clone(stamp),
            fresh_until: AtomicU64::new(fresh_until.nanos()),
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
            round: AtomicU32::new(0),
            value,
        }
    }
}

impl Entry {
    /// The value as a `V`: nothing if it is of another type.
    pub(crate) fn value<V: Any>(&self) -> Option<&V> {
        self.value.downcast_ref()
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

    /// Notes that the entry was found to have outlived its time; whether this is the first to notice.
    pub(crate) fn expire(&self) -> bool {
        self.fresh_until.swap(0, Ordering::Relaxed) != 0
    }

    pub(crate) fn set_fresh_until(&self, moment: Moment) {
        self.fresh_until.store(moment.nanos(), Ordering::Relaxed);
    }

    /// Notes that a store has looked at the entry in this round of its own; whether it had not before.
    ///
    /// For stores that look at all of theirs in turn. Before its first round an entry is in round 0.
    pub fn enter_round(&self, round: u32) -> bool {
        self.round.swap(round, Ordering::Relaxed) != round
    }

    /// An estimate of the bytes that the value occupies; 0 where the store asks for no weights.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }
}

impl<V: ?Sized> fmt::Debug for Entry<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("stamp", &self.stamp)
            .field("fresh_until", &self.fresh_until())
            .field("weight", &self.weight)
            .finish_non_exhaustive()
    }
}
