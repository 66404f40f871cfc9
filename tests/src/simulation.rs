//! A world in virtual time: processes with a near cache each over one store, and everything that goes wrong between
//! them. All of it follows from a seed: the same seed is the same history, note for note.
//!
//! What the store does is in `map_store`, which is held against a real server elsewhere; how operations get there is
//! in `network`. What the processes do is in `traffic`.

mod network;

use std::cell::Cell;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use larder::testing::{History, Summary, Violation, seed_chance};
use larder::{Ack, Cache, Memory};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::random::Random;
use crate::traffic::{Plan, Traffic};
use network::{Link, Network};

/// Δ.
pub const STALENESS: Duration = Duration::from_millis(400);

/// How long a load may take.
const LOAD_LIMIT: Duration = Duration::from_millis(500);

/// What there was in one world.
#[derive(Debug)]
pub struct Outcome {
    /// All that the processes have noted.
    pub notes: String,
    /// Whether that keeps the promise.
    pub verdict: Result<Summary, Violation>,
    /// What was seen to happen.
    pub seen: Seen,
}

/// How often something happened, so that nobody takes a calm world for a proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Processes that died in mid-traffic.
    pub deaths: u64,
    /// Operations that never arrived, were not answered, or arrived when nobody waited any more.
    pub lost: u64,
    /// Times that the store forgot everything.
    pub flushes: u64,
    /// Invalidations that were owed at some time.
    pub owed: u64,
    /// Times that a process gave up all it held, since it might have missed something.
    pub distrusts: u64,
    /// Reads that were answered by what the process itself held.
    pub local_hits: u64,
    /// Reads that were answered by the store.
    pub remote_hits: u64,
}

impl Seen {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            deaths: self.deaths + other.deaths,
            lost: self.lost + other.lost,
            flushes: self.flushes + other.flushes,
            owed: self.owed + other.owed,
            distrusts: self.distrusts + other.distrusts,
            local_hits: self.local_hits + other.local_hits,
            remote_hits: self.remote_hits + other.remote_hits,
        }
    }

    fn count(&mut self, cache: &Cache) {
        let stats = cache.stats();
        self.distrusts += stats.distrusts;
        self.local_hits += stats.local_hits;
        self.remote_hits += stats.remote_hits;
    }
}

/// Lets the world of `seed` run until its traffic has ended, in a thread of its own.
///
/// # Panics
///
/// If an operation panics.
#[must_use]
pub fn simulate(seed: u64) -> Outcome {
    let world = move || {
        seed_chance(seed);
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async { World::new(seed).run().await })
    };
    thread::spawn(world).join().expect("a world without a panic")
}

thread_local! {
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The virtual time since this world began.
fn elapsed() -> Duration {
    let began = BEGAN.get().unwrap_or_else(Instant::now);
    BEGAN.set(Some(began));
    began.elapsed()
}

struct World {
    seed: u64,
    random: Random,
    history: History,
    network: Arc<Network>,
    processes: Vec<Process>,
    seen: Seen,
}

/// One that lives, and its number among all that ever lived.
struct Process {
    traffic: Traffic,
    cache: Cache,
    tasks: JoinSet<()>,
}

impl World {
    fn new(seed: u64) -> Self {
        elapsed();
        let history = History::of_process(1, elapsed);
        let network = Arc::new(Network::new(seed));
        let random = Random::new(seed, 1);
        Self { seed, random, history, network, processes: Vec::new(), seen: Seen::default() }
    }

    async fn run(mut self) -> Outcome {
        for _ in 0..2 + self.random.below(2) {
            let process = self.born();
            self.processes.push(process);
        }
        while self.processes.iter().any(|process| !process.tasks.is_empty()) {
            sleep(Duration::from_millis(self.random.below(150))).await;
            self.trouble();
            let owed: usize = self.processes.iter().map(|process| process.cache.owed_invalidations()).sum();
            self.seen.owed += owed as u64;
            for process in &mut self.processes {
                while let Some(ended) = process.tasks.try_join_next() {
                    ended.expect("no operation panics");
                }
            }
        }
        self.network.calm();
        for process in &self.processes {
            while !process.traffic.is_over() {
                sleep(Duration::from_millis(10)).await;
            }
            self.seen.count(&process.cache);
        }
        self.seen.lost = self.network.lost();
        let notes = self.history.notes().expect("notes");
        Outcome { notes, verdict: self.history.check(self.patience()), seen: self.seen }
    }

    /// Whether an invalidation is acknowledged only when every process goes by it.
    fn is_strict(&self) -> bool {
        self.seed % 4 == 3
    }

    /// For how long after an invalidation was acknowledged another process may serve what is older.
    fn patience(&self) -> Duration {
        if self.is_strict() { Duration::ZERO } else { STALENESS }
    }

    /// A process that begins to work.
    fn born(&mut self) -> Process {
        let number = self.network.another();
        let link = Link::new(&self.network, number);
        let cache = Cache::builder()
            .namespace("shop")
            .local(Memory::new(1_000))
            .remote(link)
            .max_staleness(STALENESS)
            .ack(if self.is_strict() { Ack::Fleet } else { Ack::Primary })
            .load_limit(LOAD_LIMIT)
            .build();
        let plan = Plan { seed: self.seed, operations: 60, tasks: 4, teams: 2, users: 2, rest: 60 };
        let traffic = Traffic::new(cache.clone(), self.history.another_process(), plan);
        let mut tasks = JoinSet::new();
        traffic.begin(number as u64, &mut tasks);
        Process { traffic, cache, tasks }
    }

    /// One thing that goes wrong, or is well again.
    fn trouble(&mut self) {
        let which = self.random.draw();
        let network = &self.network;
        match self.random.below(100) {
            0..15 => network.cut(which),
            15..25 => network.heal(which),
            25..45 => network.slow(which),
            45..50 => network.leave(),
            50..60 => network.come_back(),
            60..64 => {
                network.store.forget_everything();
                self.seen.flushes += 1;
            }
            64..67 => network.store.forget_logs(),
            67..70 => network.store.trim_logs(),
            70..80 => network.store.evict(usize::try_from(which >> 8).unwrap_or_default()),
            80..83 => self.kill(which),
            _ => {}
        }
    }

    /// A process ends where it is, and another takes its place.
    fn kill(&mut self, which: u64) {
        let place = usize::try_from(which % self.processes.len() as u64).unwrap_or_default();
        if self.processes[place].tasks.is_empty() || self.seen.deaths > 3 {
            return;
        }
        let process = self.born();
        let dead = std::mem::replace(&mut self.processes[place], process);
        self.seen.count(&dead.cache);
        self.seen.deaths += 1;
    }
}
