//! What an invalidation costs by how much it covers, and what it costs the hits that it does not cover:
//! `cargo bench -p benches --bench invalidation`, with `-- --quick` to see that it runs.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use benches::rounds::{Effort, in_turns};
use benches::subject::drive;
use benches::table::{Table, number, ratio};
use benches::trace;
use benches::user::{User, load};
use larder::{Cache, Memory, Scope, Tag, cached};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (effort, many) = (Effort::asked(), if quick { 10_000 } else { 1_000_000 });
    println!("{}", by_size(effort, many));
    println!("{}", beside(effort));
}

#[cached(ttl = 36_000, key = "user:<id>", tags = ["staff"])]
async fn user(id: u64) -> Arc<User> {
    Arc::new(load(id).await)
}

#[cached(ttl = 36_000, key = "post:<id>", tags = ["drafts"])]
async fn post(id: u64) -> Arc<User> {
    Arc::new(load(id).await)
}

/// A cache that holds so many users, and a few posts.
fn filled(users: u64) -> Cache {
    let cache = Cache::builder().local(Memory::new(1 << 21)).build();
    drive(cache.scope(async {
        for id in 0..users {
            user(id).await;
        }
        for id in 0..10 {
            post(id).await;
        }
    }));
    cache
}

/// The time of one invalidation with few entries under it, and with many.
fn by_size(effort: Effort, many: u64) -> Table {
    let (few, lots) = (filled(10), filled(many));
    let mut table = Table::new(&["an invalidation, ns", "10 entries", &format!("{many} entries"), "ratio"]);
    for (name, target) in [("`user:*`", Scope::from("user:*")), ("a tag", Tag::from("staff").into())] {
        for (calls, how) in [(1_000, "in a row"), (1, "alone, after other work")] {
            let run = |cache: &Cache| {
                if calls == 1 {
                    work();
                }
                let start = Instant::now();
                (0..calls).for_each(|_| invalidate(cache, &target));
                start.elapsed()
            };
            let times = in_turns(effort.rounds, calls, &mut [&mut || run(&few), &mut || run(&lots)]);
            row(&mut table, format!("{name}, {how}"), times);
        }
    }
    table
}

/// Drives everything else out of the processor's caches.
fn work() {
    static ELSEWHERE: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    if let Ok(mut elsewhere) = ELSEWHERE.lock() {
        elsewhere.resize(8 << 20, 0);
        elsewhere.iter_mut().for_each(|word| *word += 1);
        black_box(&*elsewhere);
    }
}

/// The time of a hit while nothing moves, and while a tag that does not cover it moves 10 000 times a second.
fn beside(effort: Effort) -> String {
    let cache = filled(trace::IDS);
    let hits = |ids: &[u64]| {
        let start = Instant::now();
        drive(cache.scope(async {
            for &id in ids {
                black_box(user(black_box(id)).await);
            }
        }));
        start.elapsed()
    };
    let moving = AtomicBool::new(false);
    let beside = |ids: &[u64], moves: bool| {
        moving.store(moves, Ordering::Relaxed);
        // The other thread takes a moment to begin, and to end.
        hits(ids);
        let elapsed = hits(ids);
        moving.store(false, Ordering::Relaxed);
        elapsed
    };
    let mut table = Table::new(&["a hit, ns", "quiet", "another tag moving", "ratio"]);
    let ended = AtomicBool::new(false);
    let rate = thread::scope(|scope| {
        let other = scope.spawn(|| invalidate_regularly(&cache, &moving, &ended));
        for (name, ids) in [
            ("one key", trace::one(effort.block)),
            ("1 000 keys alike", trace::uniform(1_000, effort.block, 7)),
            // Slower, and a block must not take so long that it is never left alone.
            ("Zipf .99 over 100 k", trace::zipf(trace::IDS, 0.99, effort.block / 5, 7)),
        ] {
            let (quiet, moving) = (&mut || beside(&ids, false), &mut || beside(&ids, true));
            row(&mut table, name.to_owned(), in_turns(effort.rounds, ids.len(), &mut [quiet, moving]));
        }
        ended.store(true, Ordering::Relaxed);
        other.join().unwrap_or(f64::NAN)
    });
    format!("{table}\nMoves of the other tag, a second: {rate:.0}.\n")
}

/// Between two moves of the other tag.
const EVERY: Duration = Duration::from_micros(100);

/// Invalidates the other tag while it is wanted; how often a second it did.
fn invalidate_regularly(cache: &Cache, wanted: &AtomicBool, ended: &AtomicBool) -> f64 {
    let other = Tag::from("drafts").into();
    let (mut moves, mut time) = (0, Duration::ZERO);
    while !ended.load(Ordering::Relaxed) {
        let start = Instant::now();
        let mut due = start;
        while wanted.load(Ordering::Relaxed) {
            invalidate(cache, &other);
            moves += 1;
            due += EVERY;
            // Too late: the next one at once, so that the rate holds.
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        if due > start {
            time += start.elapsed();
        }
        thread::sleep(EVERY);
    }
    f64::from(moves) / time.as_secs_f64()
}

fn invalidate(cache: &Cache, target: &Scope) {
    drive(async {
        let moved = cache.invalidate(target.clone()).await;
        assert!(moved.is_ok(), "there is no remote store");
    });
}

fn row(table: &mut Table, name: String, [first, second]: [f64; 2]) {
    table.row(vec![name, number(first), number(second), ratio(second / first)]);
}
