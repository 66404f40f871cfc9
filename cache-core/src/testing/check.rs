//! The question itself: did a read return a value that an invalidation had overtaken?
//!
//! This is written apart from the rule that caches go by (`scope`), with none of its code, so that a mistake
//! there is not made here as well.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::log::{Closed, Got, Loaded};
use super::timeline::{Span, Timeline};
use crate::key::Key;
use crate::scope::Scope;
use crate::tag::Tag;

/// What a history consists of that was found to be sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Values made, by loads and by hand.
    pub loads: u64,
    /// Loads during which an invalidation that covers them began and was acknowledged.
    pub overtaken: u64,
    /// Invalidations that were acknowledged.
    pub invalidations: u64,
    /// Reads that returned a value.
    pub reads: u64,
    /// Reads that found nothing.
    pub nothing: u64,
}

/// What a history shows that must not happen. Times are since the history was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A read returned a value whose load had begun before an invalidation that the read came after.
    Stale(Box<Stale>),
    /// A read returned the value of a load of another key.
    Misplaced {
        /// The key that was read.
        read: Key,
        /// The key that was loaded.
        loaded: Key,
        /// The number of the load.
        number: u64,
    },
    /// A read returned the number of a load that never was, or has not ended.
    Unknown {
        /// The key that was read.
        key: Key,
        /// The number.
        number: u64,
    },
}

/// A value that was read after it had been invalidated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stale {
    /// The key that was read.
    pub key: Key,
    /// When the read began and ended.
    pub read: (Duration, Duration),
    /// The number of the load whose value was returned.
    pub number: u64,
    /// When that load began, or the load of the value that it was made of.
    pub loaded: Duration,
    /// What was invalidated in between.
    pub scope: Scope,
    /// When that invalidation began, and when it was acknowledged.
    pub invalidated: (Duration, Duration),
    /// How many reads of the history returned values that they should not have.
    pub count: u64,
}

pub(super) fn check(closed: &Closed<'_>, max_staleness: Duration) -> Result<Summary, Violation> {
    let moves = Moves::of(closed);
    let made = Made::of(closed, &moves);
    let patience = u64::try_from(max_staleness.as_nanos()).unwrap_or(u64::MAX);
    let mut summary = Summary {
        loads: closed.loads().count() as u64,
        overtaken: made.by_number.values().filter(|value| value.is_overtaken(&moves)).count() as u64,
        invalidations: closed.invalidations().count() as u64,
        reads: 0,
        nothing: closed.pages.iter().map(|page| page.nothing).sum(),
    };
    let (mut first, mut count): (Option<(&Got, Overtaken)>, u64) = (None, 0);
    for read in closed.reads() {
        summary.reads += 1;
        let key = || closed.keys[read.key.index()].clone();
        let Some(value) = made.by_number.get(&read.number) else {
            return Err(Violation::Unknown { key: key(), number: read.number });
        };
        if value.load.key != read.key {
            let loaded = closed.keys[value.load.key.index()].clone();
            return Err(Violation::Misplaced { read: key(), loaded, number: read.number });
        }
        if let Some(overtaken) = value.overtaken_before(read, patience, &moves) {
            count += 1;
            if first.as_ref().is_none_or(|(first, _)| read.began < first.began) {
                first = Some((read, overtaken));
            }
        }
    }
    let Some((read, Overtaken { by, scope, since })) = first else { return Ok(summary) };
    Err(Violation::Stale(Box::new(Stale {
        key: closed.keys[read.key.index()].clone(),
        read: (Duration::from_nanos(read.began), Duration::from_nanos(read.ended)),
        number: read.number,
        loaded: Duration::from_nanos(since),
        scope: moves.scopes[scope].clone(),
        invalidated: (Duration::from_nanos(by.began), Duration::from_nanos(by.ended)),
        count,
    })))
}

/// The invalidations, by what they cover.
struct Moves {
    /// What was invalidated: each scope once.
    scopes: Vec<Scope>,
    /// For each of `scopes` its invalidations: those that hold everywhere, then those of each process.
    timelines: Vec<Vec<Timeline>>,
    /// Which of `scopes` cover a key, by the place of the key.
    of_key: Vec<Vec<usize>>,
    of_tag: HashMap<Tag, usize>,
}

/// What is known of the values.
struct Made<'c> {
    by_number: HashMap<u64, Value<'c>>,
}

/// A value, and the scopes that cover it, each with the moment since when it counts in the process that reads.
/// For invalidations elsewhere the load itself counts, also of what it is made of: that was no older than the
/// bound when the load used it.
struct Value<'c> {
    load: &'c Loaded,
    covered: Vec<(usize, u64)>,
}

/// An invalidation that a value should not have survived.
struct Overtaken {
    by: Span,
    scope: usize,
    since: u64,
}

impl Moves {
    fn of(closed: &Closed<'_>) -> Self {
        let mut places: HashMap<Scope, usize> = HashMap::new();
        let mut scopes = Vec::new();
        let mut timelines: Vec<Vec<Timeline>> = Vec::new();
        for invalidated in closed.invalidations() {
            let span =
                Span { began: invalidated.began, ended: invalidated.ended, spared: invalidated.spared };
            for scope in with_dependents(&invalidated.target, &closed.edges) {
                let place = *places.entry(scope).or_insert_with_key(|scope| {
                    scopes.push(scope.clone());
                    timelines.push((0..=closed.processes).map(|_| Timeline::default()).collect());
                    scopes.len() - 1
                });
                if invalidated.everywhere {
                    timelines[place][0].push(span);
                }
                timelines[place][invalidated.process as usize].push(span);
            }
        }
        timelines.iter_mut().flatten().for_each(Timeline::seal);
        let by_text = ByText::of(&scopes);
        let of_key = closed.keys.iter().map(|key| by_text.covering(key.whole())).collect();
        let tags = scopes.iter().enumerate().filter_map(|(place, scope)| match scope {
            Scope::Tag(tag) => Some((tag.clone(), place)),
            _ => None,
        });
        Self { of_tag: tags.collect(), scopes, timelines, of_key }
    }
}

/// `target`, and if it is a tag, whatever depends on it.
fn with_dependents(target: &Scope, edges: &BTreeMap<Tag, Vec<Tag>>) -> Vec<Scope> {
    let Scope::Tag(tag) = target else { return vec![target.clone()] };
    let mut reached = vec![tag.clone()];
    let mut at = 0;
    while at < reached.len() {
        for dependent in edges.get(&reached[at]).into_iter().flatten() {
            if !reached.contains(dependent) {
                reached.push(dependent.clone());
            }
        }
        at += 1;
    }
    reached.into_iter().map(Scope::Tag).collect()
}

/// The scopes that are told by a key's text. All but general patterns are looked up, not tried.
#[derive(Default)]
struct ByText<'s> {
    keys: HashMap<&'s str, Vec<usize>>,
    prefixes: HashMap<&'s str, Vec<usize>>,
    patterns: Vec<(Vec<&'s str>, usize)>,
}

impl<'s> ByText<'s> {
    fn of(scopes: &'s [Scope]) -> Self {
        let mut all = Self::default();
        for (place, scope) in scopes.iter().enumerate() {
            match scope {
                Scope::Tag(_) => {}
                Scope::Everything => all.prefixes.entry("").or_default().push(place),
                Scope::Key(key) => all.keys.entry(key.whole()).or_default().push(place),
                Scope::Pattern(pattern) => {
                    let pieces: Vec<_> = pattern.as_str().split('*').collect();
                    match *pieces {
                        [key] => all.keys.entry(key).or_default().push(place),
                        [prefix, ""] => all.prefixes.entry(prefix).or_default().push(place),
                        _ => all.patterns.push((pieces, place)),
                    }
                }
            }
        }
        all
    }

    fn covering(&self, key: &str) -> Vec<usize> {
        let exact = self.keys.get(key);
        let ends = key.char_indices().map(|(at, _)| at).chain([key.len()]);
        let prefixes = ends.filter_map(|end| self.prefixes.get(&key[..end]));
        let patterns = self.patterns.iter().filter(|(pieces, _)| fits(key, pieces)).map(|(_, place)| *place);
        exact.into_iter().chain(prefixes).flatten().copied().chain(patterns).collect()
    }
}

/// Whether `key` consists of `pieces` with anything between them.
fn fits(key: &str, pieces: &[&str]) -> bool {
    let [first, middle @ .., last] = pieces else { return pieces == [key] };
    let Some(mut rest) = key.strip_prefix(first) else { return false };
    for piece in middle {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

impl<'c> Made<'c> {
    fn of(closed: &'c Closed<'_>, moves: &Moves) -> Self {
        let loads: HashMap<u64, &Loaded> = closed.loads().map(|load| (load.number, load)).collect();
        let mut tags = Inherited { loads: &loads, known: HashMap::new() };
        let by_number = loads
            .iter()
            .map(|(&number, &load)| {
                let by_text = moves.of_key[load.key.index()].iter().map(|&scope| (scope, load.began));
                let by_tag = tags.of(number).into_iter().filter_map(|(tag, since)| {
                    let scope = moves.of_tag.get(&tag)?;
                    Some((*scope, since))
                });
                (number, Value { load, covered: by_text.chain(by_tag).collect() })
            })
            .collect();
        Self { by_number }
    }
}

/// The tags of values, with those of the values that they are made of.
struct Inherited<'l> {
    loads: &'l HashMap<u64, &'l Loaded>,
    /// Of values that others are made of.
    known: HashMap<u64, Vec<(Tag, u64)>>,
}

impl Inherited<'_> {
    /// The tags of a value, each with the moment since when it counts.
    fn of(&mut self, number: u64) -> Vec<(Tag, u64)> {
        let Some(load) = self.loads.get(&number) else { return Vec::new() };
        let mut tags: Vec<_> = load.tags.iter().map(|tag| (tag.clone(), load.began)).collect();
        for &part in &load.includes {
            if !self.known.contains_key(&part) {
                // In place first, so that values that claim to be made of each other come to an end.
                self.known.insert(part, Vec::new());
                let inherited = self.of(part);
                self.known.insert(part, inherited);
            }
            tags.extend(self.known[&part].iter().map(|(tag, since)| (tag.clone(), (*since).min(load.began))));
        }
        tags
    }
}

impl Value<'_> {
    /// The first invalidation found that had overtaken this value when `read` began.
    fn overtaken_before(&self, read: &Got, patience: u64, moves: &Moves) -> Option<Overtaken> {
        let elsewhere = read.began.checked_sub(patience);
        self.covered.iter().find_map(|&(scope, since)| {
            let timelines = &moves.timelines[scope];
            let here = timelines[read.process as usize].last_before(read.began, read.number);
            let there = elsewhere.and_then(|moment| timelines[0].last_before(moment, read.number));
            let of = |span: Option<Span>, since| {
                span.filter(|by| since < by.began).map(|by| Overtaken { by, scope, since })
            };
            of(here, since).or_else(|| of(there, self.load.began))
        })
    }

    /// Whether an invalidation began and was acknowledged while the load ran.
    fn is_overtaken(&self, moves: &Moves) -> bool {
        self.covered.iter().any(|&(scope, _)| {
            let last = moves.timelines[scope][0].last_before(self.load.ended, self.load.number);
            last.is_some_and(|span| self.load.began < span.began)
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { loads, overtaken, invalidations, reads, nothing } = self;
        write!(
            f,
            "{reads} values read and {nothing} times none, {loads} loads of which {overtaken} were overtaken, \
             {invalidations} invalidations"
        )
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(stale) => stale.fmt(f),
            Self::Misplaced { read, loaded, number } => {
                write!(f, "a read of `{read}` returned the value of load {number}, which was of `{loaded}`")
            }
            Self::Unknown { key, number } => {
                write!(f, "a read of `{key}` returned the value of load {number}, which never ended")
            }
        }
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, read, number, loaded, scope, invalidated, count } = self;
        write!(
            f,
            "a read of `{key}` from {:?} to {:?} returned the value of load {number} as of {loaded:?}, although \
             `{scope}` was invalidated from {:?} to {:?}; {count} reads were stale",
            read.0, read.1, invalidated.0, invalidated.1
        )
    }
}

impl Error for Violation {}
