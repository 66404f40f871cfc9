//! Who waits because something expired: `cargo bench -p benches --features paused --bench freshness`.
//!
//! First 60 seconds of real time, in which all ways to keep a value are called side by side, with a plot. Then `XFetch`
//! under traffic like Poisson's, in time that is simulated: tokio's clock stands still, and leaps to whatever is due
//! next. `-- --quick` for 3 seconds, and a short simulation, without the plot.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use benches::plot::{self, Strips};
use benches::table::{Table, number};
use larder::{Cache, Memory, cached};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Exp};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

const LOAD: Duration = Duration::from_millis(50);
/// Between two calls of one function.
const PERIOD: Duration = Duration::from_millis(2);

/// A function that is kept in several ways, which have nothing in common but the cache.
#[derive(Clone)]
struct News {
    cache: Cache,
    load: Duration,
    loads: Arc<AtomicU64>,
}

impl News {
    fn new(load: Duration) -> Self {
        Self { cache: Cache::builder().local(Memory::new(1_000)).build(), load, loads: Arc::default() }
    }

    async fn fetch(&self) -> u64 {
        self.loads.fetch_add(1, Ordering::Relaxed);
        sleep(self.load).await;
        42
    }

    #[cached(ttl = "1s", key = "ttl", skip(self), cache = self.cache)]
    async fn ttl_only(&self) -> u64 {
        self.fetch().await
    }

    #[cached(ttl = "1s", stale = "10s", key = "stale", skip(self), cache = self.cache)]
    async fn stale(&self) -> u64 {
        self.fetch().await
    }

    #[cached(ttl = "1s", early = 0.5, key = "half", skip(self), cache = self.cache)]
    async fn half(&self) -> u64 {
        self.fetch().await
    }

    #[cached(ttl = "1s", early = true, key = "early", skip(self), cache = self.cache)]
    async fn early(&self) -> u64 {
        self.fetch().await
    }

    #[cached(ttl = "1s", early = 2.0, key = "twice", skip(self), cache = self.cache)]
    async fn twice(&self) -> u64 {
        self.fetch().await
    }

    #[cached(ttl = "1s", early = 4.0, key = "four", skip(self), cache = self.cache)]
    async fn four(&self) -> u64 {
        self.fetch().await
    }
}

/// A call that has not been polled yet.
type Call = Pin<Box<dyn Future<Output = u64> + Send>>;
/// How the function is called, and so kept.
type Way = fn(News) -> Call;

const NO_CACHE: Way = |news| Box::pin(async move { news.fetch().await });
const TTL_ONLY: Way = |news| Box::pin(async move { news.ttl_only().await });
const STALE: Way = |news| Box::pin(async move { news.stale().await });
const EARLY: Way = |news| Box::pin(async move { news.early().await });

/// What the callers of one way have met.
#[derive(Clone, Default)]
struct Met(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// When each call was made, since the start, and how long it took.
    calls: Vec<(Duration, Duration)>,
    /// Calls that had no answer at once. This does not depend on how fast the machine is.
    waited: u64,
    /// Those of them that still wait.
    waiting: u64,
    /// How often the first of a crowd had to wait.
    gaps: u64,
}

impl Met {
    /// Makes a call, and takes notes of what it meets. It does not wait for it.
    fn call(&self, way: Way, news: &News, start: Instant) {
        let (called, mut call) = (Instant::now(), way(news.clone()));
        let took = move || (called.duration_since(start), called.elapsed());
        if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            self.note(|seen| seen.calls.push(took()));
            return;
        }
        self.note(|seen| {
            seen.gaps += u64::from(seen.waiting == 0);
            seen.waiting += 1;
            seen.waited += 1;
        });
        let met = self.clone();
        tokio::spawn(async move {
            call.await;
            met.note(|seen| {
                seen.waiting -= 1;
                seen.calls.push(took());
            });
        });
    }

    fn note<T>(&self, note: impl FnOnce(&mut Seen) -> T) -> T {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn main() -> std::io::Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let length = Duration::from_secs(if quick { 3 } else { 60 });
    let (table, plot) = runtime(false).block_on(side_by_side(length));
    println!("{table}");
    if !quick {
        plot::write("freshness.svg", &plot)?;
    }
    println!("\n{}", simulated(Duration::from_secs(if quick { 20 } else { 1_000 })));
    Ok(())
}

fn runtime(paused: bool) -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(paused).build().expect("a runtime")
}

/// All ways at once, in real time: the table and the plot.
async fn side_by_side(length: Duration) -> (Table, String) {
    let ways =
        [("no cache", NO_CACHE), ("ttl", TTL_ONLY), ("ttl and stale", STALE), ("ttl and early", EARLY)];
    let start = Instant::now();
    let runs = ways.map(|(name, way)| (name, tokio::spawn(steadily(way, length, start))));
    let mut table = Table::new(&[
        "ttl 1 s, loader 50 ms, 500 calls a second",
        "p50, ms",
        "p99, ms",
        "max, ms",
        "callers that waited",
        "of calls",
        "loads",
    ]);
    let mut strips = Vec::new();
    for (name, run) in runs {
        let (met, loads) = run.await.expect("a run that ends");
        let (mut calls, waited) = met.note(|seen| (std::mem::take(&mut seen.calls), seen.waited));
        let mut latencies: Vec<Duration> = calls.iter().map(|&(_, took)| took).collect();
        latencies.sort_unstable();
        let at = |percent: usize| format!("{:.4}", millis(latencies[(latencies.len() - 1) * percent / 100]));
        table.row(vec![
            name.to_owned(),
            at(50),
            at(99),
            at(100),
            waited.to_string(),
            latencies.len().to_string(),
            loads.to_string(),
        ]);
        calls.sort_unstable();
        strips.push((name, longest(&calls)));
    }
    let plot = Strips {
        title: "The longest call in each 200 ms: ttl 1 s, a loader of 50 ms, 500 calls a second",
        value: "milliseconds",
        strips,
        decades: (-4, 2),
        until: length.as_secs_f64(),
    };
    (table, plot.svg())
}

/// Calls at a steady pace, and what they meet, with the loads. The first call, which finds nothing, is not counted.
async fn steadily(way: Way, length: Duration, start: Instant) -> (Met, u64) {
    let (news, met) = (News::new(LOAD), Met::default());
    way(news.clone()).await;
    let (mut ticks, started) = (interval(PERIOD), tokio::time::Instant::now());
    // What comes late is made up for: callers do not know that the machine is busy.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while started.elapsed() < length {
        ticks.tick().await;
        met.call(way, &news, start);
    }
    sleep(2 * LOAD).await;
    (met, news.loads.load(Ordering::Relaxed))
}

/// The longest call among those that were made in the same fifth of a second.
fn longest(calls: &[(Duration, Duration)]) -> Vec<(f64, f64)> {
    let fifth = |&(made, _): &(Duration, Duration)| made.as_millis() / 200;
    let fifths = calls.chunk_by(|one, other| fifth(one) == fifth(other));
    let most = |calls: &[(Duration, Duration)]| calls.iter().map(|&(_, took)| took).max().unwrap_or_default();
    fifths.map(|calls| (calls[0].0.as_secs_f64(), millis(most(calls)))).collect()
}

/// `XFetch` by traffic, load time and factor.
fn simulated(length: Duration) -> Table {
    const FACTORS: [Way; 5] = [
        TTL_ONLY,
        |news| Box::pin(async move { news.half().await }),
        EARLY,
        |news| Box::pin(async move { news.twice().await }),
        |news| Box::pin(async move { news.four().await }),
    ];
    let mut table = Table::new(&[
        "ends that callers met, and loads",
        "no early",
        "early = 0.5",
        "early = true",
        "early = 2.0",
        "early = 4.0",
    ]);
    for rate in [1_000_u16, 100, 10] {
        for load in [5, 50, 200] {
            let results = FACTORS
                .map(|way| runtime(true).block_on(at_random(way, Duration::from_millis(load), rate, length)));
            let plain = results[0].1;
            let cells = results.map(|(gaps, loads)| format!("{gaps}, {} %", number(100.0 * loads / plain)));
            let name = format!("{rate} calls a second, loader {load} ms");
            table.row([name].into_iter().chain(cells).collect());
        }
    }
    table
}

/// Calls as by chance, in simulated time: the ends that callers met, and the loads.
async fn at_random(way: Way, load: Duration, rate: u16, length: Duration) -> (u64, f64) {
    let (news, met, start) = (News::new(load), Met::default(), Instant::now());
    way(news.clone()).await;
    let mut random = SmallRng::seed_from_u64(u64::from(rate));
    let pauses = Exp::new(f64::from(rate)).expect("a rate above 0");
    let (began, mut next) = (tokio::time::Instant::now(), Duration::ZERO);
    while next < length {
        next += Duration::from_secs_f64(pauses.sample(&mut random));
        sleep_until(began + next).await;
        met.call(way, &news, start);
        met.note(|seen| seen.calls.clear());
    }
    let loads = u32::try_from(news.loads.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    (met.note(|seen| seen.gaps), f64::from(loads))
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
