//! How long a reader is held up while a million entries go: `cargo bench -p benches --bench clear`, with
//! `-- --quick` to see that it runs.
//!
//! One thread reads one value after the other, hits and misses alike, and remembers the longest that one read took,
//! less what it waited for a processor meanwhile. Another does what the row says. When that one has to wait for a
//! processor while it holds a lock, the reader waits with it: so the rows in which nothing goes measure the others.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use benches::subject::drive;
use benches::table::{Table, number};
use benches::user::{User, load};
use larder::{Cache, Memory, Scope};

const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, entries) = if quick { (3, 10_000) } else { (3, 1_000_000) };
    let rows: [(&str, Work); 5] = [
        ("nothing goes: the other thread sums numbers", sum),
        ("nothing goes: two insertions for five entries", insert),
        ("`clear`: everything is dropped", clear),
        ("`user:*` invalidated, then as many insertions reclaim it", invalidate_and_insert),
        ("the cache itself is dropped", |_, _| ()),
    ];
    let heading = format!("{entries} entries");
    let mut table = Table::new(&[
        &heading,
        "it took, ms",
        "longest read, µs: median",
        "best",
        "worst",
        "reads over 1 ms, each round",
    ]);
    let mut measured = rows.map(|_| Vec::new());
    for round in 0..rounds {
        // The rows take turns, so that whatever disturbs the machine disturbs all of them alike.
        for turn in 0..rows.len() {
            let row = (turn + round) % rows.len();
            measured[row].push(measure(entries, rows[row].1, row == rows.len() - 1));
        }
    }
    for ((name, _), rounds) in rows.iter().zip(measured) {
        let sorted = |of: fn(&Measured) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (took, longest) = (sorted(|round| round.took * 1e3), sorted(|round| round.longest * 1e6));
        let over = rounds.iter().map(|round| round.over).sum::<f64>()
            / f64::from(u32::try_from(rounds.len()).unwrap_or(1));
        let middle = rounds.len() / 2;
        let cells = [took[middle], longest[middle], longest[0], longest[rounds.len() - 1], over];
        table.row([(*name).to_owned()].into_iter().chain(cells.map(number)).collect());
    }
    println!("{table}");
}

/// What goes on beside the reader, in a cache of so many entries.
type Work = fn(&Cache, u64);

/// What a reader found while the work was done, in seconds.
struct Measured {
    took: f64,
    longest: f64,
    /// How many reads took more than a millisecond.
    over: f64,
}

/// The reads of one thread while another does the `work`, and `drops` the cache after it.
fn measure(entries: u64, work: Work, drops: bool) -> Measured {
    let cache = filled(entries);
    // A second cache, read while the first is dropped: nobody can read one that is gone.
    let read = if drops { filled(1_000) } else { cache.clone() };
    let (reads, done) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let schedule = File::open("/proc/thread-self/schedstat").ok();
            let (mut id, mut longest, mut over) = (0_u64, Duration::ZERO, 0_u32);
            while !done.load(Ordering::Relaxed) {
                let key = key(id % entries);
                let before = waited(schedule.as_ref());
                let start = Instant::now();
                drive(async { drop(black_box(read.get::<Arc<User>>(key).await)) });
                let elapsed = start.elapsed();
                let elapsed = elapsed.saturating_sub(waited(schedule.as_ref()).saturating_sub(before));
                longest = longest.max(elapsed);
                over += u32::from(elapsed > Duration::from_millis(1));
                // A step that visits all of them, in no order of theirs.
                id = id.wrapping_add(7_919);
                reads.fetch_add(1, Ordering::Relaxed);
            }
            (longest, over)
        });
        while reads.load(Ordering::Relaxed) < 1_000 {
            thread::yield_now();
        }
        let start = Instant::now();
        work(&cache, entries);
        drop(cache);
        let took = start.elapsed();
        done.store(true, Ordering::Relaxed);
        let (longest, over) = reader.join().unwrap_or_default();
        Measured { took: took.as_secs_f64(), longest: longest.as_secs_f64(), over: f64::from(over) }
    })
}

/// How long a thread has waited for a processor so far. Linux says it; elsewhere nothing is known to disturb.
fn waited(schedule: Option<&File>) -> Duration {
    let mut text = [0; 64];
    let length = schedule.and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or(0);
    let text = str::from_utf8(&text[..length]).unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn sum(_: &Cache, entries: u64) {
    // About as long as a clear takes.
    let start = Instant::now();
    while start.elapsed() < Duration::from_nanos(entries * 150) {
        black_box((0..1_000_u64).map(black_box).sum::<u64>());
    }
}

fn insert(cache: &Cache, entries: u64) {
    for id in 0..entries / 5 * 2 {
        set(cache, id);
    }
}

fn clear(cache: &Cache, _: u64) {
    drive(async { drop(cache.clear().await) });
}

fn invalidate_and_insert(cache: &Cache, entries: u64) {
    drive(async { drop(cache.invalidate(Scope::from("user:*")).await) });
    // Each looks at three.
    insert(cache, entries);
}

fn filled(entries: u64) -> Cache {
    let cache = Cache::builder().local(Memory::new(1 << 21)).build();
    (0..entries).for_each(|id| set(&cache, id));
    cache
}

/// Every value is the entry's own.
fn set(cache: &Cache, id: u64) {
    drive(async {
        let value = Arc::new(load(id).await);
        drop(cache.set(key(id), &value, HOUR).await);
    });
}

fn key(id: u64) -> String {
    format!("user:{id}")
}
