//! A remote store in trouble is left alone, at next to no cost, until somebody finds that it is back.
//! Here on a store that fails when it is told to, under a clock that jumps; `redis_conditions` has real servers.

use std::time::Duration;

use larder::{Cache, ErrorKind, Result};
use tests::held_store::HeldStore;
use tests::log::Log;
use tests::{until, until_async};
use tokio::task::JoinSet;

const TTL: Duration = Duration::from_secs(300);

fn cache(store: &HeldStore) -> Cache {
    Cache::builder().namespace("shop").remote(store.clone()).build()
}

async fn load(cache: &Cache, key: &str, value: u64) -> u64 {
    let loaded: Result<u64> = cache.get_or_load(key, TTL, || async { Ok(value) }).await;
    loaded.expect("the body does not fail, and nothing else is the caller's")
}

async fn breaker_is_open(cache: &Cache) -> bool {
    cache.health().await.remote.expect("a remote store").breaker_open
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_no_more_until_it_is_back() {
    let log = Log::of_this_thread();
    let store = HeldStore::open();
    let cache = cache(&store);
    assert_eq!(load(&cache, "kept", 1).await, 1);

    store.leave(true);
    for number in 0..5 {
        assert!(!breaker_is_open(&cache).await);
        assert_eq!(load(&cache, "kept", 2 + number).await, 2 + number);
    }
    assert!(breaker_is_open(&cache).await);
    let asked = store.asked();
    for number in 0..1_000 {
        assert_eq!(load(&cache, "kept", number).await, number);
    }
    assert_eq!(store.asked(), asked, "nobody asks it meanwhile");
    let stats = cache.stats();
    assert_eq!((stats.remote_errors, stats.remote_skipped, stats.breaker_openings), (5, 1_000, 1));

    // What looks whether it is back asks a few times a second.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let looks = store.asked() - asked;
    assert!((120..2_000).contains(&looks), "{looks} looks in a minute");

    store.leave(false);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(!breaker_is_open(&cache).await);
    assert_eq!(load(&cache, "kept", 7).await, 1, "it still has the value");
    assert_eq!(
        log.warnings(),
        ["WARN larder the remote store is left alone until it answers again"],
        "one line for each change"
    );
    assert_eq!(log.lines().last().map(String::as_str), Some("INFO larder the remote store answers again"));
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_to_a_store_that_breaker_is_open_is_paid_before_it_is_read_again() {
    let store = HeldStore::open();
    let cache = cache(&store);
    load(&cache, "kept", 1).await;
    store.leave(true);
    for number in 0..5 {
        load(&cache, "other", number).await;
    }
    let asked = store.asked();
    for _ in 0..100 {
        let error = cache.invalidate("kept").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(cache.get::<u64>("kept").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert_eq!(store.asked(), asked);
    let health = cache.health().await;
    assert!(!health.is_well());
    assert_eq!(health.remote.unwrap().owed_invalidations, 100);

    store.leave(false);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(load(&cache, "kept", 2).await, 2);
    assert!(cache.health().await.is_well());
}

#[tokio::test]
async fn a_store_that_is_full_is_not_left_alone() {
    let store = HeldStore::open();
    let cache = cache(&store);
    store.fail_with(Some(ErrorKind::Full));
    for number in 0..100 {
        assert_eq!(load(&cache, "key", number).await, number);
    }
    assert!(!breaker_is_open(&cache).await);
    assert_eq!((cache.stats().remote_skipped, cache.stats().remote_errors), (0, 100));
}

#[tokio::test]
async fn there_is_a_limit_to_what_is_under_way_and_invalidations_pass_it() {
    let store = HeldStore::open();
    let cache = cache(&store);
    store.gate_reads(true);
    let mut readers = JoinSet::new();
    for number in 0..10_050 {
        let cache = cache.clone();
        readers.spawn(async move { load(&cache, &format!("key:{number}"), number).await == number });
    }
    // Those without room have loaded and gone; ten thousand wait for the store.
    until(|| cache.stats().loads == 50).await;
    assert_eq!(cache.stats().remote_skipped, 50);
    assert_eq!(cache.health().await.remote.unwrap().in_flight, 10_000);
    let _ = cache.invalidate("other").await.unwrap();
    store.gate_reads(false);
    while let Some(reader) = readers.join_next().await {
        assert!(reader.unwrap());
    }
    assert_eq!(cache.health().await.remote.unwrap().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_back_is_spared_the_crowd_for_two_seconds() {
    let store = HeldStore::open();
    let cache = cache(&store);
    store.leave(true);
    for number in 0..5 {
        load(&cache, "kept", number).await;
    }
    assert!(breaker_is_open(&cache).await);
    store.leave(false);
    while breaker_is_open(&cache).await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Of 6 000 that come at once a sixteenth of ten thousand find room, a second later a quarter, and then all.
    for (round, wait, room) in [(0, 0, 625..=640), (1, 1_000, 2_500..=2_560), (2, 1_000, 6_000..=6_000)] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        store.gate_reads(true);
        let (loads, skipped) = (cache.stats().loads, cache.stats().remote_skipped);
        let mut readers = JoinSet::new();
        for number in 0..6_000 {
            let cache = cache.clone();
            let key = format!("key:{round}:{number}");
            readers.spawn(async move { load(&cache, &key, number).await });
        }
        let (mut in_flight, mut loaded) = (0, 0);
        // The others load.
        while in_flight + loaded < 6_000 {
            tokio::task::yield_now().await;
            in_flight = cache.health().await.remote.unwrap().in_flight as u64;
            loaded = cache.stats().loads - loads;
        }
        assert!(room.contains(&in_flight), "round {round}: {in_flight}");
        assert_eq!(cache.stats().remote_skipped - skipped, loaded);
        store.gate_reads(false);
        while readers.join_next().await.is_some() {}
    }
}

/// So many calls at once, each of a key of its own, until each of them waits for the store or has loaded.
async fn crowd(cache: &Cache, store: &HeldStore, name: &str, size: u64) -> JoinSet<u64> {
    store.gate_reads(true);
    let loads = cache.stats().loads;
    let mut readers = JoinSet::new();
    for number in 0..size {
        let (cache, key) = (cache.clone(), format!("{name}:{number}"));
        readers.spawn(async move { load(&cache, &key, number).await });
    }
    until_async(async || {
        let waiting = cache.health().await.remote.unwrap().in_flight as u64;
        waiting + cache.stats().loads - loads == size
    })
    .await;
    readers
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_too_slow_is_asked_for_less_and_then_for_more_and_more() {
    let log = Log::of_this_thread();
    let store = HeldStore::open();
    let cache = cache(&store);
    let load_of = async || {
        let remote = cache.health().await.remote.unwrap();
        assert!(!remote.breaker_open);
        (remote.in_flight, remote.room)
    };
    let readers = crowd(&cache, &store, "first", 2_000).await;
    assert_eq!(load_of().await, (2_000, 10_000));
    // No answer comes in time, to any of them: that is one sign of one thing.
    store.fail_with(Some(ErrorKind::Timeout));
    store.gate_reads(false);
    assert_eq!(readers.join_all().await.len(), 2_000);
    let stats = cache.stats();
    assert_eq!((stats.remote_slowdowns, stats.breaker_openings, stats.remote_timeouts), (1, 0, 2_000));
    assert_eq!(load_of().await, (0, 16), "a few see whether it has caught up");

    store.fail_with(None);
    assert_eq!(load(&cache, "kept", 1).await, 1);
    assert_eq!(load_of().await, (0, 1_000), "then half of what was too much");
    let skipped = cache.stats().remote_skipped;
    let readers = crowd(&cache, &store, "second", 3_000).await;
    assert_eq!(load_of().await.0, 1_000);
    assert_eq!(cache.stats().remote_skipped - skipped, 2_000);
    // Half a second later, twice that.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(load_of().await, (1_000, 2_000));
    store.gate_reads(false);
    readers.join_all().await;
    let crowded = "WARN larder the remote store is asked for more than it does: some of it is skipped";
    assert_eq!(log.warnings(), [crowded], "one line for each change");

    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(load(&cache, "kept", 2).await, 1);
    assert_eq!(load_of().await, (0, 10_000));
    let relieved = "INFO larder the remote store is asked for everything again";
    assert_eq!(log.lines().last().map(String::as_str), Some(relieved));
    assert_eq!(log.warnings().len(), 1);
}

#[tokio::test]
async fn an_operation_whose_caller_goes_away_is_under_way_no_more() {
    let store = HeldStore::open();
    let cache = cache(&store);
    store.gate_reads(true);
    for number in 0..20 {
        let reader = tokio::spawn({
            let cache = cache.clone();
            async move { load(&cache, &format!("key:{number}"), number).await }
        });
        until_async(async || cache.health().await.remote.unwrap().in_flight == 1).await;
        reader.abort();
        assert!(reader.await.unwrap_err().is_cancelled());
        assert_eq!(cache.health().await.remote.unwrap().in_flight, 0);
    }
    assert!(!breaker_is_open(&cache).await, "that says nothing about the store");
}

#[test]
fn a_store_is_looked_for_after_the_runtime_that_lost_it_has_ended() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = HeldStore::open();
    let cache = cache(&store);
    store.leave(true);
    runtime().block_on(async {
        for number in 0..10 {
            load(&cache, "key", number).await;
        }
        assert!(breaker_is_open(&cache).await);
    });
    store.leave(false);
    runtime().block_on(async {
        until_async(async || {
            load(&cache, "key", 1).await;
            !breaker_is_open(&cache).await
        })
        .await;
    });
}

#[test]
fn without_a_runtime_nobody_could_look_so_it_is_asked_again() {
    let store = HeldStore::open();
    let cache = cache(&store);
    store.leave(true);
    pollster::block_on(async {
        for number in 0..20 {
            assert_eq!(load(&cache, "key", number).await, number);
        }
        store.leave(false);
        assert_eq!(load(&cache, "key", 1).await, 1);
        assert_eq!(load(&cache, "key", 2).await, 1);
    });
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_for_the_store_of_a_cache_that_is_gone() {
    let store = HeldStore::open();
    let cache = cache(&store);
    store.leave(true);
    for number in 0..5 {
        load(&cache, "key", number).await;
    }
    drop(cache);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = store.asked();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(store.asked(), asked);
}
