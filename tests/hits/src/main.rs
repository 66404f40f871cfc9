//! Hits and nothing else: `hits <shared or owned> <calls>`. `tests/instructions.rs` has its instructions counted.

use std::future;
use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cache_core::store::conformance::hold_the_clock;
use larder::{Cache, Memory, cached};
use serde::{Deserialize, Serialize};

/// As in the benchmarks: a few words, and a string on the heap.
#[derive(Clone, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    scores: [u64; 4],
}

fn load(id: u64) -> future::Ready<User> {
    future::ready(User { id, name: format!("user {id}"), scores: [id; 4] })
}

#[cached(ttl = 300, key = "user:<id>")]
async fn shared(id: u64) -> Arc<User> {
    Arc::new(load(id).await)
}

#[cached(ttl = 300, key = "owned:<id>")]
async fn owned(id: u64) -> User {
    load(id).await
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (value, calls) = (arguments.next(), arguments.next().and_then(|calls| calls.parse().ok()));
    let (Some(value), Some(calls)) = (value, calls) else { return ExitCode::FAILURE };
    if Cache::builder().local(Memory::new(1 << 18)).build().install().is_err() {
        return ExitCode::FAILURE;
    }
    hold_the_clock();
    // The first call loads; a thread's first hits may build what it keeps.
    for calls in [100, calls] {
        match value.as_str() {
            "shared" => asked(calls, shared),
            "owned" => asked(calls, owned),
            _ => return ExitCode::FAILURE,
        }
    }
    ExitCode::SUCCESS
}

/// Asks for one key, so many times, in one future that never has to wait.
fn asked<T, F: Future<Output = T>>(calls: u32, get: impl Fn(u64) -> F) {
    let hits = pin!(async {
        for _ in 0..calls {
            black_box(get(black_box(42)).await);
        }
    });
    let ended = hits.poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(ended, Poll::Ready(())), "neither a hit nor this load waits for anything");
}
