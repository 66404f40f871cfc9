//! Overlapping calls of one key share one load, whatever becomes of the caller that runs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::Cache;
use cache_memory::Memory;
use futures_util::future::join_all;
use larder::cached;
use tests::Gate;
use tests::map_store::MapStore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const TTL: Duration = Duration::from_secs(300);

/// An error that cannot be copied, as those of most database crates.
#[derive(Debug, PartialEq)]
struct Broken(u64);

#[derive(Clone, Default)]
struct Source {
    gate: Gate,
    loads: Arc<AtomicU64>,
}

impl Source {
    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    fn read<F>(
        &self,
        cache: &Cache,
        then: impl FnOnce(u64) -> F + Send + 'static,
    ) -> JoinHandle<Result<u64, Broken>>
    where
        F: Future<Output = Result<u64, Broken>> + Send,
    {
        let (source, cache) = (self.clone(), cache.clone());
        tokio::spawn(async move {
            cache
                .get_or_load("user:1", TTL, || async {
                    let number = source.loads.fetch_add(1, Ordering::SeqCst) + 1;
                    source.gate.pass().await;
                    then(number).await
                })
                .await
        })
    }

    fn readers(&self, cache: &Cache, count: usize) -> Vec<JoinHandle<Result<u64, Broken>>> {
        (0..count).map(|_| self.read(cache, async |number| Ok(number))).collect()
    }
}

fn cache() -> Cache {
    Cache::builder().local(Memory::new(1000)).build()
}

fn near() -> Cache {
    Cache::builder().local(Memory::new(1000)).remote(MapStore::default()).build()
}

fn is_aloft(cache: &Cache) -> bool {
    !format!("{cache:?}").contains("aloft: 0")
}

/// Waits until `joins` callers wait for the load of another.
async fn joined(cache: &Cache, joins: u64) {
    tests::until(|| cache.stats().joins >= joins).await;
}

#[tokio::test]
async fn a_thousand_callers_of_a_cold_key_run_one_load() {
    let (cache, source) = (cache(), Source::default());
    let readers = source.readers(&cache, 1000);
    source.gate.arrived(1).await;
    joined(&cache, 999).await;
    source.gate.open();
    for value in join_all(readers).await {
        assert_eq!(value.unwrap(), Ok(1));
    }
    assert_eq!(source.loads(), 1);
    assert_eq!((cache.stats().loads, cache.stats().joins), (1, 999));
}

#[tokio::test]
async fn a_dropped_leader_hands_over() {
    for cache in [cache(), near()] {
        let source = Source::default();
        let leader = source.read(&cache, async |number| Ok(number));
        source.gate.arrived(1).await;
        let waiters = source.readers(&cache, 10);
        joined(&cache, 10).await;

        leader.abort();
        source.gate.arrived(2).await;
        source.gate.open();
        for value in join_all(waiters).await {
            assert_eq!(value.unwrap(), Ok(2));
        }
        assert_eq!(source.loads(), 2);
        assert!(!is_aloft(&cache), "nothing is left on the board");
    }
}

#[tokio::test]
async fn callers_that_are_all_dropped_leave_nothing_behind() {
    for cache in [cache(), near()] {
        let source = Source::default();
        let leader = source.read(&cache, async |number| Ok(number));
        source.gate.arrived(1).await;
        let waiters = source.readers(&cache, 10);
        joined(&cache, 10).await;
        // The waiters first, so that nobody is there to take over.
        for caller in waiters.into_iter().chain([leader]) {
            caller.abort();
            assert!(caller.await.unwrap_err().is_cancelled());
        }
        assert!(!is_aloft(&cache), "nothing is left on the board");
        assert_eq!(cache.get::<u64>("user:1").await.unwrap(), None);
        source.gate.open();
        assert_eq!(source.read(&cache, async |number| Ok(number)).await.unwrap(), Ok(2));
        assert_eq!(cache.get::<u64>("user:1").await.unwrap(), Some(2), "the key is usable");
    }
}

/// An error that can be copied.
#[derive(Clone, Debug, PartialEq)]
struct Copied(u64);

#[cached(ttl = 300, key = "failing", skip(source))]
async fn failing(source: &Source) -> Result<u64, Copied> {
    let number = source.loads.fetch_add(1, Ordering::SeqCst) + 1;
    source.gate.pass().await;
    Err(Copied(number))
}

#[tokio::test]
async fn an_error_that_can_be_copied_goes_to_everybody() {
    for cache in [cache(), near()] {
        let source = Source::default();
        let call = || {
            let (cache, source) = (cache.clone(), source.clone());
            tokio::spawn(async move { cache.scope(failing(&source)).await })
        };
        let leader = call();
        source.gate.arrived(1).await;
        let waiters: Vec<_> = (0..20).map(|_| call()).collect();
        joined(&cache, 20).await;
        source.gate.open();
        for caller in waiters.into_iter().chain([leader]) {
            assert_eq!(caller.await.unwrap(), Err(Copied(1)), "never a queue of retries");
        }
        assert!(!is_aloft(&cache), "nothing is left on the board");
        assert_eq!(call().await.unwrap(), Err(Copied(2)), "and it is not stored");
    }
}

#[tokio::test]
async fn a_load_that_comes_round_to_its_own_key_does_not_wait_for_itself() {
    for cache in [cache(), near()] {
        let first = || cache.get_or_load("first", TTL, || async { Ok::<u64, Broken>(1) });
        let second = || cache.get_or_load("second", TTL, || async { Ok::<_, Broken>(first().await? + 1) });
        let outer = cache.get_or_load("first", TTL, || async { Ok::<_, Broken>(second().await? + 1) });
        assert_eq!(outer.await, Ok(3));
        assert_eq!(cache.get_many::<u64>(["first", "second"]).await.unwrap(), [Some(3), Some(2)]);
        assert!(!is_aloft(&cache), "nothing is left on the board");
    }
}

#[tokio::test]
async fn three_hundred_leaders_dropped_in_a_row_strand_nobody() {
    for cache in [cache(), near()] {
        let source = Source::default();
        let last = {
            let mut leaders = source.readers(&cache, 300);
            source.gate.arrived(1).await;
            joined(&cache, 299).await;
            let last = source.read(&cache, async |number| Ok(number));
            joined(&cache, 300).await;
            for (at, leader) in leaders.drain(..).enumerate() {
                leader.abort();
                assert!(leader.await.unwrap_err().is_cancelled());
                source.gate.arrived(at as u64 + 2).await;
            }
            last
        };
        source.gate.open();
        assert_eq!(last.await.unwrap(), Ok(301));
        assert!(!is_aloft(&cache), "nothing is left on the board");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_reaches_its_caller_and_frees_the_key() {
    let (cache, source) = (cache(), Source::default());
    let panicking = |_| async { panic!("the loader's own panic") };
    let leader = source.read(&cache, panicking);
    source.gate.arrived(1).await;
    let waiters: Vec<_> = (0..10).map(|_| source.read(&cache, panicking)).collect();
    joined(&cache, 10).await;
    let opened = Instant::now();
    source.gate.open();

    for reader in waiters.into_iter().chain([leader]) {
        assert!(reader.await.unwrap_err().is_panic(), "everybody's own load panics");
    }
    assert!(opened.elapsed() <= Duration::from_millis(50), "{:?}", opened.elapsed());
    assert!(!is_aloft(&cache), "nothing is left on the board");
    let next = source.read(&cache, async |_| Ok(42));
    assert_eq!(next.await.unwrap(), Ok(42));
}

#[tokio::test]
async fn an_error_that_cannot_be_copied_is_tried_twice_and_then_alone() {
    let (cache, source) = (cache(), Source::default());
    let failing = |number| async move { Err(Broken(number)) };
    let mut readers = vec![source.read(&cache, failing)];
    source.gate.arrived(1).await;
    readers.extend((0..20).map(|_| source.read(&cache, failing)));
    joined(&cache, 20).await;
    source.gate.open();

    let mut errors = Vec::new();
    for reader in readers {
        errors.push(reader.await.unwrap().unwrap_err().0);
    }
    errors.sort_unstable();
    assert_eq!(errors, (1..=21).collect::<Vec<_>>(), "each caller has an error of its own");
    assert_eq!(cache.stats().load_errors, 21);
    assert_eq!(cache.get::<u64>("user:1").await.unwrap(), None, "errors are not stored");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_hangs_holds_nobody_for_ever() {
    let cache = Cache::builder().local(Memory::new(10)).load_limit(Duration::from_millis(500)).build();
    let source = Source::default();
    let hanging = source.read(&cache, async |_| std::future::pending().await);
    source.gate.arrived(1).await;
    source.gate.open();

    let waiter = source.read(&cache, async |number| Ok(number));
    assert_eq!(waiter.await.unwrap(), Ok(2), "after the limit the waiter loads for itself");
    assert_eq!(cache.get::<u64>("user:1").await.unwrap(), Some(2), "and the key is usable again");
    hanging.abort();
}

#[tokio::test]
async fn different_keys_do_not_wait_for_each_other() {
    let (cache, source) = (cache(), Source::default());
    let held = source.read(&cache, async |number| Ok(number));
    source.gate.arrived(1).await;
    let other: Result<u64, Broken> = cache.get_or_load("user:2", TTL, || async { Ok(5) }).await;
    assert_eq!(other, Ok(5));
    source.gate.open();
    assert_eq!(held.await.unwrap(), Ok(1));
}
