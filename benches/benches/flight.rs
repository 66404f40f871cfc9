//! What a crowd of misses costs: 1 000 callers at once that miss one key, or each its own: `cargo bench -p benches
//! --bench flight`, with `-- --quick` to see that it runs.
//!
//! Every load waits until all callers are there. Each round asks for keys that nobody has asked for before.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use benches::rounds::in_turns;
use benches::table::{Table, number, ratio};
use benches::user::{User, load};
use larder::{Cache, Memory, cached};
use quick_cache::sync::Cache as Quick;

const CALLERS: u64 = 1_000;

static LOADS: AtomicU64 = AtomicU64::new(0);

/// The database, which answers when it is asked a second time.
async fn slow(id: u64) -> Arc<User> {
    LOADS.fetch_add(1, Ordering::Relaxed);
    let mut asked = false;
    std::future::poll_fn(
        |_| if std::mem::replace(&mut asked, true) { Poll::Ready(()) } else { Poll::Pending },
    )
    .await;
    Arc::new(load(id).await)
}

#[cached(ttl = 300, key = "user:<id>")]
async fn user(id: u64) -> Arc<User> {
    slow(id).await
}

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--quick") { 3 } else { 101 };
    let cache = Cache::builder().local(Memory::new(1 << 20)).build();
    assert!(cache.install().is_ok(), "the only cache");
    let quick = Quick::<u64, Arc<User>>::new(1 << 20);
    let moka = moka::future::Cache::<u64, Arc<User>>::new(1 << 20);
    let (ours, by_quick, by_moka) = (
        |id| async move { drop(user(id).await) },
        |id| {
            let quick = &quick;
            async move { drop(quick.get_or_insert_async(&id, async { Ok::<_, ()>(slow(id).await) }).await) }
        },
        |id| {
            let moka = &moka;
            async move { drop(moka.get_with(id, slow(id)).await) }
        },
    );
    let mut table = Table::new(&[
        "1 000 callers that miss at once, ns each",
        "larder",
        "quick_cache get_or_insert_async",
        "moka get_with",
        "of quick_cache",
        "of moka",
    ]);
    for (name, step) in [("one key", 0), ("1 000 keys", 1)] {
        let calls = usize::try_from(CALLERS).unwrap_or(usize::MAX);
        let mut round = 0;
        let mut first = || {
            round += CALLERS;
            round + step * (1 << 40)
        };
        let firsts: Vec<u64> = (0..rounds * 40).map(|_| first()).collect();
        let next = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];
        let ids = |way: usize| {
            let at = next[way].fetch_add(1, Ordering::Relaxed);
            let first = firsts[usize::try_from(at).unwrap_or_default() % firsts.len()];
            (0..CALLERS).map(move |caller| first + step * caller)
        };
        let [larder, quick, moka] = in_turns(
            rounds,
            calls,
            &mut [&mut || crowd(ids(0).map(ours)), &mut || crowd(ids(1).map(by_quick)), &mut || {
                crowd(ids(2).map(by_moka))
            }],
        );
        table.row(vec![
            name.to_owned(),
            number(larder),
            number(quick),
            number(moka),
            ratio(larder / quick),
            ratio(larder / moka),
        ]);
    }
    print!("{table}");
}

/// Polls all callers in turn until each has its answer; how long that takes.
fn crowd<F: Future<Output = ()>>(callers: impl Iterator<Item = F>) -> Duration {
    let mut callers: Vec<Pin<Box<F>>> = callers.map(Box::pin).collect();
    let mut context = Context::from_waker(Waker::noop());
    let start = Instant::now();
    while !callers.is_empty() {
        callers.retain_mut(|caller| caller.as_mut().poll(&mut context).is_pending());
    }
    start.elapsed()
}
