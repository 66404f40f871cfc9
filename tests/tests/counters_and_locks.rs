//! What is done in one step however many do it at once: counters and locks, in one process and between processes
//! (two caches over one server are what two processes are).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use larder::{Cache, ErrorKind, Memory};
use tests::held_store::HeldStore;
use tests::map_store::MapStore;
use tests::redis::{Server, patient};
use tests::{Gate, until_async};

const TTL: Duration = Duration::from_secs(300);

fn local() -> Cache {
    Cache::builder().namespace("shop").local(Memory::new(1000)).build()
}

fn shared(server: &Server) -> Cache {
    Cache::builder().namespace("shop").remote(patient(server.url())).build()
}

fn tiered(server: &Server) -> Cache {
    Cache::builder().namespace("shop").local(Memory::new(1000)).remote(patient(server.url())).build()
}

#[tokio::test]
async fn a_counter_is_an_entry_like_any_other() {
    let server = Server::start();
    for cache in [local(), shared(&server), tiered(&server)] {
        let _ = cache.clear().await.unwrap();
        assert_eq!(cache.increment("n", 5).await.unwrap(), 5);
        assert_eq!(cache.increment("n", -7).await.unwrap(), -2);
        assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(-2));
        cache.set("n", &40_i64, TTL).await.unwrap();
        assert_eq!(cache.increment("n", 2).await.unwrap(), 42);
        for target in ["n", "*", "n*"] {
            let _ = cache.invalidate(target).await.unwrap();
            assert_eq!(cache.increment("n", 1).await.unwrap(), 1, "after an invalidation of {target}");
        }
        cache.set("n", &"text".to_owned(), TTL).await.unwrap();
        assert_eq!(cache.increment("n", 3).await.unwrap(), 3, "what is no counter counts as nothing");

        cache.set("n", &(i64::MAX - 1), TTL).await.unwrap();
        assert_eq!(cache.increment("n", 1).await.unwrap(), i64::MAX);
        assert_eq!(cache.increment("n", 1).await.unwrap_err().kind(), ErrorKind::Encode);
        assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(i64::MAX), "and nothing has changed");
    }
}

#[tokio::test]
async fn an_invalidation_wins_over_an_increment_that_is_under_way() {
    for before in [Some(5_i64), None] {
        let store = HeldStore::open();
        let cache = Cache::builder().remote(store.clone()).build();
        if let Some(count) = before {
            cache.set("n", &count, TTL).await.unwrap();
        }
        let gate = Gate::default();
        store.gate_stores(&gate);
        let increment = tokio::spawn({
            let cache = cache.clone();
            async move { cache.increment("n", 1).await.unwrap() }
        });
        gate.arrived(1).await;
        let _ = cache.invalidate("n").await.unwrap();
        gate.open();
        assert_eq!(increment.await.unwrap(), 1, "computed anew, from nothing");
        gate.arrived(2).await;
        assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(1));
    }
}

#[tokio::test]
async fn a_counter_keeps_its_time_to_live_to_the_millisecond() {
    let server = Server::start();
    for cache in [local(), shared(&server)] {
        cache.increment("n", 1).await.unwrap();
        let asked = Instant::now();
        assert!(cache.expire("n", Duration::from_millis(7_654_321)).await.unwrap());
        for _ in 0..200 {
            cache.increment("n", 1).await.unwrap();
        }
        let left = cache.ttl("n").await.unwrap().unwrap();
        assert!(left <= Duration::from_millis(7_654_321));
        assert!(
            left + asked.elapsed() + Duration::from_millis(5) >= Duration::from_millis(7_654_321),
            "{left:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_increment_is_lost_between_tasks_and_processes() {
    let server = Server::start();
    for caches in [vec![local()], vec![shared(&server), tiered(&server), shared(&server)]] {
        let _ = caches[0].clear().await.unwrap();
        let tasks: Vec<_> = (0..30)
            .map(|number| {
                let cache = caches[number % caches.len()].clone();
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    for _ in 0..20 {
                        seen.push(cache.increment("n", 1).await.unwrap());
                    }
                    seen
                })
            })
            .collect();
        let mut seen = BTreeSet::new();
        for task in tasks {
            seen.extend(task.await.unwrap());
        }
        assert_eq!(seen, (1..=600).collect(), "each sum is seen once");
        assert_eq!(caches[0].get::<i64>("n").await.unwrap(), Some(600));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_has_one_holder_and_growing_fences() {
    let server = Server::start();
    for caches in [vec![local()], vec![shared(&server), tiered(&server)]] {
        let (inside, last, most) =
            (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let tasks: Vec<_> = (0..12)
            .map(|number| {
                let cache = caches[number % caches.len()].clone();
                let (inside, last, most) = (Arc::clone(&inside), Arc::clone(&last), Arc::clone(&most));
                tokio::spawn(async move {
                    for _ in 0..3 {
                        let lock = cache.lock("billing", TTL).await.unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        assert!(last.swap(lock.fence(), Ordering::SeqCst) < lock.fence(), "fences grow");
                        inside.fetch_sub(1, Ordering::SeqCst);
                        assert!(lock.release().await.unwrap(), "it was held until then");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 1, "one at a time");
    }
}

#[tokio::test]
async fn a_lock_that_is_dropped_or_whose_holder_goes_away_is_free() {
    let server = Server::start();
    for cache in [local(), shared(&server)] {
        let lock = cache.try_lock("billing", TTL).await.unwrap().expect("it is free");
        assert!(cache.try_lock("billing", TTL).await.unwrap().is_none(), "it is held");
        assert!(cache.try_lock("shipping", TTL).await.unwrap().is_some(), "another is not");
        drop(lock);
        until_async(async || cache.try_lock("billing", TTL).await.unwrap().is_some()).await;

        let held = cache.lock("billing", TTL).await.unwrap();
        let waiting = tokio::spawn({
            let cache = cache.clone();
            async move { cache.lock("billing", TTL).await.unwrap().fence() }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        drop((held, waiting.await));
        until_async(async || cache.try_lock("billing", TTL).await.unwrap().is_some()).await;
    }
}

#[tokio::test]
async fn a_lock_lives_longer_than_its_lease_while_it_is_held() {
    let server = Server::start();
    for cache in [local(), shared(&server)] {
        let lease = Duration::from_secs(2);
        let lock = cache.lock("billing", lease).await.unwrap();
        let start = Instant::now();
        while start.elapsed() < lease * 5 / 4 {
            assert!(cache.try_lock("billing", lease).await.unwrap().is_none());
            tokio::task::yield_now().await;
        }
        assert!(!lock.is_lost());
        assert!(lock.release().await.unwrap());
    }
}

#[tokio::test]
async fn a_lost_lock_is_reported_and_has_the_smaller_fence() {
    let mut server = Server::start();
    let cache = shared(&server);
    // Noticed when it is to be renewed, which is long before the lease would be over.
    let lease = Duration::from_secs(6);
    // Somebody else's, after all that was there is gone.
    let lock = cache.lock("billing", lease).await.unwrap();
    server.tell::<()>(&["FLUSHALL"]);
    let other = shared(&server).lock("billing", TTL).await.unwrap();
    tokio::time::timeout(lease * 3 / 4, lock.lost()).await.expect("it is reported");
    assert!(lock.is_lost() && other.fence() > lock.fence());
    let fence = lock.fence();
    assert!(!lock.release().await.unwrap(), "and there is nothing to give back");
    assert!(!other.is_lost());
    assert!(other.release().await.unwrap());

    // The server is gone for longer than the lease.
    let lease = Duration::from_millis(300);
    let lock = cache.lock("billing", lease).await.unwrap();
    assert!(lock.fence() > fence);
    let asked = Instant::now();
    server.kill();
    tokio::time::timeout(Duration::from_secs(10), lock.lost()).await.expect("it is reported");
    assert!(asked.elapsed() >= lease / 2, "not before anybody else could have it");
    assert!(lock.is_lost());
}

#[tokio::test]
async fn a_lock_leaves_no_key_behind_that_does_not_expire() {
    let server = Server::start();
    let cache = shared(&server);
    for number in 0..5 {
        let lock = cache.lock(format!("lock:{number}"), TTL).await.unwrap();
        assert!(lock.release().await.unwrap());
        cache.increment(format!("counter:{number}"), 1).await.unwrap();
        let _ = cache.invalidate(format!("pattern:{number}:*")).await.unwrap();
    }
    let keys: Vec<String> = server.tell(&["KEYS", "*"]);
    assert!(keys.len() >= 15, "{keys:?}");
    // The log of the namespace is bounded, and stays.
    let is_log = |key: &String| key.ends_with("}:ctl") || key.ends_with("}:log");
    for key in keys.into_iter().filter(|key| !is_log(key)) {
        assert_ne!(server.tell::<i64>(&["PTTL", &key]), -1, "{key} would stay for ever");
    }
}

#[tokio::test]
async fn a_store_without_locks_says_so() {
    let cache = Cache::builder().remote(MapStore::default()).build();
    assert_eq!(cache.try_lock("billing", TTL).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(cache.increment("n", 1).await.unwrap(), 1);
    assert_eq!(cache.increment("n", 1).await.unwrap(), 2);
}
