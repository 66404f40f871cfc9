//! What a call costs over its body while Redis is away and the breaker open: `cargo bench -p benches --bench outage`.
//!
//! Every call is a miss, and every one loads. Nobody listens at the address.

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::table::{Table, number};
use larder::{Cache, Memory, Redis, cached};
use tokio::runtime::Builder;

const CALLS: u64 = 20_000;
const ROUNDS: usize = 31;

#[derive(Clone)]
struct Users {
    cache: Cache,
}

impl Users {
    #[cached(ttl = 300, key = "user:<id>", skip(self), cache = self.cache)]
    async fn get(&self, id: u64) -> u64 {
        std::future::ready(black_box(id)).await
    }
}

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--quick") { 3 } else { ROUNDS };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut table = Table::new(&["a miss while Redis is away", "ns over the body"]);
    for (name, local, owed) in [
        ("memory only", true, None),
        ("Redis", false, Some(0)),
        ("Redis, 10 000 invalidations owed", false, Some(10_000)),
        ("memory over Redis", true, Some(0)),
    ] {
        let overhead = runtime.block_on(async {
            let mut builder = Cache::builder();
            if local {
                builder = builder.local(Memory::new(1_000));
            }
            if owed.is_some() {
                builder = builder.remote(Redis::open("redis://127.0.0.1:1").expect("a URL"));
            }
            let users = Users { cache: builder.build() };
            for id in 0..owed.unwrap_or(0) {
                let _ = users.cache.invalidate(format!("owed:{id}")).await;
            }
            measure(&users, rounds).await
        });
        table.row(vec![name.to_owned(), number(overhead)]);
    }
    println!("{table}");
}

/// The median over the rounds of what a call takes longer than its body, in nanoseconds.
async fn measure(users: &Users, rounds: usize) -> f64 {
    let (mut id, mut samples) = (0, Vec::new());
    for _ in 0..=rounds {
        let start = Instant::now();
        for id in id..id + CALLS {
            black_box(users.get_uncached(id).await);
        }
        let body = start.elapsed();
        let start = Instant::now();
        for id in id..id + CALLS {
            black_box(users.get(id).await);
        }
        samples.push(nanos(start.elapsed().saturating_sub(body)));
        id += CALLS;
    }
    // The first round is the one in which the breaker opens.
    samples.remove(0);
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn nanos(elapsed: Duration) -> f64 {
    let calls = u32::try_from(CALLS).unwrap_or(u32::MAX);
    elapsed.as_secs_f64() * 1e9 / f64::from(calls)
}
