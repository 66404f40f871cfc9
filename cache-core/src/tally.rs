//! The live counters behind [`Stats`](crate::Stats), kept so that threads do not get in each other's way.
//!
//! Each function has a tally in each cache that it was called through, and so have the calls by hand. A cache adds nothing
//! up before it is asked. Where a thread has its place is in `place`.

use std::array;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use once_cell::race::OnceBox;

use crate::cache::Inner;
use crate::clock::{self, Moment};
use crate::foreseen::Foreseen;
use crate::histogram::Times;
use crate::outcome::{self, Outcome};
use crate::place::{OWNED, PLACES, place, settled};
use crate::site::Site;

/// What is counted of a function, in a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    LocalHits,
    RemoteHits,
    StaleHits,
    Misses,
    Loads,
    LoadErrors,
    Refreshes,
    Joins,
    Stores,
}

const COUNTS: usize = Count::Stores as usize + 1;

/// One in so many local hits of a thread is timed: to ask for the time can cost as much as half a hit. A power of two.
const TIMED: u64 = 1024;

/// One in so many hits in the remote store of a thread is timed, where that store is the only one. A power of two.
const REMOTE_TIMED: u64 = 8;

/// Numbers that threads add to without touching each other's cache lines.
pub(crate) struct Counts<const N: usize> {
    cells: [Cells<N>; PLACES],
}

/// The numbers of one place, alone on their pairs of cache lines.
#[repr(align(128))]
struct Cells<const N: usize>([AtomicU64; N]);

impl<const N: usize> Counts<N> {
    /// Adds to one of the numbers; what it is now in the place of this thread.
    #[inline]
    pub(crate) fn add(&self, which: usize, amount: u64) -> u64 {
        let place = settled();
        match self.cells.get(place).and_then(|Cells(counts)| counts.get(which)) {
            // Nobody else writes here.
            Some(count) if place < OWNED => {
                let sum = count.load(Ordering::Relaxed) + amount;
                count.store(sum, Ordering::Relaxed);
                sum
            }
            _ => self.add_beside_others(which, amount),
        }
    }

    #[cold]
    fn add_beside_others(&self, which: usize, amount: u64) -> u64 {
        let count = self.cells.get(place()).and_then(|Cells(counts)| counts.get(which));
        count.map_or(1, |count| count.fetch_add(amount, Ordering::Relaxed) + amount)
    }

    pub(crate) fn get(&self, which: usize) -> u64 {
        let counts = self.cells.iter().filter_map(|Cells(counts)| counts.get(which));
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self { cells: array::from_fn(|_| Cells(array::from_fn(|_| AtomicU64::new(0)))) }
    }
}

impl<const N: usize> fmt::Debug for Counts<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..N).map(|which| self.get(which))).finish()
    }
}

/// A single number.
#[derive(Debug, Default)]
pub(crate) struct Counter(Counts<1>);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, amount: u64) {
        self.0.add(0, amount);
    }

    #[inline]
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.get(0)
    }
}

/// What one function, or what calls by hand, have done in one cache.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: Counts<COUNTS>,
    /// Whether looks that begin now are timed.
    is_timing: AtomicBool,
    /// Of hits in this process, those that are timed.
    pub(crate) local_times: Times,
    pub(crate) remote_times: Times,
    pub(crate) load_times: Times,
    /// Of a function with `tags = auto`.
    pub(crate) foreseen: Foreseen,
}

impl Default for Tally {
    fn default() -> Self {
        let [local_times, remote_times, load_times] = array::from_fn(|_| Times::default());
        let foreseen = Foreseen::default();
        Self {
            counts: Counts::default(),
            is_timing: AtomicBool::new(false),
            local_times,
            remote_times,
            load_times,
            foreseen,
        }
    }
}

impl Tally {
    pub(crate) fn add(&self, count: Count, amount: u64) {
        self.counts.add(count as usize, amount);
    }

    pub(crate) fn increment(&self, count: Count) {
        self.add(count, 1);
    }

    pub(crate) fn get(&self, count: Count) -> u64 {
        self.counts.get(count as usize)
    }

    /// A look at what this process has begins. It may be one that is timed.
    #[inline]
    pub(crate) fn begin(&self) {
        if self.is_timing.load(Ordering::Relaxed) {
            self.note_the_time();
        }
    }

    /// It has ended with a hit.
    #[inline]
    pub(crate) fn hit(&self) {
        // Of a thread's hits the first is timed, and those that come next after so many.
        let hits = self.counts.add(Count::LocalHits as usize, 1);
        if hits & (TIMED - 2) == 0 {
            self.time(hits & 1 == 0);
        }
        outcome::note(Outcome::LocalHit);
    }

    /// A value was stored in this process.
    pub(crate) fn stored(&self) {
        self.increment(Count::Stores);
        // The first hit is timed. Where nothing is stored there is none, and no need to ask for the time.
        if self.counts.add(Count::LocalHits as usize, 0) == 0 {
            self.is_timing.store(true, Ordering::Relaxed);
        }
    }

    /// Counts a hit in this process that was not found at once, and so tells nothing of how long that takes.
    pub(crate) fn late_hit(&self) {
        self.increment(Count::LocalHits);
        outcome::note(Outcome::LocalHit);
    }

    #[cold]
    fn note_the_time(&self) {
        BEGAN.set(Some((self.address(), clock::now())));
    }

    /// Has the `next` hit timed, or ends this one, which was.
    #[cold]
    fn time(&self, next: bool) {
        let began = BEGAN.take();
        self.is_timing.store(next, Ordering::Relaxed);
        if let Some((_, began)) = began.filter(|(tally, _)| *tally == self.address() && !next) {
            self.local_times.record(clock::now().since(began));
        }
    }

    /// The time, if a look at the remote store that begins now is timed.
    #[inline]
    pub(crate) fn begin_remote(&self) -> Option<Moment> {
        let hits = self.counts.add(Count::RemoteHits as usize, 0);
        (hits & (REMOTE_TIMED - 1) == 0).then(clock::now)
    }

    /// Counts a hit in the remote store, that has been asked since `began`, if that is known.
    pub(crate) fn remote_hit(&self, began: Option<Moment>) {
        self.increment(Count::RemoteHits);
        if let Some(began) = began {
            self.remote_times.record(clock::now().since(began));
        }
        outcome::note(Outcome::RemoteHit);
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

thread_local! {
    /// The look of this thread that is timed, of which tally, and when it began. Not passed along with the look, since
    /// hardly any is.
    static BEGAN: Cell<Option<(usize, Moment)>> = const { Cell::new(None) };
}

/// Functions that a cache counts for. In a program with more, those that were called last count as by hand.
const FUNCTIONS: usize = 1024;

/// The tallies of the functions that have been called through one cache, by the numbers of their sites: found in one step,
/// whichever cache a function is called through, and however many there are.
pub(crate) struct Book {
    by_hand: Tally,
    lines: [OnceBox<Line>; FUNCTIONS],
}

struct Line {
    site: &'static Site,
    tally: Tally,
}

impl Default for Book {
    fn default() -> Self {
        Self { by_hand: Tally::default(), lines: array::from_fn(|_| OnceBox::new()) }
    }
}

impl Book {
    /// The tally of a function, or of what is done by hand.
    #[inline]
    pub(crate) fn of(&self, site: &'static Site) -> &Tally {
        match self.lines.get(site.number()).and_then(OnceBox::get) {
            Some(line) => &line.tally,
            None => self.begin(site),
        }
    }

    /// Begins the tally of a function, which has a number from now on.
    #[cold]
    fn begin(&self, site: &'static Site) -> &Tally {
        let line = site.numbered().and_then(|number| self.lines.get(number));
        let Some(line) = line else { return &self.by_hand };
        &line.get_or_init(|| Box::new(Line { site, tally: Tally::default() })).tally
    }

    pub(crate) fn by_hand(&self) -> &Tally {
        &self.by_hand
    }

    /// The functions, in no order that means anything.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (&'static Site, &Tally)> {
        self.lines.iter().filter_map(OnceBox::get).map(|line| (line.site, &line.tally))
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions = self.functions().map(|(site, tally)| (site.key_template(), tally));
        f.debug_map().entries(functions).finish()
    }
}

/// What is counted of a cache as a whole.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) book: Book,
    pub(crate) invalidations: Counter,
    pub(crate) expirations: Counter,
    pub(crate) remote_refusals: Counter,
    pub(crate) distrusts: Counter,
}

impl Inner {
    /// The tally of a function, or of what is done by hand.
    #[inline]
    pub(crate) fn tally(&self, site: &'static Site) -> &Tally {
        self.counters.book.of(site)
    }
    /// Counts a call that found no current value, and says so.
    pub(crate) fn missed(&self, site: &'static Site) {
        self.tally(site).increment(Count::Misses);
        tracing::debug!(target: "larder", function = site.place().function, template = site.key_template(), "a miss");
    }

    /// Counts a load that ended without a value, and says so.
    pub(crate) fn load_failed(&self, site: &'static Site) {
        self.tally(site).increment(Count::LoadErrors);
        tracing::debug!(
            target: "larder", function = site.place().function, template = site.key_template(), "a load has failed"
        );
    }

    /// Counts scopes that are invalidated, and says so. Which they are is not said: they hold values of arguments.
    pub(crate) fn invalidated(&self, scopes: usize) {
        self.counters.invalidations.add(scopes as u64);
        tracing::debug!(target: "larder", scopes, "an invalidation");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::{BY_HAND, Number};

    #[test]
    fn counts_from_many_threads_add_up() {
        let counter = Counter::default();
        // Twice as many as have cells of their own, twice: the second half takes over places of the first.
        for _ in 0..2 {
            let ready = std::sync::Barrier::new(2 * OWNED);
            let count = || {
                ready.wait();
                (0..200_000).for_each(|_| counter.increment());
            };
            std::thread::scope(|scope| {
                for _ in 0..2 * OWNED {
                    scope.spawn(count);
                }
            });
        }
        assert_eq!(counter.get(), 4 * OWNED as u64 * 200_000);
    }

    #[test]
    fn a_function_has_one_tally_in_each_cache() {
        static NUMBERS: [Number; 2] = [const { Number::new() }; 2];
        static ONE: Site = Site::new("one", "m", "f.rs", 1, "one:<id>").numbered_at(&NUMBERS[0]);
        static OTHER: Site = Site::new("other", "m", "f.rs", 2, "other:<id>").numbered_at(&NUMBERS[1]);
        let books = [(); 2].map(|()| Box::<Book>::default());
        books[0].of(&ONE).add(Count::Misses, 1);
        books[1].of(&ONE).add(Count::Misses, 2);
        books[0].of(&OTHER).add(Count::Misses, 4);
        books[0].of(&BY_HAND).add(Count::Misses, 8);
        let misses = |book: &Book, site| book.of(site).get(Count::Misses);
        assert_eq!(misses(&books[0], &ONE), 1);
        assert_eq!(misses(&books[1], &ONE), 2);
        assert_eq!(misses(&books[0], &OTHER), 4);
        assert_eq!(misses(&books[0], &BY_HAND), 8);
        assert_eq!(books[0].functions().count(), 2);
        assert_eq!(books[1].functions().count(), 1, "nobody has called the other through it");
    }

    #[test]
    fn functions_beyond_the_last_line_count_as_by_hand() {
        static NUMBER: Number = Number::new();
        static LATE: Site = Site::new("late", "m", "f.rs", 1, "late:<id>").numbered_at(&NUMBER);
        LATE.set_number(FUNCTIONS);
        let book = Book::default();
        book.of(&LATE).add(Count::Loads, 3);
        assert_eq!((book.by_hand().get(Count::Loads), book.functions().count()), (3, 0));
    }

    #[test]
    fn one_hit_in_many_is_timed() {
        let tally = Tally::default();
        let look = |is_hit| {
            tally.begin();
            if is_hit {
                tally.hit();
            }
        };
        tally.stored();
        look(false);
        assert_eq!(tally.local_times.snapshot().count(), 0, "a miss is no hit");
        (0..=2 * TIMED).for_each(|_| look(true));
        assert_eq!(tally.get(Count::LocalHits), 2 * TIMED + 1);
        assert_eq!(tally.local_times.snapshot().count(), 3, "the first, and one after each {TIMED}");
    }
}
