//! The cases of the design that one process can show, each with its exact outcome, in memory and in a near
//! cache over a shared store. A test is named after its case; after them come the races that the random
//! traffic of `history` found, one by one.
//!
//! | case | where |
//! |---|---|
//! | 1 key, 2 late reader, 3 static tag, 4 learned tag, 5 pattern and prefix, 6 clear, 7 dependency | here |
//! | 8 refresh, 9 stale on error | here |
//! | 10 dropped leader | `single_flight::a_dropped_leader_hands_over` |
//! | 11 panic | here |
//! | 12 a load that hangs | here |
//! | 13 10 000 readers | here |
//! | 14 300 leaders dropped | `single_flight::three_hundred_leaders_dropped_in_a_row_strand_nobody` |
//! | 15 schedules | `schedules` |
//! | 35 `Err` after the commit, 36 dropped after the commit | here |

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use larder::{Cache, Memory, Scope, Tag, cache_invalidate, cached};
use tests::held_store::HeldStore;
use tests::map_store::MapStore;
use tests::{Gate, until};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance};

const TTL: Duration = Duration::from_secs(300);
/// Δ.
const STALENESS: Duration = Duration::from_millis(400);
const LOAD_LIMIT: Duration = Duration::from_millis(500);

fn in_memory() -> Cache {
    Cache::builder().local(Memory::new(1000)).load_limit(LOAD_LIMIT).build()
}

fn near(store: impl larder::store::RemoteStore) -> Cache {
    Cache::builder()
        .local(Memory::new(1000))
        .remote(store)
        .max_staleness(STALENESS)
        .load_limit(LOAD_LIMIT)
        .build()
}

fn near_over_map() -> Cache {
    near(MapStore::default())
}

/// What reaches `aging:1:body`.
const TARGETS: [&str; 4] = ["aging:1:body", "aging:*", "*:body", "*"];

const BACKENDS: [fn() -> Cache; 2] = [in_memory, near_over_map];

/// What a load fails with.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Down;

/// An application whose loads stop at a gate and return their number.
#[derive(Clone)]
struct App {
    cache: Cache,
    gate: Gate,
    loads: Arc<AtomicU64>,
    fails: Arc<AtomicBool>,
}

impl App {
    fn new(cache: Cache) -> Self {
        Self { cache, gate: Gate::default(), loads: Arc::default(), fails: Arc::default() }
    }

    /// One whose loads do not stop.
    fn open(cache: Cache) -> Self {
        let app = Self::new(cache);
        app.gate.open();
        app
    }

    async fn source(&self) -> u64 {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        self.gate.pass().await;
        number
    }

    #[cached(ttl = 300, key = "user:<id>:posts", skip(self), tags = ["team:7", "users"], cache = self.cache)]
    async fn posts(&self, id: u64) -> u64 {
        let _ = id;
        let number = self.source().await;
        larder::tag("author:9");
        number
    }

    /// An entry that serves on when it has expired, and when its loader fails.
    #[cached(ttl = 300, stale = 900, key = "aging:<id>:body", skip(self), tags = ["team:7"], cache = self.cache)]
    async fn aging(&self, id: u64) -> Result<u64, Down> {
        let _ = id;
        let number = self.source().await;
        if self.fails.load(Ordering::SeqCst) { Err(Down) } else { Ok(number) }
    }

    fn spawn_posts(&self, id: u64) -> JoinHandle<u64> {
        let app = self.clone();
        tokio::spawn(async move { app.posts(id).await })
    }

    async fn by_hand(&self, key: &str) -> u64 {
        let Ok(value) =
            self.cache.get_or_load(key, TTL, || async { Ok::<_, Infallible>(self.source().await) }).await;
        value
    }

    fn spawn_by_hand(&self, key: &'static str) -> JoinHandle<u64> {
        let app = self.clone();
        tokio::spawn(async move { app.by_hand(key).await })
    }

    async fn joined(&self, joins: u64) {
        tests::until(|| self.cache.stats().joins >= joins).await;
    }
}

/// Invalidates `user:1:posts` while its loader is gated with waiters, and reads it again: cases 1 to 7.
async fn an_invalidation_overtakes_a_load(target: Scope, spares: Option<u64>) {
    for shared in [false, true] {
        for late in [false, true] {
            let store = HeldStore::open();
            let app = App::new(if shared { near(store.clone()) } else { in_memory() });
            app.cache.depends("role", &["group"]);
            app.cache.depends("group", &["users", "role"]);
            app.cache.set("other:1", &7_u64, TTL).await.unwrap();
            let waiters: Vec<_> = (0..10).map(|_| app.spawn_posts(1)).collect();
            app.gate.arrived(1).await;
            app.joined(9).await;

            app.cache.invalidate(target.clone()).await.unwrap();
            let reader = late.then(|| app.spawn_posts(1));
            if late && target != Tag::from("author:9").into() {
                app.gate.arrived(2).await;
            } else if late {
                // Nobody knows yet that the load under way will turn out to carry the tag.
                app.joined(10).await;
            }
            app.gate.open();

            for value in join_all(waiters).await {
                assert_eq!(value.unwrap(), 1, "{target}: who waited before gets the old value");
            }
            if let Some(reader) = reader {
                assert_eq!(reader.await.unwrap(), 2, "{target}: a later reader does not");
            } else {
                let cached = app.cache.get::<u64>("user:1:posts").await.unwrap();
                assert_eq!(cached, None, "{target}: nothing is stored, in neither place");
                let elsewhere = Cache::builder().remote(store).build();
                let cached = elsewhere.get::<u64>("user:1:posts").await.unwrap();
                assert_eq!(cached, None, "{target}: nor for other processes");
            }
            assert_eq!(app.posts(1).await, 2, "{target}: what is read next is new");
            assert_eq!(app.posts(1).await, 2, "{target}: and stored");
            if let Some(id) = spares {
                let before = app.posts(id).await;
                app.cache.invalidate(target.clone()).await.unwrap();
                assert_eq!(app.posts(id).await, before, "{target} leaves {id} alone");
            }
            let other = app.cache.get::<u64>("other:1").await.unwrap();
            assert_eq!(other.is_some(), target != Scope::Everything, "{target} and a key of another kind");
        }
    }
}

#[tokio::test]
async fn case_1_and_2_a_key_is_invalidated_while_its_loader_is_gated() {
    an_invalidation_overtakes_a_load("user:1:posts".into(), Some(2)).await;
}

#[tokio::test]
async fn case_3_a_static_tag() {
    an_invalidation_overtakes_a_load(Tag::from("team:7").into(), None).await;
}

#[tokio::test]
async fn case_4_a_tag_that_only_the_result_tells() {
    an_invalidation_overtakes_a_load(Tag::from("author:9").into(), None).await;
}

#[tokio::test]
async fn case_5_a_pattern_and_a_prefix() {
    for target in ["user:1:*", "us*:1:*s"] {
        an_invalidation_overtakes_a_load(target.into(), Some(2)).await;
    }
    for target in ["user:*", "*:posts"] {
        an_invalidation_overtakes_a_load(target.into(), None).await;
    }
}

#[tokio::test]
async fn case_6_clear() {
    an_invalidation_overtakes_a_load(Scope::Everything, None).await;
}

#[tokio::test]
async fn case_7_a_dependency() {
    for tag in ["role", "group"] {
        an_invalidation_overtakes_a_load(Tag::from(tag).into(), None).await;
    }
}

#[tokio::test(start_paused = true)]
async fn case_8_a_refresh_is_gated_and_its_key_invalidated() {
    for build in BACKENDS {
        for target in TARGETS.map(Scope::from).into_iter().chain([Tag::from("team:7").into()]) {
            let app = App::open(build());
            assert_eq!(app.aging(1).await, Ok(1));
            advance(TTL + Duration::from_secs(1)).await;
            let held = App { gate: Gate::default(), ..app.clone() };
            assert_eq!(held.aging(1).await, Ok(1), "stale, and refreshed");
            held.gate.arrived(1).await;
            assert_eq!(app.aging(1).await, Ok(1), "stale, and refreshed already");

            app.cache.invalidate(target.clone()).await.unwrap();
            assert_eq!(app.aging(1).await, Ok(3), "{target}: neither stale nor joined");
            held.gate.open();
            until(|| app.cache.stats().refreshes == 1).await;
            until(|| format!("{:?}", app.cache).contains("aloft: 0")).await;
            assert_eq!(app.aging(1).await, Ok(3), "{target}: what the refresh made is thrown away");
            advance(STALENESS).await;
            assert_eq!(app.aging(1).await, Ok(3), "{target}: from the shared store too");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn case_9_an_invalidated_value_does_not_come_back_when_its_loader_fails() {
    for build in BACKENDS {
        for target in TARGETS.map(Scope::from).into_iter().chain([Tag::from("team:7").into()]) {
            let app = App::open(build());
            assert_eq!(app.aging(1).await, Ok(1));
            advance(TTL + Duration::from_secs(1)).await;
            app.fails.store(true, Ordering::SeqCst);
            assert_eq!(app.aging(1).await, Ok(1), "stale");
            until(|| app.cache.stats().refreshes == 1).await;
            assert_eq!(app.aging(1).await, Ok(1), "a stale-on-error entry");

            app.cache.invalidate(target.clone()).await.unwrap();
            assert_eq!(app.aging(1).await, Err(Down), "{target}: the error, never the old value");
            assert_eq!(app.aging(1).await, Err(Down));
            app.fails.store(false, Ordering::SeqCst);
            assert_eq!(app.aging(1).await, Ok(5));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn case_11_a_loader_panics_with_ten_waiters() {
    for build in BACKENDS {
        let app = App::new(build());
        let leader = tokio::spawn({
            let app = app.clone();
            async move {
                let load = app.cache.get_or_load("user:1", TTL, || async {
                    app.source().await;
                    panic!("the loader's own panic");
                    #[expect(unreachable_code, reason = "says what the loader would return")]
                    Ok::<u64, Infallible>(0)
                });
                load.await
            }
        });
        app.gate.arrived(1).await;
        let waiters: Vec<_> = (0..10).map(|_| app.spawn_by_hand("user:1")).collect();
        app.joined(10).await;

        let opened = Instant::now();
        app.gate.open();
        assert!(leader.await.unwrap_err().is_panic(), "it reaches its own caller");
        for value in join_all(waiters).await {
            assert_eq!(value.unwrap(), 2, "the others get the value of one more load");
        }
        assert!(opened.elapsed() <= Duration::from_millis(50), "{:?}", opened.elapsed());
        assert!(format!("{:?}", app.cache).contains("aloft: 0"), "nothing is left on the board");

        app.cache.invalidate("user:1").await.unwrap();
        assert_eq!(app.by_hand("user:1").await, 3, "the next read loads");
    }
}

#[tokio::test(start_paused = true)]
async fn case_12_a_loader_hangs() {
    for build in BACKENDS {
        let app = App::new(build());
        let hanging = app.spawn_by_hand("user:1");
        app.gate.arrived(1).await;
        let asked = Instant::now();
        let other = App { gate: Gate::default(), ..app.clone() };
        other.gate.open();
        assert_eq!(other.by_hand("user:1").await, 2);
        assert!(asked.elapsed() <= LOAD_LIMIT + Duration::from_millis(1), "{:?}", asked.elapsed());
        assert_eq!(other.by_hand("user:1").await, 2, "the key is usable again");
        hanging.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn case_13_ten_thousand_readers_of_a_cold_key_run_one_load() {
    for build in BACKENDS {
        let app = App::new(build());
        let readers: Vec<_> = (0..10_000).map(|_| app.spawn_by_hand("user:1")).collect();
        app.gate.arrived(1).await;
        app.joined(9_999).await;
        app.gate.open();
        assert!(join_all(readers).await.into_iter().all(|value| value.unwrap() == 1));
        assert_eq!(app.cache.stats().loads, 1);
    }
}

/// What a mutation does once it has committed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Returns,
    Fails,
    Panics,
    IsDropped,
}

impl App {
    #[cache_invalidate("user:<id>:posts", tags = ["users"], cache = self.cache)]
    async fn mutate(&self, id: u64, then: Then, committed: &Gate) -> Result<(), &'static str> {
        let _ = id;
        committed.pass().await;
        match then {
            Then::Returns => Ok(()),
            Then::Fails => Err("after the commit"),
            Then::Panics => panic!("after the commit"),
            Then::IsDropped => std::future::pending().await,
        }
    }
}

async fn a_mutation_that_committed_invalidates(then: Then) {
    for build in BACKENDS {
        let app = App::open(build());
        assert_eq!((app.posts(1).await, app.posts(2).await), (1, 2));
        let held = App { gate: Gate::default(), ..app.clone() };
        let before = held.spawn_by_hand("user:1:posts:draft");
        held.gate.arrived(1).await;

        let committed = Gate::default();
        committed.open();
        let mutation = tokio::spawn({
            let (app, committed) = (app.clone(), committed.clone());
            async move { app.mutate(1, then, &committed).await }
        });
        committed.arrived(1).await;
        if then == Then::IsDropped {
            mutation.abort();
        }
        match (then, mutation.await) {
            (Then::Returns, Ok(Ok(()))) | (Then::Fails, Ok(Err(_))) => {}
            (Then::Panics, Err(error)) => assert!(error.is_panic()),
            (Then::IsDropped, Err(error)) => assert!(error.is_cancelled()),
            (_, outcome) => panic!("{then:?}: {outcome:?}"),
        }
        assert_eq!((app.posts(1).await, app.posts(2).await), (4, 5), "{then:?}: its key and its tag");
        assert_eq!((app.posts(1).await, app.posts(2).await), (4, 5));
        held.gate.open();
        assert_eq!(before.await.unwrap(), 3);
        assert_eq!(app.by_hand("user:1:posts:draft").await, 3, "{then:?}: another key is left alone");
    }
}

#[tokio::test]
async fn case_35_a_mutation_that_returns_an_error_after_committing_invalidates() {
    a_mutation_that_committed_invalidates(Then::Returns).await;
    a_mutation_that_committed_invalidates(Then::Fails).await;
    a_mutation_that_committed_invalidates(Then::Panics).await;
}

#[tokio::test]
async fn case_36_a_mutation_that_is_dropped_after_committing_invalidates() {
    a_mutation_that_committed_invalidates(Then::IsDropped).await;
}

#[tokio::test]
async fn a_caller_that_takes_over_a_load_brings_its_own_tags() {
    for build in BACKENDS {
        let app = App::new(build());
        let untagged = app.spawn_by_hand("user:1:posts");
        app.gate.arrived(1).await;
        let tagged = app.spawn_posts(1);
        app.joined(1).await;
        untagged.abort();
        app.gate.open();
        assert_eq!(tagged.await.unwrap(), 2);
        app.cache.invalidate(Tag::from("team:7")).await.unwrap();
        assert_eq!(app.posts(1).await, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_more_than_three_loads() {
    let app = App::new(in_memory());
    let mut leader = app.spawn_by_hand("user:1:posts");
    app.gate.arrived(1).await;
    let tagged = app.spawn_posts(1);
    app.joined(1).await;
    for turn in 1..=3 {
        // Behind the other, who is asked first and declines: without its tags it cannot lead this load.
        let next = app.spawn_by_hand("user:1:posts");
        app.joined(2 * turn).await;
        leader.abort();
        app.gate.arrived(turn + 1).await;
        leader = next;
        if turn < 3 {
            app.joined(2 * turn + 1).await;
        }
    }
    // It loads for itself, while the fourth load of the others is still under way.
    app.gate.arrived(5).await;
    app.gate.open();
    let values = [tagged.await.unwrap(), leader.await.unwrap()];
    assert!(values == [4, 5] || values == [5, 4], "{values:?}");
}

#[tokio::test]
async fn a_caller_inherits_the_tags_of_a_load_that_it_waited_for_even_if_they_are_not_certain() {
    let app = App::new(in_memory());
    let post = async |app: &App| {
        let load = app.cache.get_or_load("inner", TTL, || async {
            let number = app.source().await;
            larder::tag("author:9");
            Ok::<_, Infallible>(number)
        });
        let Ok(value) = load.await;
        value
    };
    let inner = tokio::spawn({
        let app = app.clone();
        async move { post(&app).await }
    });
    app.gate.arrived(1).await;
    let outer = async || {
        let Ok(value) =
            app.cache.get_or_load("outer", TTL, || async { Ok::<_, Infallible>(post(&app).await) }).await;
        value
    };
    let reader = async {
        app.joined(1).await;
        // So many that nobody remembers which tags moved while the load ran.
        for number in 0..10_000 {
            app.cache.invalidate(Tag::from(format!("tag:{number}"))).await.unwrap();
        }
        app.gate.open();
    };
    let (value, ()) = futures_util::future::join(outer(), reader).await;
    assert_eq!((value, inner.await.unwrap()), (1, 1));
    app.cache.invalidate(Tag::from("author:9")).await.unwrap();
    assert_eq!(outer().await, 2);
}

#[tokio::test]
async fn what_is_read_from_the_shared_store_during_a_failing_invalidation_is_gone_after_it() {
    let held = HeldStore::default();
    let app = App::open(near(held.clone()));
    let elsewhere = App::open(near(held.clone()));
    assert_eq!(elsewhere.by_hand("user:1").await, 1);

    held.fail(true);
    let invalidation = tokio::spawn({
        let cache = app.cache.clone();
        async move { cache.invalidate("user:1").await }
    });
    held.gate.arrived(1).await;
    assert_eq!(app.cache.get::<u64>("user:1").await.unwrap(), Some(1), "not acknowledged yet");
    held.gate.open();
    invalidation.await.unwrap().expect_err("the store is away");
    app.loads.store(10, Ordering::SeqCst);
    assert_eq!(app.by_hand("user:1").await, 11, "it reports an error and holds here all the same");
}

#[tokio::test]
async fn what_is_read_from_the_shared_store_before_an_invalidation_is_dropped_is_gone_after_it() {
    let held = HeldStore::default();
    let app = App::open(near(held.clone()));
    let elsewhere = App::open(near(held.clone()));
    assert_eq!(elsewhere.by_hand("user:1").await, 1);

    let invalidation = tokio::spawn({
        let cache = app.cache.clone();
        async move { cache.invalidate("user:1").await }
    });
    held.gate.arrived(1).await;
    assert_eq!(app.cache.get::<u64>("user:1").await.unwrap(), Some(1), "not acknowledged yet");
    invalidation.abort();
    assert!(invalidation.await.unwrap_err().is_cancelled());
    held.gate.open();
    app.loads.store(10, Ordering::SeqCst);
    assert_eq!(app.by_hand("user:1").await, 11);
}

#[tokio::test]
async fn a_delete_that_fails_holds_here_all_the_same() {
    let held = HeldStore::open();
    let app = App::open(near(held.clone()));
    assert_eq!(app.by_hand("user:1").await, 1);
    held.leave(true);
    app.cache.delete("user:1").await.expect_err("the store is away");
    assert_eq!(app.by_hand("user:1").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_reader_does_not_join_a_load_that_is_older_than_the_staleness_bound() {
    let store = HeldStore::open();
    let slow = |store: &HeldStore| {
        let builder = Cache::builder().local(Memory::new(1000)).remote(store.clone());
        builder.max_staleness(STALENESS).load_limit(10 * STALENESS).build()
    };
    let (here, there) = (App::open(slow(&store)), App::new(slow(&store)));
    let early = there.spawn_by_hand("user:1");
    there.gate.arrived(1).await;
    here.cache.invalidate("user:1").await.unwrap();
    tokio::time::advance(STALENESS + Duration::from_millis(1)).await;

    let late = there.spawn_by_hand("user:1");
    there.gate.arrived(2).await;
    there.gate.open();
    assert_eq!((early.await.unwrap(), late.await.unwrap()), (1, 2));
}

#[tokio::test]
async fn an_older_load_is_not_stored_over_a_refresh() {
    for build in BACKENDS {
        let app = App::new(build());
        let older = app.spawn_posts(1);
        app.gate.arrived(1).await;
        let newer = App { gate: Gate::default(), ..app.clone() };
        newer.gate.open();
        assert_eq!(newer.posts_refresh(1).await, 2);
        app.gate.open();
        assert_eq!(older.await.unwrap(), 1);
        assert_eq!(app.posts(1).await, 2);
    }
}

#[tokio::test]
async fn an_older_load_is_not_stored_over_what_was_set_if_absent() {
    for build in BACKENDS {
        let app = App::new(build());
        let older = app.spawn_by_hand("user:1");
        app.gate.arrived(1).await;
        assert!(app.cache.set_if_absent("user:1", &99_u64, TTL).await.unwrap());
        app.gate.open();
        assert_eq!(older.await.unwrap(), 1);
        assert_eq!(app.cache.get::<u64>("user:1").await.unwrap(), Some(99));
    }
}
