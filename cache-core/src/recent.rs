//! The last invalidations of a cache, for whoever watches it. Nothing is decided by them.
//!
//! They are shown as the templates that they can reach: a key shows its arguments. Which these are is found out when
//! somebody asks, and not while something waits for the invalidation.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use crate::cache::Cache;
use crate::check::reached_by;
use crate::clock::{self, Moment};
use crate::scope::Scope;

/// How many are kept.
const KEPT: usize = 32;
/// How many scopes of one are kept.
const SCOPES: usize = 8;

/// An invalidation that a cache has carried out: see [`Cache::recent_invalidations`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalidated {
    /// How long ago that was.
    pub age: Duration,
    /// Who asked for it.
    pub source: Source,
    /// How many keys, patterns and tags it named, dependent tags included.
    pub scopes: usize,
    /// The templates of the declared keys that the first eight of them can reach.
    pub reached: Vec<&'static str>,
}

/// Who asked for an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// This process.
    Here,
    /// Another process, as the log of the remote store says.
    Elsewhere,
}

/// The last invalidations, the newest in front.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    kept: Mutex<VecDeque<Note>>,
}

#[derive(Debug)]
struct Note {
    at: Moment,
    source: Source,
    count: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Scopes(Vec<Scope>),
    Reached(Vec<&'static str>),
}

impl Recent {
    pub(crate) fn note(&self, source: Source, scopes: &[Scope]) {
        let what = What::Scopes(scopes.iter().take(SCOPES).cloned().collect());
        let note = Note { at: clock::now(), source, count: scopes.len(), what };
        let mut kept = self.kept.lock();
        kept.truncate(KEPT - 1);
        kept.push_front(note);
    }
}

impl Cache {
    /// The last 32 invalidations that this process has carried out, the newest first: its own, and those that it heard of
    /// from others.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn example(cache: &cache_core::Cache) -> cache_core::Result<()> {
    /// cache.invalidate("user:42").await?;
    /// assert_eq!(cache.recent_invalidations().len(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn recent_invalidations(&self) -> Vec<Invalidated> {
        let now = clock::now();
        let shown = |note: &mut Note| {
            let age = now.since(note.at);
            Invalidated {
                age,
                source: note.source,
                scopes: note.count,
                reached: note.what.reached().to_vec(),
            }
        };
        self.inner().recent.kept.lock().iter_mut().map(shown).collect()
    }

    /// The templates of the declared keys that invalidating `target` can reach, dependent tags included, each once.
    ///
    /// Tags that a load adds by itself are not declared, and what only they reach is not found.
    #[must_use]
    pub fn reached_by(&self, target: impl Into<Scope>) -> Vec<&'static str> {
        let scopes = self.inner().with_dependents(vec![target.into()]);
        templates(&scopes)
    }
}

impl What {
    fn reached(&mut self) -> &[&'static str] {
        if let Self::Scopes(scopes) = self {
            *self = Self::Reached(templates(scopes));
        }
        match self {
            Self::Reached(reached) => reached,
            Self::Scopes(_) => &[],
        }
    }
}

fn templates(scopes: &[Scope]) -> Vec<&'static str> {
    let mut reached: Vec<_> = scopes.iter().flat_map(reached_by).collect();
    reached.sort_unstable();
    reached.dedup();
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_and_the_oldest_are_forgotten() {
        let recent = Recent::default();
        for number in 0..2 * KEPT {
            recent.note(Source::Here, &vec![Scope::from("a"); number]);
        }
        let kept = recent.kept.lock();
        let counts: Vec<_> = kept.iter().map(|note| note.count).collect();
        assert_eq!(counts, (KEPT..2 * KEPT).rev().collect::<Vec<_>>());
        assert!(
            kept.iter().all(|note| matches!(&note.what, What::Scopes(scopes) if scopes.len() == SCOPES)),
            "and a long one is kept in part"
        );
    }
}
