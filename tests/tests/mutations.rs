//! The mutation side: what each kind of target takes away, however the body ends and whatever the options, in memory
//! and in a near cache over a shared store. What a reader sees meanwhile is the business of `coherence_cases`.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Any, Cache, ErrorKind, Memory, Tag, cache_invalidate, cached};
use tests::held_store::HeldStore;

const TTL: Duration = Duration::from_secs(300);

static LOADS: AtomicU64 = AtomicU64::new(0);

fn load() -> u64 {
    LOADS.fetch_add(1, Ordering::SeqCst)
}

#[cached(ttl = 300, key = "user:<id>", tags = ["team:<id>", "users"])]
async fn user(id: u64) -> u64 {
    id * 1_000_000 + load()
}

#[cached(ttl = 300, key = "user:<id>:posts:<page>")]
async fn posts(id: u64, page: u64) -> u64 {
    (id + page) * 1_000_000 + load()
}

#[cached(ttl = 300)]
async fn without_key(id: u64) -> u64 {
    id * 1_000_000 + load()
}

struct Repo;

impl Repo {
    #[cached(ttl = 300, key = "repo:<id>", skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id * 1_000_000 + load()
    }

    #[cache_invalidate(self.get(id))]
    async fn by_method(&self, id: u64, end: End) -> Outcome {
        body(id, end).await
    }
}

/// All that is cached: `user(1)`, `user(2)`, `posts(1, 1)`, `posts(2, 1)`, `without_key(1)`, `repo.get(1)`.
async fn read() -> [u64; 6] {
    [
        user(1).await,
        user(2).await,
        posts(1, 1).await,
        posts(2, 1).await,
        without_key(1).await,
        Repo.get(1).await,
    ]
}

/// How the body ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Returns,
    Fails,
    Panics,
    IsDropped,
}

const ENDS: [End; 4] = [End::Returns, End::Fails, End::Panics, End::IsDropped];

#[derive(Debug, PartialEq)]
enum Failure {
    OfTheBody,
    OfTheCache(ErrorKind),
}

impl From<larder::Error> for Failure {
    fn from(error: larder::Error) -> Self {
        Self::OfTheCache(error.kind())
    }
}

type Outcome = Result<u64, Failure>;

async fn body(id: u64, end: End) -> Outcome {
    match end {
        End::Returns => Ok(id),
        End::Fails => Err(Failure::OfTheBody),
        End::Panics => panic!("the body's own panic"),
        End::IsDropped => std::future::pending().await,
    }
}

/// Functions over `id` and `end`, with these attributes.
macro_rules! mutations {
    ($($(#[$attribute:meta])* $name:ident($id:ident, $end:ident);)*) => {$(
        $(#[$attribute])*
        async fn $name($id: u64, $end: End) -> Outcome {
            body($id, $end).await
        }
    )*};
}

mutations! {
    #[cache_invalidate("user:<id>")]
    by_key(id, end);
    #[cache_invalidate("user:<id>:*")]
    by_prefix(id, end);
    #[cache_invalidate("us*:<id>:*")]
    by_glob(id, end);
    #[cache_invalidate("*")]
    by_star(id, end);
    #[cache_invalidate(tags = ["team:<id>"])]
    by_tag(id, end);
    #[cache_invalidate(tags = ["company:<id>"])]
    by_dependency(id, end);
    #[cache_invalidate(user(id))]
    by_function(id, end);
    #[cache_invalidate(posts(id, _))]
    by_function_in_part(id, end);
    #[cache_invalidate(without_key(_))]
    by_whole_function(id, end);
    #[cache_invalidate("user:<id>", posts(id, 1), tags = ["team:<id>"])]
    by_several(id, end);
    #[cache_invalidate("user:<id>", on_ok)]
    by_key_on_ok(id, end);
    #[cache_invalidate(posts(id, _), on_ok)]
    by_function_on_ok(id, end);
    #[cache_invalidate(tags = ["team:<id>"], on_ok)]
    by_tag_on_ok(id, end);
    #[cache_invalidate("user:<result>")]
    by_key_of_the_result(id, end);
    #[cache_invalidate(user(result))]
    by_function_of_the_result(id, end);
    #[cache_invalidate(tags = ["team:<result>"])]
    by_tag_of_the_result(id, end);
    #[cache_invalidate("user:<id>", user(2), when = id == 1)]
    when_it_is_so(id, end);
    #[cache_invalidate("user:<id>", user(2), tags = ["users"], when = id != 1)]
    when_it_is_not_so(id, end);
    #[cache_invalidate("user:<id>", strict)]
    by_key_strictly(id, end);
    #[cache_invalidate(posts(id, _), strict)]
    by_function_strictly(id, end);
    #[cache_invalidate(tags = ["team:<id>"], strict, on_ok)]
    by_tag_strictly_on_ok(id, end);
}

type Mutation = fn(u64, End) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A mutation of 1, which of the things that [`read`] reads it takes, and after which ends.
struct Case(&'static str, Mutation, [u8; 6], fn(End) -> bool);

macro_rules! case {
    ($name:ident takes $taken:expr, $when:expr) => {
        Case(stringify!($name), |id, end| Box::pin($name(id, end)), $taken, $when)
    };
}

async fn by_method(id: u64, end: End) -> Outcome {
    Repo.by_method(id, end).await
}

fn cases() -> Vec<Case> {
    let always = |_| true;
    let never = |_| false;
    let on_ok = |end| end == End::Returns;
    vec![
        case!(by_key takes [1, 0, 0, 0, 0, 0], always),
        case!(by_prefix takes [0, 0, 1, 0, 0, 0], always),
        case!(by_glob takes [0, 0, 1, 0, 0, 0], always),
        case!(by_star takes [1, 1, 1, 1, 1, 1], always),
        case!(by_tag takes [1, 0, 0, 0, 0, 0], always),
        case!(by_dependency takes [1, 0, 0, 0, 0, 0], always),
        case!(by_function takes [1, 0, 0, 0, 0, 0], always),
        case!(by_function_in_part takes [0, 0, 1, 0, 0, 0], always),
        case!(by_whole_function takes [0, 0, 0, 0, 1, 0], always),
        case!(by_method takes [0, 0, 0, 0, 0, 1], always),
        case!(by_several takes [1, 0, 1, 0, 0, 0], always),
        case!(by_key_on_ok takes [1, 0, 0, 0, 0, 0], on_ok),
        case!(by_function_on_ok takes [0, 0, 1, 0, 0, 0], on_ok),
        case!(by_tag_on_ok takes [1, 0, 0, 0, 0, 0], on_ok),
        case!(by_key_of_the_result takes [1, 0, 0, 0, 0, 0], on_ok),
        case!(by_function_of_the_result takes [1, 0, 0, 0, 0, 0], on_ok),
        case!(by_tag_of_the_result takes [1, 0, 0, 0, 0, 0], on_ok),
        case!(when_it_is_so takes [1, 1, 0, 0, 0, 0], always),
        case!(when_it_is_not_so takes [0, 0, 0, 0, 0, 0], never),
        case!(by_key_strictly takes [1, 0, 0, 0, 0, 0], always),
        case!(by_function_strictly takes [0, 0, 1, 0, 0, 0], always),
        case!(by_tag_strictly_on_ok takes [1, 0, 0, 0, 0, 0], on_ok),
    ]
}

fn in_memory() -> Cache {
    Cache::builder().local(Memory::new(100)).build()
}

fn near(store: &HeldStore) -> Cache {
    Cache::builder().local(Memory::new(100)).remote(store.clone()).build()
}

/// Runs the mutation of 1 to this end.
async fn mutate(cache: &Cache, mutation: Mutation, end: End) {
    let cache = cache.clone();
    let running = tokio::spawn(async move { cache.scope(mutation(1, end)).await });
    if end == End::IsDropped {
        // Once it has run, its body has begun and waits.
        tokio::task::yield_now().await;
        running.abort();
    }
    match (end, running.await) {
        (End::Returns, Ok(Ok(1))) | (End::Fails, Ok(Err(Failure::OfTheBody))) => {}
        (End::Panics, Err(error)) => assert!(error.is_panic()),
        (End::IsDropped, Err(error)) => assert!(error.is_cancelled()),
        (end, outcome) => panic!("{end:?}: {outcome:?}"),
    }
}

#[tokio::test]
async fn each_target_takes_what_it_names_however_the_body_ends() {
    for Case(name, mutation, taken, when) in cases() {
        for end in ENDS {
            for cache in [in_memory(), near(&HeldStore::open())] {
                cache.depends("company:1", &["team:1"]);
                let before = cache.scope(read()).await;
                assert_eq!(cache.scope(read()).await, before, "{name}: cached");
                mutate(&cache, mutation, end).await;
                let after = cache.scope(read()).await;
                let gone: Vec<_> = (0..6).map(|at| u8::from(before[at] != after[at])).collect();
                let expected = if when(end) { taken } else { [0; 6] };
                assert_eq!(gone, expected, "{name}, {end:?}: {before:?} {after:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_never_began_has_changed_nothing() {
    let cache = in_memory();
    let before = cache.scope(read()).await;
    drop(cache.scope(by_star(1, End::Returns)));
    assert_eq!(cache.scope(read()).await, before);
}

#[tokio::test]
async fn without_its_store_only_a_strict_mutation_fails_and_each_holds_here() {
    let cases: [(Mutation, End, Outcome, usize); 6] = [
        (|id, end| Box::pin(by_key(id, end)), End::Returns, Ok(1), 1),
        (|id, end| Box::pin(by_key(id, end)), End::Fails, Err(Failure::OfTheBody), 1),
        (
            |id, end| Box::pin(by_key_strictly(id, end)),
            End::Returns,
            Err(Failure::OfTheCache(ErrorKind::Unavailable)),
            1,
        ),
        (|id, end| Box::pin(by_key_strictly(id, end)), End::Fails, Err(Failure::OfTheBody), 1),
        (
            |id, end| Box::pin(by_tag_strictly_on_ok(id, end)),
            End::Returns,
            Err(Failure::OfTheCache(ErrorKind::Unavailable)),
            1,
        ),
        (|id, end| Box::pin(by_tag_strictly_on_ok(id, end)), End::Fails, Err(Failure::OfTheBody), 0),
    ];
    for (at, (mutation, end, expected, owed)) in cases.into_iter().enumerate() {
        let store = HeldStore::open();
        let cache = near(&store);
        let before = cache.scope(user(1)).await;
        store.fail(true);
        assert_eq!(cache.scope(mutation(1, end)).await, expected, "case {at}");
        assert_eq!(cache.owed_invalidations(), owed, "case {at}");
        assert_eq!(cache.scope(user(1)).await != before, owed > 0, "case {at}");
    }
}

#[tokio::test]
async fn a_batch_takes_targets_of_every_kind_when_it_is_flushed() {
    for cache in [in_memory(), near(&HeldStore::open())] {
        let before = cache.scope(read()).await;
        let fill = |batch: &larder::Batch| {
            batch.invalidate("user:2");
            batch.invalidate(posts::pattern(1, Any));
            batch.invalidate(without_key::key(1));
            batch.invalidate(Tag::from("team:1"));
        };
        let dropped = cache.batch();
        fill(&dropped);
        assert_eq!(cache.scope(read()).await, before, "nothing moves before the flush");
        drop(dropped);
        assert_eq!(cache.scope(read()).await, before, "nor by dropping it");

        let batch = cache.batch();
        fill(&batch);
        batch.flush().await.unwrap();
        let after = cache.scope(read()).await;
        let gone: Vec<_> = (0..6).map(|at| before[at] != after[at]).collect();
        assert_eq!(gone, [true, true, true, false, true, false]);
    }
}

#[tokio::test]
async fn more_debts_than_are_kept_widen_to_the_prefix_of_their_keys() {
    let store = HeldStore::open();
    let (here, elsewhere) = (near(&store), Cache::builder().remote(store.clone()).build());
    elsewhere.set("nobody:5", &1_u64, TTL).await.unwrap();
    elsewhere.set("other", &2_u64, TTL).await.unwrap();

    store.fail(true);
    let batch = here.batch();
    for number in 0..10_001 {
        batch.invalidate(format!("nobody:{number}"));
    }
    batch.flush().await.expect_err("the store is away");
    assert_eq!(here.owed_invalidations(), 1, "the bookkeeping is bounded");
    assert_eq!(here.get::<u64>("other").await.ok().flatten(), None, "what it owes it does not read");

    store.fail(false);
    assert_eq!(here.get::<u64>("nobody:5").await.unwrap(), None);
    assert_eq!(here.owed_invalidations(), 0);
    let left = elsewhere.get_many::<u64>(["nobody:5", "other"]).await.unwrap();
    assert_eq!(left, [None, Some(2)], "nothing stale, and what has another prefix stays");
}
