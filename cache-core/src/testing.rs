//! For tests: a history of what happened to a cache, and the question whether it kept its promise.
//!
//! A [`History`] is written down while a test runs, by any number of tasks and threads, and checked when it
//! is over. Nothing here looks into a cache: only what its callers saw counts, so it judges any of them.

mod check;
mod log;
mod notes;
mod timeline;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::key::Key;
use crate::scope::Scope;
use crate::tag::Tag;

pub use crate::random::seeded::seed_chance;
pub use check::{Stale, Summary, Violation};
use log::{Got, Invalidated, Loaded, Log};

/// What happened to a cache: which loads made its values, what was invalidated, and what was read.
///
/// Every value names the load that made it, by a number that is part of the value; loads, invalidations and
/// reads are noted with their start and their end on one clock that no test can pause.
/// [`check`](Self::check) then looks for a read that returned a value although its load had begun before an
/// invalidation that was acknowledged before the read began. That takes time in proportion to `n log n` for
/// `n` notes, and no search.
///
/// Clones write into the same history.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
///
/// use cache_core::Cache;
/// use cache_core::testing::History;
///
/// /// Reads `user:1`, whose value is the number of its load.
/// async fn read(cache: &Cache, history: &History) {
///     let read = history.read("user:1");
///     let Ok(number) = cache
///         .get_or_load("user:1", Duration::from_secs(300), || async {
///             let load = history.load("user:1");
///             Ok::<u64, Infallible>(load.number())
///         })
///         .await;
///     read.returned(number);
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let (cache, history) = (Cache::builder().build(), History::new());
/// read(&cache, &history).await;
///
/// let invalidation = history.invalidation("user:*");
/// cache.invalidate("user:*").await.unwrap();
/// invalidation.acknowledged();
///
/// read(&cache, &history).await;
/// let summary = history.check(Duration::ZERO).unwrap();
/// assert_eq!((summary.loads, summary.invalidations, summary.reads), (2, 1, 2));
/// # });
/// ```
#[derive(Clone)]
pub struct History {
    log: Arc<Log>,
    process: u32,
}

impl History {
    /// An empty history, seen from its first process.
    #[must_use]
    pub fn new() -> Self {
        let log = Arc::new(Log::new());
        Self { process: log.process(), log }
    }

    /// The same history, seen from a process of its own: for a second cache over the same remote store.
    #[must_use]
    pub fn another_process(&self) -> Self {
        Self { log: Arc::clone(&self.log), process: self.log.process() }
    }

    /// The history of one of several real processes: `number`, 1 and up, tells it from the others, and `clock` is one
    /// that all of them read. Their [`notes`](Self::notes) are [put together](Self::add) when they have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cache_core::testing::History;
    ///
    /// # fn clock() -> Duration { std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap() }
    /// let there = History::of_process(2, clock);
    /// let load = there.load("user:1");
    /// let number = load.number();
    /// drop(load);
    /// there.read("user:1").returned(number);
    /// let notes = there.notes().unwrap();
    ///
    /// // in the process that started the others, when they have ended
    /// let all = History::new();
    /// all.add(&notes).unwrap();
    /// assert_eq!(all.check(Duration::ZERO).unwrap().reads, 1);
    /// ```
    #[must_use]
    pub fn of_process(number: u32, clock: fn() -> Duration) -> Self {
        Self { log: Arc::new(Log::of_process(number, clock)), process: number }
    }

    /// All that was noted so far, as text, to be [added](Self::add) to the history of another process.
    ///
    /// Fails if a key, a pattern or a tag cannot be written as JSON, which none of ours does.
    pub fn notes(&self) -> Result<String> {
        notes::write(&self.log)
    }

    /// Adds what another process has noted. Both must have gone by the same clock, and their numbers must differ.
    ///
    /// Fails with [`ErrorKind::Protocol`](crate::ErrorKind::Protocol) if these are no [`notes`](Self::notes).
    pub fn add(&self, notes: &str) -> Result<()> {
        notes::add(&self.log, notes)
    }

    /// Notes that invalidating `tag` invalidates `dependents` too, and what depends on them in turn.
    pub fn depends(&self, tag: impl Into<Tag>, dependents: &[&str]) {
        self.log.depend(tag.into(), dependents.iter().map(|&dependent| dependent.into()).collect());
    }

    /// Notes that a load of `key` begins. To be called as the first thing that the loader does.
    pub fn load(&self, key: impl Into<Key>) -> Load {
        let (number, began) = (self.log.number(), self.log.now());
        Load { history: self.clone(), key: key.into(), number, began, tags: Vec::new(), includes: Vec::new() }
    }

    /// Notes that a value is about to be stored under `key` by hand, in place of whatever is there.
    pub fn write(&self, key: impl Into<Key>) -> Write {
        let key = key.into();
        Write { invalidation: self.invalidation(&key), load: self.load(key) }
    }

    /// Notes that an invalidation of `target` begins.
    pub fn invalidation(&self, target: impl Into<Scope>) -> Invalidation {
        let target = target.into();
        Invalidation { history: self.clone(), target, spared: 0, began: self.log.now() }
    }

    /// Notes that a read of `key` begins.
    pub fn read(&self, key: impl Into<Key>) -> Read {
        let key = key.into();
        Read { history: self.clone(), key, began: self.log.now() }
    }

    /// Checks all that was noted so far: that no read returned a value whose load had begun before an
    /// invalidation that covers it, if that was acknowledged before the read began, or `max_staleness` before
    /// if it was in another process.
    ///
    /// Values that are read before the end of their load was noted count as made by nobody, so check when
    /// everything has ended.
    pub fn check(&self, max_staleness: Duration) -> std::result::Result<Summary, Violation> {
        check::check(&self.log.close(), max_staleness)
    }
}

/// A load that is under way. Dropping it notes its end.
#[derive(Debug)]
#[must_use = "a load lasts until this is dropped"]
pub struct Load {
    history: History,
    key: Key,
    number: u64,
    began: u64,
    tags: Vec<Tag>,
    includes: Vec<u64>,
}

impl Load {
    /// The number that the value carries from now on. Never 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Notes that the value carries `tag`, declared or learned.
    pub fn tag(&mut self, tag: impl Into<Tag>) {
        self.tags.push(tag.into());
    }

    /// Notes that the value is made of one that another load made, and so goes with the tags of that one.
    ///
    /// For invalidations in the same process it is as old as that one. For those of another process it is as
    /// old as this load, so that `max_staleness` counts anew for values made of others.
    pub fn includes(&mut self, number: u64) {
        self.includes.push(number);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let log = &self.history.log;
        let loaded = Loaded {
            number: self.number,
            key: log.name(&self.key),
            began: self.began,
            ended: log.now(),
            tags: std::mem::take(&mut self.tags),
            includes: std::mem::take(&mut self.includes),
        };
        log.page().loads.push(loaded);
    }
}

/// A value that is being stored by hand.
///
/// It invalidates what was under its key, and counts itself as loaded when it ended: whoever writes a value
/// vouches for it.
#[derive(Debug)]
#[must_use = "a write counts once it is acknowledged"]
pub struct Write {
    load: Load,
    invalidation: Invalidation,
}

impl Write {
    /// The number that the value carries. Never 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.load.number
    }

    /// Notes that the value was stored.
    pub fn acknowledged(self) {
        // The end of the load is noted when this is dropped.
        self.invalidation.clone().acknowledged();
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        self.load.began = self.load.history.log.now();
    }
}

/// An invalidation that is under way. It counts once it is acknowledged.
#[derive(Clone, Debug)]
#[must_use = "an invalidation counts once it is acknowledged"]
pub struct Invalidation {
    history: History,
    target: Scope,
    began: u64,
    spared: u64,
}

impl Invalidation {
    /// Does not hold for the value of this load: for a mutation that stores its own result.
    pub fn sparing(self, number: u64) -> Self {
        Self { spared: number, ..self }
    }

    /// Notes that the invalidation was acknowledged.
    pub fn acknowledged(self) {
        self.ended(true);
    }

    /// Notes that it ended with an error of the remote store: from now on it holds in its own process.
    pub fn failed(self) {
        self.ended(false);
    }

    fn ended(self, everywhere: bool) {
        let Self { history, target, began, spared } = self;
        let (log, process) = (&history.log, history.process);
        let ended = log.now();
        log.page().invalidations.push(Invalidated { target, process, everywhere, began, ended, spared });
    }
}

/// A read that is under way. It counts once it has returned a value.
#[derive(Debug)]
#[must_use = "a read counts once it has returned"]
pub struct Read {
    history: History,
    key: Key,
    began: u64,
}

impl Read {
    /// Notes that the read returned the value of the load with this number.
    pub fn returned(self, number: u64) {
        let Self { history, key, began } = self;
        let (log, process) = (&history.log, history.process);
        let (ended, key) = (log.now(), log.name(&key));
        log.page().reads.push(Got { key, process, began, ended, number });
    }

    /// Notes that the read found nothing, which is always right.
    pub fn found_nothing(self) {
        self.history.log.page().nothing += 1;
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("process", &self.process).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
