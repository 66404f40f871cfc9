//! For crates that see where values come from: what a load reads becomes its tags.
//!
//! A load of a function with `tags = auto` is observed. Whoever carries out what it asks of a database says beforehand which
//! tags that stands for, and invalidates them when they change. Outside such a load, nothing here does anything.

use crate::cache::Cache;
use crate::context;
pub use crate::context::RunningLoad;
use crate::tag::Tag;

/// The load that this task is running, if it is.
#[must_use]
pub fn running() -> Option<RunningLoad> {
    context::running()
}

/// Whether what this task reads becomes tags of what it loads for `cache`: whether a function with `tags = auto` is running.
#[must_use]
pub fn is_wanted(cache: &Cache) -> bool {
    context::is_observed(cache.inner().id())
}

/// Says that `table` has rows: with `user:42` goes `user:*`, which whoever reads rows carries that are not told apart, and
/// what [depends](Cache::depends) on `user`.
pub fn table(cache: &Cache, table: &str) {
    cache.inner().dependencies.add_table(table);
}

/// Adds `tags` to the entry that the running load of `cache` is for, if it is observed. Called before the source is
/// asked: what is invalidated from then on keeps the value from being stored.
pub fn reads(cache: &Cache, tags: impl IntoIterator<Item = Tag>) {
    context::observe(cache.inner().id(), tags);
}

/// Keeps what this task is loading from being stored, and from anybody but its caller: it is made of what others must
/// not see, or of what is older than the load.
///
/// In each of the loads, one inside of the other, up to `end`, which is not among them; in all of them without one.
pub fn is_unfit(end: Option<&RunningLoad>) {
    context::unfit(end);
}
