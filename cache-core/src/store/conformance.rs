//! The contracts of the store traits as suites of checks, for whoever implements one.
//! Only what is written in a contract is checked here; how a store keeps its promises is its own affair.

mod local;
mod remote;

use std::any::Any;
use std::hint::black_box;
use std::sync::Arc;

pub use local::local;
pub use remote::remote;

use crate::cache::Cache;
use crate::clock::Moment;
use crate::entry::{Entry, Until};
use crate::key::{Key, KeyRef};
use crate::scope::Scopes;
use crate::site::BY_HAND;

/// An entry that holds `value`, for a store to keep under `key`.
///
/// # Examples
///
/// ```
/// use cache_core::store::conformance::{entry, value};
///
/// let kept = entry("seven", 7_u64, 8);
/// assert_eq!(value::<u64>(&kept), Some(&7));
/// assert_eq!(kept.weight(), 8);
/// ```
#[must_use]
pub fn entry<V: Any + Send + Sync>(key: impl Into<Key>, value: V, weight: usize) -> Arc<Entry> {
    let stamp = Scopes::new().stamp(&key.into(), &[]);
    let never = Moment::from_nanos(u64::MAX);
    Arc::new(Entry::new(value, Arc::new(stamp), Until { fresh: never, trusted: never }, weight))
}

/// Has every hit from here on take this moment for the time, as if the clock of a busy process had just ticked.
///
/// For programs whose instructions are counted: a tool that counts slows them down until they pass for idle, and then
/// each hit asks the system for the time. Nothing expires any more that has not by now.
///
/// # Examples
///
/// ```
/// cache_core::store::conformance::hold_the_clock();
/// ```
pub fn hold_the_clock() {
    crate::clock::hold();
}

/// Asks the rule and the clock about what is under `key`, and counts a hit, so many `times`: how often it may be served.
///
/// That is what a hit does besides finding its entry and giving it away. For measuring it.
///
/// # Examples
///
/// ```
/// use cache_core::Cache;
/// use cache_core::store::conformance::ask;
///
/// assert_eq!(ask(&Cache::builder().build(), "user:42", 10), 0, "there is nothing under it");
/// ```
#[must_use]
pub fn ask(cache: &Cache, key: &str, times: u32) -> u32 {
    let (cache, key) = (cache.inner(), KeyRef::from(key));
    let entry = cache.peek(key, |entry| Some(Arc::clone(entry)));
    let served = |entry: &Arc<Entry>| {
        let may = |_: &u32| {
            let may = black_box(cache).may_serve(black_box(entry), key);
            if may {
                cache.tally(&BY_HAND).hit();
            }
            may
        };
        (0..times).filter(may).count()
    };
    entry.as_ref().map(served).and_then(|times| u32::try_from(times).ok()).unwrap_or_default()
}

/// The value that `entry` holds, if it is a `V`.
#[must_use]
pub fn value<V: Any>(entry: &Entry) -> Option<&V> {
    entry.value()
}
