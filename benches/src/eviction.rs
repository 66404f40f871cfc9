//! Who keeps what: caches of a bounded number of entries, run over a trace, and the limit that no cache can pass.
//! Only what is found is counted here, never time.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use larder::{Cache, Key, Memory};

use crate::subject::drive;
use crate::trace;

const HOUR: Duration = Duration::from_secs(3600);

/// A cache that is asked for one id after the other, and takes in what it has not.
pub trait Policy {
    /// Whether `id` was there; now it is, if the cache admits it.
    fn ask(&mut self, id: u64) -> bool;
}

/// What makes a cache of so many entries.
pub type Make = fn(usize) -> Box<dyn Policy>;

/// The caches that are compared, ours first.
pub const POLICIES: [(&str, Make); 6] = [
    ("larder Memory (quick_cache below)", |room| {
        Box::new(Ours(Cache::builder().local(Memory::new(room)).build()))
    }),
    ("quick_cache 0.7", |room| Box::new(quick_cache::unsync::Cache::<u64, ()>::new(room))),
    ("moka 0.12", |room| Box::new(moka::sync::Cache::<u64, ()>::new(room as u64))),
    ("SIEVE, as a lock-free map would carry it", |room| Box::new(Sieve::new(room))),
    ("S3-FIFO, as a lock-free map would carry it", |room| Box::new(S3Fifo::new(room))),
    ("LRU", |room| Box::new(Lru::new(room))),
];

/// A trace, and how many entries a cache has to work with.
#[derive(Debug)]
pub struct Case {
    /// As the table shows it.
    pub name: &'static str,
    /// The ids that are asked for, in their order.
    pub ids: Vec<u64>,
    /// Entries.
    pub room: usize,
}

/// The traces of the table. 100 000 ids each, unless it is a loop.
#[must_use]
pub fn cases() -> Vec<Case> {
    const LEN: usize = 1_000_000;
    let ids = trace::IDS;
    vec![
        Case { name: "Zipf .8, 1 %", ids: trace::zipf(ids, 0.8, LEN, 1), room: 1_000 },
        Case { name: "Zipf .99, 1 %", ids: trace::zipf(ids, 0.99, LEN, 2), room: 1_000 },
        Case { name: ".99 + scans, 1 %", ids: with_scans(&trace::zipf(ids, 0.99, LEN, 3)), room: 1_000 },
        Case { name: "Zipf .99, 10 %", ids: trace::zipf(ids, 0.99, LEN, 4), room: 10_000 },
        Case { name: "shift, 10 %", ids: shifting(LEN), room: 10_000 },
        Case { name: "loop 15 k, 10 %", ids: (0..LEN as u64).map(|at| at % 15_000).collect(), room: 10_000 },
    ]
}

/// Each 20 000 calls, 10 000 ids in a row that nobody asked for before or will again.
fn with_scans(ids: &[u64]) -> Vec<u64> {
    let scans = (0_u64..).map(|scan| (0..10_000).map(move |id| trace::IDS * 2 + scan * 10_000 + id));
    ids.chunks(20_000).zip(scans).flat_map(|(calls, scan)| calls.iter().copied().chain(scan)).collect()
}

/// What is asked for often becomes something else ten times.
fn shifting(len: usize) -> Vec<u64> {
    let phases = (0_u64..10).map(|phase| trace::zipf(trace::IDS / 4, 0.99, len / 10, 10 + phase));
    phases.zip(0_u64..).flat_map(|(ids, phase)| ids.into_iter().map(move |id| id + phase * 5_000)).collect()
}

/// The share of `ids` that a cache finds, in percent.
pub fn hit_ratio(cache: &mut dyn Policy, ids: &[u64]) -> f64 {
    percent(ids.iter().filter(|&&id| cache.ask(id)).count(), ids.len())
}

/// What a cache would find that knew the future: it lets go what is asked for last.
#[must_use]
pub fn belady(ids: &[u64], room: usize) -> f64 {
    let mut next_of = HashMap::new();
    let mut nexts = vec![usize::MAX; ids.len()];
    for (at, id) in ids.iter().enumerate().rev() {
        nexts[at] = next_of.insert(*id, at).unwrap_or(usize::MAX);
    }
    let (mut held, mut by_next, mut hits) = (HashMap::new(), BTreeSet::new(), 0);
    for (&id, &next) in ids.iter().zip(&nexts) {
        if let Some(known) = held.insert(id, next) {
            by_next.remove(&(known, id));
            hits += 1;
        }
        by_next.insert((next, id));
        if held.len() > room
            && let Some((_, last)) = by_next.pop_last()
        {
            held.remove(&last);
        }
    }
    percent(hits, ids.len())
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 calls")]
fn percent(hits: usize, calls: usize) -> f64 {
    100.0 * hits as f64 / calls.max(1) as f64
}

/// As a cache asks it, with what stands in front of it.
struct Ours(Cache);

impl Policy for Ours {
    fn ask(&mut self, id: u64) -> bool {
        let mut found = false;
        drive(async {
            let key = Key::from(format!("user:{id}"));
            found = matches!(self.0.get::<u64>(&key).await, Ok(Some(_)));
            if !found {
                drop(self.0.set(key, &id, HOUR).await);
            }
        });
        found
    }
}

impl Policy for quick_cache::unsync::Cache<u64, ()> {
    fn ask(&mut self, id: u64) -> bool {
        let found = self.get(&id).is_some();
        if !found {
            self.insert(id, ());
        }
        found
    }
}

impl Policy for moka::sync::Cache<u64, ()> {
    fn ask(&mut self, id: u64) -> bool {
        let found = self.get(&id).is_some();
        if !found {
            self.insert(id, ());
        }
        self.run_pending_tasks();
        found
    }
}

/// One queue, a mark on what was asked for, and a hand that passes from old to new and lets go what has no mark.
struct Sieve {
    room: usize,
    /// From new to old, with the marks.
    slots: Vec<Slot>,
    by_id: HashMap<u64, usize>,
    newest: usize,
    oldest: usize,
    hand: usize,
}

struct Slot {
    id: u64,
    marked: bool,
    newer: usize,
    older: usize,
}

const NOBODY: usize = usize::MAX;

impl Sieve {
    fn new(room: usize) -> Self {
        let (slots, by_id) = (Vec::new(), HashMap::new());
        Self { room, slots, by_id, newest: NOBODY, oldest: NOBODY, hand: NOBODY }
    }

    /// Lets one go; its slot.
    fn evict(&mut self) -> usize {
        let mut hand = if self.hand == NOBODY { self.oldest } else { self.hand };
        while self.slots[hand].marked {
            self.slots[hand].marked = false;
            hand = self.slots[hand].newer;
            if hand == NOBODY {
                hand = self.oldest;
            }
        }
        let Slot { id, newer, older, .. } = self.slots[hand];
        self.hand = newer;
        match self.slots.get_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        self.by_id.remove(&id);
        hand
    }
}

impl Policy for Sieve {
    fn ask(&mut self, id: u64) -> bool {
        if let Some(&at) = self.by_id.get(&id) {
            self.slots[at].marked = true;
            return true;
        }
        let at = if self.by_id.len() < self.room { self.slots.len() } else { self.evict() };
        let slot = Slot { id, marked: false, newer: NOBODY, older: self.newest };
        if at == self.slots.len() {
            self.slots.push(slot);
        } else {
            self.slots[at] = slot;
        }
        match self.slots.get_mut(self.newest) {
            Some(newest) => newest.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
        self.by_id.insert(id, at);
        false
    }
}

/// A small queue for what is new, a main one for what was asked for again, and a memory of what was let go.
struct S3Fifo {
    room: usize,
    small: VecDeque<u64>,
    main: VecDeque<u64>,
    gone: VecDeque<u64>,
    remembered: HashSet<u64>,
    /// How often each was asked for again, up to three.
    times: HashMap<u64, u8>,
}

impl S3Fifo {
    fn new(room: usize) -> Self {
        let (small, main, gone) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { room, small, main, gone, remembered: HashSet::new(), times: HashMap::new() }
    }

    fn evict(&mut self) {
        while self.small.len() > self.room / 10 {
            let Some(id) = self.small.pop_front() else { break };
            if self.times.get(&id).is_some_and(|times| *times > 0) {
                self.times.insert(id, 0);
                self.main.push_back(id);
                continue;
            }
            self.times.remove(&id);
            self.gone.push_back(id);
            self.remembered.insert(id);
            if self.gone.len() > self.room
                && let Some(oldest) = self.gone.pop_front()
            {
                self.remembered.remove(&oldest);
            }
            return;
        }
        while let Some(id) = self.main.pop_front() {
            match self.times.get_mut(&id) {
                Some(times) if *times > 0 => {
                    *times -= 1;
                    self.main.push_back(id);
                }
                _ => {
                    self.times.remove(&id);
                    return;
                }
            }
        }
    }
}

impl Policy for S3Fifo {
    fn ask(&mut self, id: u64) -> bool {
        if let Some(times) = self.times.get_mut(&id) {
            *times = (*times + 1).min(3);
            return true;
        }
        while self.times.len() >= self.room {
            self.evict();
        }
        let queue = if self.remembered.contains(&id) { &mut self.main } else { &mut self.small };
        queue.push_back(id);
        self.times.insert(id, 0);
        false
    }
}

struct Lru {
    room: usize,
    now: u64,
    last: HashMap<u64, u64>,
    by_time: BTreeSet<(u64, u64)>,
}

impl Lru {
    fn new(room: usize) -> Self {
        Self { room, now: 0, last: HashMap::new(), by_time: BTreeSet::new() }
    }
}

impl Policy for Lru {
    fn ask(&mut self, id: u64) -> bool {
        self.now += 1;
        let known = self.last.insert(id, self.now);
        if let Some(then) = known {
            self.by_time.remove(&(then, id));
        }
        self.by_time.insert((self.now, id));
        if self.last.len() > self.room
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.last.remove(&oldest);
        }
        known.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_finds_more_than_who_knows_the_future() {
        for Case { name, ids, room } in cases() {
            let ids = &ids[..50_000];
            let limit = belady(ids, room / 10);
            for (policy, make) in POLICIES {
                let ratio = hit_ratio(&mut *make(room / 10), ids);
                assert!(ratio <= limit, "{policy} on {name}: {ratio} of {limit}");
            }
        }
    }

    #[test]
    fn an_lru_finds_nothing_in_a_loop_and_belady_most() {
        let ids: Vec<u64> = (0..1_000).map(|at| at % 15).collect();
        assert!(hit_ratio(&mut Lru::new(10), &ids) < 0.1);
        assert!(belady(&ids, 10) > 60.0);
    }
}
