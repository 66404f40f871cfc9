//! What a crowd of misses costs: 1 000 callers at once that miss one key, or each its own: `cargo bench -p benches
//! --bench flight`, with `-- --quick` to see that it runs.
//!
//! Every load waits until all callers are there. Each round asks for keys that nobody has asked for before.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use benches::count;
use benches::rounds::in_turns;
use benches::subject::{Subject, Value};
use benches::table::{Table, number, ratio};
use benches::user::{User, load};
use larder::{Cache, Memory, cached};
use quick_cache::sync::Cache as Quick;

const CALLERS: usize = 1_000;

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
    let cache = Cache::builder().local(Memory::new(1 << 20)).build();
    assert!(cache.install().is_ok(), "the only cache");
    let quick = Arc::new(Quick::<u64, Arc<User>>::new(1 << 20));
    let moka = moka::future::Cache::<u64, Arc<User>>::new(1 << 20);
    let ours = |id| async move { drop(user(id).await) };
    let by_quick = move |id| {
        let quick = Arc::clone(&quick);
        async move { drop(quick.get_or_insert_async(&id, async { Ok::<_, ()>(slow(id).await) }).await) }
    };
    let by_moka = move |id| {
        let moka = moka.clone();
        async move { drop(moka.get_with(id, slow(id)).await) }
    };
    // For each of the two rows the three ways.
    let subjects = [0, 1].map(|step| {
        [
            crowds("larder", step, ours),
            crowds("quick_cache get_or_insert_async", step, by_quick.clone()),
            crowds("moka get_with", step, by_moka.clone()),
        ]
    });
    let subjects = subjects.into_iter().flatten().collect::<Vec<_>>();
    if count::be_counted(&subjects) {
        return;
    }
    let rounds = if std::env::args().any(|argument| argument == "--quick") { 3 } else { 101 };
    let callers = vec![0; CALLERS];
    let mut times = Vec::new();
    for [larder, quick, moka] in subjects.as_chunks().0 {
        times.extend(in_turns(
            rounds,
            CALLERS,
            &mut [&mut || larder.elapsed(&callers), &mut || quick.elapsed(&callers), &mut || {
                moka.elapsed(&callers)
            }],
        ));
    }
    let instructions: Vec<f64> =
        (0..subjects.len()).map(|subject| count::instructions(subject).unwrap_or(f64::NAN)).collect();
    for (what, counted) in [("ns", times), ("instructions", instructions)] {
        let name = format!("1 000 callers that miss at once, {what} each");
        let names = subjects[..3].iter().map(|subject| subject.name);
        let mut table = Table::new(
            &[&[name.as_str()], &*names.collect::<Vec<_>>(), &["of quick_cache", "of moka"]].concat(),
        );
        for (name, counted) in ["one key", "1 000 keys"].into_iter().zip(counted.as_chunks().0) {
            let &[larder, quick, moka] = counted;
            table.row(vec![
                name.to_owned(),
                number(larder),
                number(quick),
                number(moka),
                ratio(larder / quick),
                ratio(larder / moka),
            ]);
        }
        println!("{table}");
    }
}

/// A thousand callers for each thousand ids, whatever these are: all of one key, or each of the next one.
fn crowds<F: Future<Output = ()> + 'static>(
    name: &'static str,
    step: u64,
    call: impl Fn(u64) -> F + Send + Sync + 'static,
) -> Subject {
    let next = AtomicU64::new(step << 40);
    Subject::in_blocks(name, Value::Shared, move |ids| {
        for crowd in ids.chunks_exact(CALLERS) {
            let first = next.fetch_add(crowd.len() as u64, Ordering::Relaxed);
            answered((0..crowd.len() as u64).map(|caller| call(first + step * caller)));
        }
    })
}

/// Polls all callers in turn until each has its answer.
fn answered<F: Future<Output = ()>>(callers: impl Iterator<Item = F>) {
    let mut callers: Vec<Pin<Box<F>>> = callers.map(Box::pin).collect();
    let mut context = Context::from_waker(Waker::noop());
    while !callers.is_empty() {
        callers.retain_mut(|caller| caller.as_mut().poll(&mut context).is_pending());
    }
}
