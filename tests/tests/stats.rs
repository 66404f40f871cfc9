//! What each function has done through each cache, counted exactly however many call it at once.
//!
//! Where the value of one call came from is in `outcome`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, FunctionStats, KeyPart, Memory, Stats, cached};

#[cached(ttl = 300, key = "square:<of>")]
async fn square(of: u64) -> u64 {
    of * of
}

#[cached(ttl = 300, key = "checked:<of>", cache = cache, skip(cache))]
async fn checked(cache: &Cache, of: u64) -> Result<u64, &'static str> {
    let _ = cache;
    if of == 0 { Err("of nothing") } else { Ok(of) }
}

#[cached(ttl = 300, key = "text:<of>")]
async fn text<T: KeyPart + ToString + Send + Sync>(of: T) -> String {
    of.to_string()
}

fn in_memory() -> Cache {
    Cache::builder().local(Memory::new(10_000)).build()
}

fn of<'s>(stats: &'s Stats, function: &str) -> &'s FunctionStats {
    let found = stats.functions().iter().find(|stats| stats.function == function);
    found.unwrap_or_else(|| panic!("nothing of {function}: {:?}", stats.functions()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_of_every_thread_is_counted_once_and_for_its_function() {
    const THREADS: u64 = 40;
    const CALLS: u64 = 5_000;
    let cache = in_memory();
    let loaded = AtomicU64::new(0);
    // More threads than have a place of their own.
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (cache, loaded) = (cache.clone(), &loaded);
            scope.spawn(move || {
                pollster::block_on(cache.clone().scope(async {
                    for call in 0..CALLS {
                        assert_eq!(square(call % 10).await, (call % 10) * (call % 10));
                        checked(&cache, call % 7 + 1).await.unwrap();
                        let by_hand =
                            cache.get_or_load(format!("by hand:{thread}"), Duration::MAX, || async {
                                loaded.fetch_add(1, Ordering::Relaxed);
                                Ok::<u64, ()>(call)
                            });
                        assert_eq!(by_hand.await, Ok(0));
                    }
                }));
            });
        }
    });
    let stats = cache.stats();
    let (square, checked) = (of(&stats, "square"), of(&stats, "checked"));
    assert_eq!((square.template, checked.template), ("square:<of>", "checked:<of>"));
    assert_eq!(square.module, "stats");
    for (function, keys) in [(square, 10), (checked, 7)] {
        assert_eq!(function.hits + function.misses + function.joins, THREADS * CALLS, "{function:?}");
        assert_eq!((function.loads, function.misses, function.stores), (keys, keys, keys), "{function:?}");
        assert_eq!((function.hits, function.remote_hits), (function.local_hits, 0));
        assert_eq!(function.load_times.count(), keys);
        let timed = function.hit_times.count();
        assert!(
            (function.hits / 2..=function.hits).contains(&timed),
            "those that are timed stand for all: {timed}"
        );
    }
    assert_eq!(stats.functions().len(), 2, "what is by hand is of no function");
    assert_eq!(loaded.into_inner(), THREADS);
    assert_eq!(stats.loads, 10 + 7 + THREADS, "the cache has done what was done through it");
    assert_eq!(stats.hits + stats.misses + stats.joins, 3 * THREADS * CALLS);
    assert_eq!(stats.load_times.count(), stats.loads);
}

#[tokio::test]
async fn a_function_counts_apart_in_each_cache_that_serves_it() {
    let (one, other) = (in_memory(), in_memory());
    for (cache, calls) in [(&one, 3), (&other, 5), (&one, 1)] {
        for _ in 0..calls {
            checked(cache, 1).await.unwrap();
        }
    }
    let counts = |cache: &Cache| {
        let stats = cache.stats();
        let function = of(&stats, "checked");
        (function.hits, function.misses, function.loads)
    };
    assert_eq!(counts(&one), (3, 1, 1));
    assert_eq!(counts(&other), (4, 1, 1));
    drop((one, other));
    let third = in_memory();
    assert!(third.stats().functions().is_empty(), "and not at all in one that has not");
    checked(&third, 1).await.unwrap();
    assert_eq!(counts(&third), (0, 1, 1));
}

#[tokio::test]
async fn errors_are_loads_that_are_timed_and_not_stored() {
    let cache = in_memory();
    for _ in 0..3 {
        checked(&cache, 0).await.unwrap_err();
    }
    let stats = cache.stats();
    let function = of(&stats, "checked");
    assert_eq!((function.misses, function.loads, function.load_errors, function.stores), (3, 3, 3, 0));
    assert_eq!((function.load_times.count(), function.load_times.sum()), (3, function.load_time));
    assert!(function.hit_ratio().abs() < f64::EPSILON);
    assert_eq!(function.time_saved(), Duration::ZERO);
}

#[tokio::test]
async fn all_instances_of_a_generic_function_are_one() {
    in_memory()
        .scope(async {
            assert_eq!(text(7_u64).await, "7");
            assert_eq!(text("seven").await, "seven");
            assert_eq!(text("seven").await, "seven");
            let stats = Cache::global().stats();
            let function = of(&stats, "text");
            assert_eq!((function.template, function.misses, function.hits), ("text:<of>", 2, 1));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_time_saved_is_that_of_the_loads_that_hits_have_spared() {
    #[cached(ttl = 300, key = "slow:<of>")]
    async fn slow(of: u64) -> Arc<u64> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Arc::new(of)
    }
    in_memory()
        .scope(async {
            for _ in 0..11 {
                slow(1).await;
            }
            let stats = Cache::global().stats();
            let function = of(&stats, "slow");
            // The clock stands still but for the load, so that a hit takes no time.
            assert_eq!((function.hits, function.load_times.mean()), (10, Duration::from_millis(200)));
            assert_eq!(function.time_saved(), Duration::from_secs(2));
            assert_eq!(function.hit_times.quantile(1.0), Duration::ZERO);
            let p99 = function.load_times.quantile(0.99);
            assert!((Duration::from_millis(200)..=Duration::from_millis(225)).contains(&p99), "{p99:?}");
        })
        .await;
}
