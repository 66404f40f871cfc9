//! A cache belongs to no runtime: it works in several at once, in none, and after one has shut down.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cache_core::Cache;
use cache_memory::Memory;
use larder::cached;
use tokio::runtime::{Builder, Runtime};

const TTL: Duration = Duration::from_secs(300);

fn cache() -> Cache {
    Cache::builder().local(Memory::new(100)).build()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs the load of one key in each of two places, of which the second comes while the first is loading.
fn two_places(run: fn(&mut dyn FnMut(), &Cache, &AtomicU64) -> u64) {
    let (cache, loads) = (cache(), AtomicU64::new(0));
    let (loading, begun) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let (loading, ended) = (loading, ended);
            let mut held = || {
                loading.send(()).unwrap();
                ended.recv().unwrap();
            };
            run(&mut held, &cache, &loads)
        });
        begun.recv().unwrap();
        let second = scope.spawn(|| run(&mut || (), &cache, &loads));
        while cache.stats().joins < 1 {
            std::thread::yield_now();
        }
        end.send(()).unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 1));
    });
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

async fn load(held: &mut dyn FnMut(), cache: &Cache, loads: &AtomicU64) -> u64 {
    let Ok(value) = cache
        .get_or_load("key", TTL, || async {
            let number = loads.fetch_add(1, Ordering::SeqCst) + 1;
            held();
            Ok::<_, Infallible>(number)
        })
        .await;
    value
}

#[test]
fn two_runtimes_share_one_load() {
    two_places(|held, cache, loads| runtime().block_on(load(held, cache, loads)));
}

#[test]
fn no_tokio_at_all() {
    two_places(|held, cache, loads| pollster::block_on(load(held, cache, loads)));
}

#[test]
fn a_runtime_that_shuts_down_during_a_load_strands_nobody() {
    let cache = cache();
    let first = runtime();
    let (loading, begun) = mpsc::channel();
    let inner = cache.clone();
    first.spawn(async move {
        let _: Result<u64, Infallible> = inner
            .get_or_load("key", TTL, || async {
                loading.send(()).unwrap();
                std::future::pending().await
            })
            .await;
    });
    first.block_on(tokio::task::yield_now());
    begun.recv().unwrap();
    drop(first);
    let value: Result<u64, Infallible> =
        runtime().block_on(cache.get_or_load("key", TTL, || async { Ok(2) }));
    assert_eq!(value, Ok(2));
    assert!(format!("{cache:?}").contains("aloft: 0"), "nothing is left on the board");
}

/// Reads a value whose time to live is over as soon as it is stored.
#[cached(ttl = Duration::from_nanos(1), stale = 600, key = "aging", skip(cache, loads, source), cache = cache)]
async fn aging(cache: &Cache, loads: &Arc<AtomicU64>, source: &Source) -> u64 {
    let _ = cache;
    let number = loads.fetch_add(1, Ordering::SeqCst) + 1;
    source.0(number).await;
    number
}

type Pause = dyn Fn(u64) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// Decides what a load waits for, by its number.
#[derive(Clone)]
struct Source(Arc<Pause>);

impl Source {
    fn at_once() -> Self {
        Self(Arc::new(|_| Box::pin(std::future::ready(()))))
    }

    /// The first load ends, the others never do.
    fn endless() -> Self {
        Self(Arc::new(|number| {
            Box::pin(async move {
                if number > 1 {
                    std::future::pending::<()>().await;
                }
            })
        }))
    }
}

#[test]
fn without_a_runtime_a_stale_value_is_loaded_by_its_caller() {
    let (cache, loads) = (cache(), Arc::default());
    for number in 1..5 {
        assert_eq!(pollster::block_on(aging(&cache, &loads, &Source::at_once())), number);
    }
    assert!(format!("{cache:?}").contains("aloft: 0"), "nothing is left on the board");
}

#[test]
fn a_refresh_keeps_no_runtime_alive_and_the_next_one_refreshes() {
    let (cache, loads) = (cache(), Arc::default());
    let first = runtime();
    assert_eq!(first.block_on(aging(&cache, &loads, &Source::endless())), 1);
    assert_eq!(first.block_on(aging(&cache, &loads, &Source::endless())), 1);
    first.block_on(tests::until(|| loads.load(Ordering::SeqCst) == 2));
    assert!(format!("{cache:?}").contains("aloft: 1"));
    drop(first);
    assert!(format!("{cache:?}").contains("aloft: 0"), "it left when its runtime did");

    let second = runtime();
    assert_eq!(second.block_on(aging(&cache, &loads, &Source::at_once())), 1, "stale, and refreshed here");
    second.block_on(tests::until(|| cache.stats().refreshes == 1));
    assert_eq!(second.block_on(aging(&cache, &loads, &Source::at_once())), 3);
}
