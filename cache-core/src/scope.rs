//! **The rule**: an entry is current iff no scope that covers it has moved since its stamp.
//!
//! A *scope* is a set of keys that is invalidated as one: a key, a prefix, a tag, a glob, everything.
//! Invalidating *moves* the scope, which is a number written in one place however much the scope covers.
//! A [`Stamp`], taken before a load begins, remembers where the scopes of its entry stood. Every road by
//! which a value can reach a caller asks [`Scopes::is_current`], or [`unmoved`] where the positions of the
//! scopes are shared with other processes; nothing else decides it.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::Moment;
use crate::key::{Key, KeyRef, hash_of};
use crate::pattern::{Pattern, Reach};
use crate::sabotage::{Fault, is_planted};
use crate::store::Generation;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, RwLock};
use crate::tag::Tag;

/// How many prefixes of its key, each ending in `:`, an entry is covered by.
///
/// A pattern with more before its `*` is still invalidated exactly, as a glob.
pub(crate) const MAX_LEVELS: usize = 8;

/// How many globs are remembered. Beyond it the oldest is forgotten, at the price of extra misses.
/// A test of schedules has so few that a story of a few steps can fill them.
const MAX_GLOBS: usize = if cfg!(shuttle) { 4 } else { 256 };

/// How many moved tags are remembered for loads that have yet to learn of them. Beyond it, loads that were
/// under way are not stored if they do.
const MAX_MOVED_TAGS: usize = 4096;

/// What an invalidation reaches: a key, a pattern, a tag, or everything.
///
/// Text is a pattern if it holds `*`, else a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// One entry.
    Key(Key),
    /// Every entry whose key matches.
    Pattern(Pattern),
    /// Every entry that carries the tag.
    Tag(Tag),
    /// Every entry of the namespace.
    Everything,
}

/// The prefixes of `key` that are scopes, shortest first: each ends in `:`.
pub(crate) fn levels(key: &str) -> impl Iterator<Item = &str> {
    ends(key.as_bytes()).map(|end| &key[..end])
}

/// The longest of those prefixes; empty if there is none.
pub(crate) fn last_level(key: &[u8]) -> &[u8] {
    &key[..ends(key).last().unwrap_or_default()]
}

/// Where those prefixes end.
fn ends(key: &[u8]) -> impl Iterator<Item = usize> {
    key.iter().zip(1..).filter(|(byte, _)| **byte == b':').map(|(_, end)| end).take(MAX_LEVELS)
}

/// Where the scopes of one cache stand.
///
/// Memory is bounded by what is cached: a cell exists while an entry or a load under it does.
pub(crate) struct Scopes {
    /// The number of the last completed move. Written last, so that whoever reads it sees the move.
    clock: AtomicU64,
    /// Stamps that were not confirmed since this move are not current: how everything moves.
    floor: AtomicU64,
    /// For each scope that covers something, the number of its last move.
    cells: [Mutex<Cells>; SHARDS],
    globs: RwLock<Globs>,
    /// The number of the last move of any glob. Written before the clock, so that whoever reads that sees it.
    last_glob: AtomicU64,
    tags: Mutex<MovedTags>,
    /// One move at a time, so that `clock` never passes a move that is under way.
    moving: Mutex<()>,
    /// Whether stamps have room to note when their entry was asked for.
    notes_use: bool,
}

/// What was known of the covering scopes when a load began, and of which key.
///
/// An entry carries its own: all that a hit asks of it is then in one place.
#[repr(C)]
pub(crate) struct Stamp {
    /// The last move before the load. Of no use in an entry: there it is a word of the entry's own.
    taken: u64,
    /// That of the key, under those of its prefixes.
    cell: Arc<Cell>,
    // What follows is what a hit reads.
    /// The last move up to which the entry is known to be current.
    confirmed: AtomicU64,
    /// Few entries have any: tags, or the moment they were last asked for.
    tags: Option<Arc<Tagged>>,
    key: Key,
}

/// Where one scope stands.
struct Cell {
    /// The number of its last move; 0 before the first.
    moved: AtomicU64,
    /// That of the next shorter prefix, which covers all that this one does.
    wider: Option<Arc<Cell>>,
}

/// The tags of an entry.
struct Tagged {
    tags: Box<[Tag]>,
    cells: Box<[Arc<Cell>]>,
    /// When the entry was last asked for, in nanoseconds: where that matters.
    used: AtomicU64,
}

const SHARDS: usize = 16;

/// The cells of some scopes, by the hash of the scope: two scopes that share a hash move together.
#[derive(Default)]
struct Cells {
    by_scope: HashMap<u64, Weak<Cell>, BuildHasherDefault<Identity>>,
    /// Sweep out unused cells when there are this many.
    sweep_at: usize,
}

/// Tags that moved lately, whether anything carried them or not.
///
/// A load that learns of a tag only from its result has to know whether the tag moved since it began, and at
/// that time nothing may have carried it.
#[derive(Default)]
struct MovedTags {
    cells: HashMap<u64, Arc<Cell>, BuildHasherDefault<Identity>>,
    /// Of moves up to this one nothing is remembered.
    forgotten: u64,
}

/// The globs that moved, each with the number of its last move.
#[derive(Default)]
struct Globs {
    moved: Vec<(Pattern, u64)>,
}

impl Scopes {
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) fn new() -> Self {
        Self::noting_use(false)
    }

    /// If `notes_use`, a stamp knows when its entry was last asked for.
    pub(crate) fn noting_use(notes_use: bool) -> Self {
        Self {
            notes_use,
            clock: AtomicU64::new(1),
            floor: AtomicU64::new(0),
            cells: std::array::from_fn(|_| Mutex::default()),
            globs: RwLock::default(),
            last_glob: AtomicU64::new(0),
            tags: Mutex::default(),
            moving: Mutex::default(),
        }
    }

    /// The stamp of a load of `key` that is about to begin, covered by `tags` too.
    pub(crate) fn stamp(&self, key: &Key, tags: &[Tag]) -> Stamp {
        // Cells before clock: a move that misses a cell not yet there is older than this stamp.
        let (mut cell, mut sound) = (None, true);
        let bytes = key.bytes();
        for id in ends(bytes).map(|end| level_id(&bytes[..end])).chain([key_id(key.borrow())]) {
            let wider = cell;
            let narrower = self.shard(id).lock().cell(id, wider.as_ref());
            // Else another scope has this number, as good as never; what it covers moves with other prefixes.
            sound &= narrower.wider.as_ref().map(Arc::as_ptr) == wider.as_ref().map(Arc::as_ptr);
            cell = Some(narrower);
        }
        let cell = cell.filter(|_| sound).unwrap_or_else(Cell::of_nothing_current);
        let tags = self.tagged(tags.to_vec(), tags.iter().map(|tag| self.cell_of(tag)).collect());
        let taken = self.clock.load(Ordering::Acquire);
        Stamp { key: key.clone(), taken, confirmed: AtomicU64::new(taken), cell, tags }
    }

    /// The stamp of a load that has learned on its way that `tags` cover its entry too.
    ///
    /// Never current, if it is not known any more whether they moved since the load began.
    pub(crate) fn extend(&self, stamp: &Stamp, tags: &[Tag]) -> Stamp {
        let learned = tags.iter().filter(|tag| !stamp.tags().contains(tag));
        let all: Vec<_> = stamp.tags().iter().chain(learned).cloned().collect();
        let known = stamp.tags.iter().flat_map(|tagged| tagged.cells.iter().cloned());
        let new = all.iter().skip(stamp.tags().len()).map(|tag| self.cell_of(tag));
        let mut cells: Vec<_> = known.chain(new).collect();
        // Cells before what is forgotten: a cell that is dropped there is found empty, or held here.
        if self.tags.lock().forgotten > stamp.taken {
            cells.push(Cell::of_nothing_current());
        }
        let taken = if is_planted(Fault::LearnedTagsUnchecked) { self.now() } else { stamp.taken };
        let confirmed = AtomicU64::new(taken);
        Stamp {
            key: stamp.key.clone(),
            taken,
            confirmed,
            cell: Arc::clone(&stamp.cell),
            tags: self.tagged(all, cells),
        }
    }

    /// **The rule.** Whether no scope that covers `key` has moved since `stamp` was taken.
    #[inline]
    pub(crate) fn is_current(&self, stamp: &Stamp, key: KeyRef<'_>) -> bool {
        let clock = self.clock.load(Ordering::Acquire);
        stamp.confirmed.load(Ordering::Relaxed) == clock || self.confirm(stamp, key, clock)
    }

    /// Something moved since the last look: was it one of ours? If not, remember that up to `clock`.
    #[inline(never)]
    fn confirm(&self, stamp: &Stamp, key: KeyRef<'_>, clock: u64) -> bool {
        let confirmed = stamp.confirmed.load(Ordering::Relaxed);
        // The floor last: it rises before a glob is forgotten, so whoever misses the glob sees the floor.
        let moved = stamp.covering().any(|cell| cell.moved.load(Ordering::Acquire) > confirmed)
            || self.glob_moved_since(confirmed, key)
            || confirmed < self.floor.load(Ordering::Acquire);
        if !moved {
            stamp.confirmed.fetch_max(clock, Ordering::Relaxed);
        }
        !moved
    }

    /// Whether a glob that covers `key` has moved since. Where none has moved at all, as nearly always, no lock is taken.
    fn glob_moved_since(&self, confirmed: u64, key: KeyRef<'_>) -> bool {
        self.last_glob.load(Ordering::Acquire) > confirmed && self.globs.read().moved_since(confirmed, key)
    }

    /// Takes `stamp` for current without asking. No part of the protocol: what a planted fault does.
    pub(crate) fn vouch(&self, stamp: &Stamp) {
        stamp.confirmed.fetch_max(self.now(), Ordering::Relaxed);
    }

    /// Moves `scope`: entries and loads under it whose stamp is older stop being current. The number of the move.
    ///
    /// The cost does not depend on how much the scope covers.
    pub(crate) fn advance(&self, scope: &Scope) -> u64 {
        let _one_at_a_time = self.moving.lock();
        self.advance_in_turn(scope)
    }

    /// Moves `key` for a value that takes the place of what is there, and stamps that value.
    ///
    /// No stamp, if a scope that covers the value has moved since `stamp`: it must not be kept.
    pub(crate) fn supersede(&self, stamp: &Stamp, key: &Key) -> Option<Stamp> {
        let _one_at_a_time = self.moving.lock();
        let current = self.is_current(stamp, key.borrow());
        let taken = self.advance_in_turn(&Scope::Key(key.clone()));
        current.then(|| Stamp { taken, confirmed: AtomicU64::new(taken), ..stamp.clone() })
    }

    /// Moves `scope` while no other moves.
    fn advance_in_turn(&self, scope: &Scope) -> u64 {
        let next = self.clock.load(Ordering::Relaxed) + 1;
        match scope {
            Scope::Key(key) => self.advance_cell(key_id(key.borrow()), next),
            Scope::Tag(tag) => {
                let cell = self.cell_of(tag);
                cell.moved.store(next, Ordering::Release);
                self.tags.lock().remember(tag_id(tag), cell, next);
            }
            Scope::Everything => self.floor.store(next, Ordering::Release),
            Scope::Pattern(pattern) => match pattern.reach() {
                Reach::Key(key) => self.advance_cell(key_id(KeyRef::from(key)), next),
                Reach::Level(prefix) => self.advance_cell(level_id(prefix.as_bytes()), next),
                Reach::Everything => self.floor.store(next, Ordering::Release),
                Reach::Glob => {
                    let mut globs = self.globs.write();
                    if let Some(forgotten) = globs.advance(pattern, next) {
                        self.floor.fetch_max(forgotten, Ordering::Release);
                    }
                    self.last_glob.store(next, Ordering::Release);
                }
            },
        }
        self.clock.store(next, Ordering::Release);
        next
    }

    /// The number of the last move.
    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Ordering::Acquire)
    }

    fn advance_cell(&self, id: u64, next: u64) {
        let cell = self.shard(id).lock().by_scope.get(&id).and_then(Weak::upgrade);
        // Without a cell there is neither an entry nor a load that the scope covers.
        if let Some(cell) = cell {
            cell.moved.store(next, Ordering::Release);
        }
    }

    fn tagged(&self, tags: Vec<Tag>, cells: Vec<Arc<Cell>>) -> Option<Arc<Tagged>> {
        let is_needed = self.notes_use || !cells.is_empty();
        is_needed
            .then(|| Arc::new(Tagged { tags: tags.into(), cells: cells.into(), used: AtomicU64::new(0) }))
    }

    fn cell_of(&self, tag: &Tag) -> Arc<Cell> {
        let id = tag_id(tag);
        self.shard(id).lock().cell(id, None)
    }

    fn shard(&self, id: u64) -> &Mutex<Cells> {
        // Not by the highest bits: the maps tell their slots apart by those.
        &self.cells[usize::try_from(id >> 32).unwrap_or_default() % SHARDS]
    }
}

impl Cells {
    /// The cell of a scope, in the next wider one if it has to be made.
    fn cell(&mut self, id: u64, wider: Option<&Arc<Cell>>) -> Arc<Cell> {
        if let Some(cell) = self.by_scope.get(&id).and_then(Weak::upgrade) {
            return cell;
        }
        if self.by_scope.len() >= self.sweep_at {
            self.sweep();
        }
        let cell = Arc::new(Cell { moved: AtomicU64::new(0), wider: wider.cloned() });
        self.by_scope.insert(id, Arc::downgrade(&cell));
        cell
    }

    /// Forgets the cells that nothing uses any more.
    ///
    /// Into a new table: where cells were, an old one keeps marks, and doubles when they fill it.
    fn sweep(&mut self) {
        self.by_scope.retain(|_, cell| cell.strong_count() > 0);
        self.sweep_at = (self.by_scope.len() / 2 * 3).max(64);
        let mut swept = HashMap::with_capacity_and_hasher(self.sweep_at, BuildHasherDefault::default());
        swept.extend(self.by_scope.drain());
        self.by_scope = swept;
    }
}

impl Cell {
    /// Has moved after everything else, so that no stamp with it is current.
    fn of_nothing_current() -> Arc<Self> {
        Arc::new(Self { moved: AtomicU64::new(u64::MAX), wider: None })
    }
}

impl Stamp {
    /// The key of the load.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// The stamp as part of an entry, which keeps `word` in it.
    pub(crate) fn of_an_entry(self, word: u64) -> Self {
        Self { taken: word, ..self }
    }

    /// What an entry keeps in its stamp.
    pub(crate) fn word_of_the_entry(&self) -> u64 {
        self.taken
    }

    /// The last move before it was taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// The cells of all scopes that are known to cover the entry.
    fn covering(&self) -> impl Iterator<Item = &Arc<Cell>> {
        let tagged = self.tags.iter().flat_map(|tagged| tagged.cells.iter());
        std::iter::successors(Some(&self.cell), |cell| cell.wider.as_ref()).chain(tagged)
    }

    /// Whether a caller that came aboard the flight of this stamp after the move `boarded` may have what was
    /// `made` there.
    ///
    /// When it came aboard the flight was current. What was made can be covered by more than was known then,
    /// and that may have moved before: in doubt it did.
    pub(crate) fn lets_share(&self, made: &Self, boarded: u64) -> bool {
        let known = |cell| self.covering().any(|known| Arc::ptr_eq(known, cell));
        boarded == self.taken
            || made.covering().all(|cell| cell.moved.load(Ordering::Acquire) <= self.taken || known(cell))
    }

    /// When the entry was last asked for, to the millisecond; the beginning of time where nobody notes it.
    pub(crate) fn used(&self) -> Moment {
        Moment::from_nanos(self.tags.as_ref().map_or(0, |tagged| tagged.used.load(Ordering::Relaxed)))
    }

    /// Notes that the entry is asked for: once in a millisecond at most, so that readers share the memory.
    pub(crate) fn note_use(&self, now: Moment) {
        if let Some(tagged) = &self.tags
            && now.since(self.used()) >= Duration::from_millis(1)
        {
            tagged.used.store(now.nanos(), Ordering::Relaxed);
        }
    }

    /// Whether the entry carries all of `tags`.
    pub(crate) fn carries(&self, tags: &[Tag]) -> bool {
        tags.iter().all(|tag| self.tags().contains(tag))
    }

    /// The tags of the entry.
    #[inline]
    pub(crate) fn tags(&self) -> &[Tag] {
        self.tags.as_ref().map_or(&[], |tagged| &tagged.tags)
    }
}

impl Clone for Stamp {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            taken: self.taken,
            confirmed: AtomicU64::new(self.confirmed.load(Ordering::Relaxed)),
            cell: Arc::clone(&self.cell),
            tags: self.tags.clone(),
        }
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamp")
            .field("taken", &self.taken)
            .field("tags", &self.tags())
            .finish_non_exhaustive()
    }
}

impl MovedTags {
    fn remember(&mut self, id: u64, cell: Arc<Cell>, number: u64) {
        if self.cells.len() == MAX_MOVED_TAGS {
            self.cells.clear();
            self.forgotten = number - 1;
        }
        self.cells.insert(id, cell);
    }
}

impl Globs {
    /// Notes the move; if a glob had to be forgotten for it, the number of that one's last move.
    fn advance(&mut self, pattern: &Pattern, number: u64) -> Option<u64> {
        if let Some((_, moved)) = self.moved.iter_mut().find(|(known, _)| known == pattern) {
            *moved = number;
            return None;
        }
        self.moved.push((pattern.clone(), number));
        if self.moved.len() <= MAX_GLOBS {
            return None;
        }
        let (oldest, _) = self.moved.iter().enumerate().min_by_key(|(_, (_, moved))| *moved)?;
        Some(self.moved.swap_remove(oldest).1)
    }

    fn moved_since(&self, confirmed: u64, key: KeyRef<'_>) -> bool {
        let key = key.text();
        self.moved.iter().any(|(glob, moved)| *moved > confirmed && glob.matches(&key))
    }
}

/// The rule for scopes whose positions are kept in a remote store: none of `then` has been replaced.
pub(crate) fn unmoved(then: &[[u8; 8]], now: &[Generation]) -> bool {
    then.iter().eq(now.iter().map(|generation| &generation.0))
}

fn key_id(key: KeyRef<'_>) -> u64 {
    key.hash64()
}

fn level_id(prefix: &[u8]) -> u64 {
    hash_of(prefix) ^ 0x9E37_79B9_7F4A_7C15
}

fn tag_id(tag: &Tag) -> u64 {
    hash_of(tag.as_str().as_bytes()) ^ 0xC2B2_AE3D_27D4_EB4F
}

/// Passes on a number that is a hash already.
#[derive(Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only ever given one u64; anything else still hashes, slowly.
        self.0 = hash_of(bytes) ^ self.0.rotate_left(5);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

impl From<Key> for Scope {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}

impl From<&Key> for Scope {
    fn from(key: &Key) -> Self {
        Self::Key(key.clone())
    }
}

impl From<Pattern> for Scope {
    fn from(pattern: Pattern) -> Self {
        Self::Pattern(pattern)
    }
}

impl From<&Pattern> for Scope {
    fn from(pattern: &Pattern) -> Self {
        Self::Pattern(pattern.clone())
    }
}

impl From<Tag> for Scope {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<&Tag> for Scope {
    fn from(tag: &Tag) -> Self {
        Self::Tag(tag.clone())
    }
}

impl From<&str> for Scope {
    fn from(text: &str) -> Self {
        if text.contains('*') { Self::Pattern(text.into()) } else { Self::Key(text.into()) }
    }
}

impl From<String> for Scope {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Scope {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Pattern(pattern) => pattern.fmt(f),
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Everything => f.write_str("*"),
        }
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scopes").field("moves", &self.clock).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
