//! Where a history is written down: by many threads at once, without waiting for each other.
//! What the notes mean is not known here.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::key::Key;
use crate::scope::Scope;
use crate::tag::Tag;

/// Pages that threads write on; threads beyond that share.
const PAGES: usize = 16;

/// All notes, and the clock that they are taken by.
pub(super) struct Log {
    clock: Clock,
    /// The last moment that was given out.
    last: AtomicU64,
    numbers: AtomicU64,
    processes: AtomicU32,
    names: RwLock<Names>,
    edges: Mutex<BTreeMap<Tag, Vec<Tag>>>,
    pages: [Mutex<Page>; PAGES],
}

/// What the notes are timed by.
enum Clock {
    /// The time since the log was opened.
    Own(Instant),
    /// A clock that other processes read too.
    Shared(fn() -> Duration),
}

/// The notes of some threads.
#[derive(Default)]
pub(super) struct Page {
    pub(super) loads: Vec<Loaded>,
    pub(super) invalidations: Vec<Invalidated>,
    pub(super) reads: Vec<Got>,
    pub(super) nothing: u64,
}

/// A key, by the order in which keys were first noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name(u32);

#[derive(Default)]
struct Names {
    by_key: HashMap<Key, Name>,
    keys: Vec<Key>,
}

pub(super) struct Loaded {
    pub(super) number: u64,
    pub(super) key: Name,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) tags: Vec<Tag>,
    pub(super) includes: Vec<u64>,
}

pub(super) struct Invalidated {
    pub(super) target: Scope,
    pub(super) process: u32,
    /// Whether it holds in other processes too.
    pub(super) everywhere: bool,
    pub(super) began: u64,
    pub(super) ended: u64,
    /// The number of the load that it does not hold for, or 0.
    pub(super) spared: u64,
}

pub(super) struct Got {
    pub(super) key: Name,
    pub(super) process: u32,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) number: u64,
}

/// All notes, with nobody writing.
pub(super) struct Closed<'l> {
    pub(super) pages: Vec<MutexGuard<'l, Page>>,
    pub(super) keys: Vec<Key>,
    pub(super) edges: BTreeMap<Tag, Vec<Tag>>,
    pub(super) processes: u32,
}

impl Log {
    #[expect(clippy::disallowed_methods, reason = "the order of the notes must not stop with a paused clock")]
    pub(super) fn new() -> Self {
        Self::timed_by(Clock::Own(Instant::now()), 0)
    }

    /// The log of one of several processes, whose numbers begin with its own.
    pub(super) fn of_process(process: u32, clock: fn() -> Duration) -> Self {
        let log = Self::timed_by(Clock::Shared(clock), u64::from(process) << 40);
        log.at_least(process);
        log
    }

    fn timed_by(clock: Clock, numbers: u64) -> Self {
        Self {
            clock,
            last: AtomicU64::new(0),
            numbers: AtomicU64::new(numbers),
            processes: AtomicU32::new(0),
            names: RwLock::default(),
            edges: Mutex::default(),
            pages: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Nanoseconds by the clock, or a few more: no two moments of this process are the same.
    pub(super) fn now(&self) -> u64 {
        let now = match self.clock {
            Clock::Own(opened) => opened.elapsed(),
            Clock::Shared(now) => now(),
        };
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let last = self.last.fetch_max(now, Ordering::AcqRel);
        if last < now { now } else { self.last.fetch_add(1, Ordering::AcqRel) + 1 }
    }

    /// The number of a new load: 1 and up.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of a new process: 1 and up.
    pub(super) fn process(&self) -> u32 {
        self.processes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// There are so many processes, or more.
    pub(super) fn at_least(&self, processes: u32) {
        self.processes.fetch_max(processes, Ordering::Relaxed);
    }

    pub(super) fn name(&self, key: &Key) -> Name {
        if let Some(name) = self.names.read().by_key.get(key) {
            return *name;
        }
        let mut names = self.names.write();
        if let Some(name) = names.by_key.get(key) {
            return *name;
        }
        let name = Name(u32::try_from(names.keys.len()).unwrap_or(u32::MAX));
        names.by_key.insert(key.clone(), name);
        names.keys.push(key.clone());
        name
    }

    pub(super) fn depend(&self, tag: Tag, dependents: Vec<Tag>) {
        self.edges.lock().entry(tag).or_default().extend(dependents);
    }

    /// The page of this thread.
    pub(super) fn page(&self) -> MutexGuard<'_, Page> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        self.pages[THREAD.with(|thread| *thread) % PAGES].lock()
    }

    pub(super) fn close(&self) -> Closed<'_> {
        Closed {
            pages: self.pages.iter().map(Mutex::lock).collect(),
            keys: self.names.read().keys.clone(),
            edges: self.edges.lock().clone(),
            processes: self.processes.load(Ordering::Relaxed),
        }
    }
}

impl Name {
    /// The place of the key among all.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Closed<'_> {
    pub(super) fn loads(&self) -> impl Iterator<Item = &Loaded> {
        self.pages.iter().flat_map(|page| &page.loads)
    }

    pub(super) fn invalidations(&self) -> impl Iterator<Item = &Invalidated> {
        self.pages.iter().flat_map(|page| &page.invalidations)
    }

    pub(super) fn reads(&self) -> impl Iterator<Item = &Got> {
        self.pages.iter().flat_map(|page| &page.reads)
    }
}
