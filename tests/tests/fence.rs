//! `fence`: from before a mutation's body until its invalidation nothing is stored that it covers, so that a process which
//! dies in between leaves nothing old behind. `settle` between processes is the same after the body.
//!
//! A process is a cache of its own over the same store; one that dies is a mutation that is never polled again and
//! never dropped. One that is killed is a process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Hearing, Memory, Tag, cache_invalidate, cache_put, cached};
use tests::child::{self, Child};
use tests::held_store::HeldStore;
use tests::map_store::MapStore;
use tests::redis::{Server, patient};
use tests::{Gate, until_async};
use tokio::time::advance;

const FENCE: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_millis(500);
/// Δ.
const STALENESS: Duration = Duration::from_millis(400);

/// One process of an application.
#[derive(Clone)]
struct App {
    cache: Cache,
    /// The database, which all processes share.
    truth: Arc<AtomicU64>,
    /// The loads of this process.
    loads: Arc<AtomicU64>,
    /// Before the commit of a mutation.
    begun: Gate,
    /// After it.
    committed: Gate,
    /// In a load, when it has read.
    reading: Gate,
}

impl App {
    fn new(cache: Cache, truth: &Arc<AtomicU64>) -> Self {
        let reading = Gate::default();
        reading.open();
        Self {
            cache,
            truth: Arc::clone(truth),
            loads: Arc::default(),
            begun: Gate::default(),
            committed: Gate::default(),
            reading,
        }
    }

    /// Whether it hears of fences: not from a store without logs. What it keeps to itself then lives for Δ at most, as
    /// with one that is not there.
    async fn hears(&self) -> bool {
        let remote = self.cache.health().await.remote;
        remote.is_none_or(|remote| !matches!(remote.hearing, Hearing::FloorOnly))
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    async fn load(&self) -> u64 {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let read = self.truth.load(Ordering::SeqCst);
        self.reading.pass().await;
        read
    }

    async fn commit(&self, value: u64) {
        self.begun.pass().await;
        self.truth.store(value, Ordering::SeqCst);
        self.committed.pass().await;
    }

    #[cached(key = "user:<id>", ttl = 3600, tags = ["users"], skip(self), cache = self.cache)]
    async fn get(&self, id: u64) -> u64 {
        let _ = id;
        self.load().await
    }

    #[cached(key = "here:<id>", ttl = 3600, local, tags = ["users"], skip(self), cache = self.cache)]
    async fn here(&self, id: u64) -> u64 {
        let _ = id;
        self.load().await
    }

    #[cache_invalidate("user:<id>", "here:<id>", fence = FENCE, cache = self.cache)]
    async fn save(&self, id: u64, value: u64) {
        let _ = id;
        self.commit(value).await;
    }

    #[cache_invalidate(tags = ["users"], fence = "30s", on_ok, cache = self.cache)]
    async fn save_all(&self, value: u64) -> Result<(), String> {
        self.commit(value).await;
        if value == 13 { Err("after the commit".to_owned()) } else { Ok(()) }
    }

    #[cache_invalidate(self.get(id), self.here(_), cache = self.cache)]
    async fn save_unfenced(&self, id: u64, value: u64) {
        self.commit(value).await;
    }

    #[cache_invalidate("user:<id>", "here:*", settle = SETTLE, cache = self.cache)]
    async fn save_settled(&self, id: u64) {
        let _ = id;
    }

    #[cache_put(key = "user:<id>", ttl = 3600, cache = self.cache)]
    async fn put(&self, id: u64) -> u64 {
        let _ = id;
        self.truth.load(Ordering::SeqCst)
    }

    #[cache_put(key = "here:<id>", ttl = 3600, cache = self.cache)]
    async fn put_here(&self, id: u64) -> u64 {
        let _ = id;
        self.truth.load(Ordering::SeqCst)
    }

    /// Begins a mutation, and waits until its body runs.
    async fn begin<F: Future + Send + 'static>(&self, save: impl FnOnce(Self) -> F) -> Mutation<F::Output> {
        let mut mutation = Box::pin(save(self.clone()));
        tokio::select! {
            biased;
            _ = &mut mutation => panic!("the mutation has ended"),
            () = self.begun.arrived(1) => {}
        }
        Mutation(mutation)
    }
}

/// A mutation under way.
struct Mutation<O>(Pin<Box<dyn Future<Output = O> + Send>>);

impl<O> Mutation<O> {
    /// Lets it commit, and no more.
    async fn commits(&mut self, app: &App) {
        app.begun.open();
        tokio::select! {
            biased;
            _ = &mut self.0 => panic!("the mutation has ended"),
            () = app.committed.arrived(1) => {}
        }
    }

    async fn ends(self, app: &App) -> O {
        app.begun.open();
        app.committed.open();
        self.0.await
    }

    /// Its process dies.
    fn dies(self) {
        std::mem::forget(self);
    }
}

/// Two processes over what `cache` makes, with one database.
fn processes(cache: impl Fn() -> Cache) -> [App; 2] {
    let truth = Arc::default();
    [0, 1].map(|_| App::new(cache(), &truth))
}

/// Stores that two processes share, and near copies or none over them.
fn shared() -> Vec<[App; 2]> {
    let (plain, near, unheard) = (MapStore::logged(), MapStore::logged(), MapStore::default());
    vec![
        processes(|| Cache::builder().remote(plain.clone()).build()),
        processes(|| {
            Cache::builder().local(Memory::new(100)).remote(near.clone()).max_staleness(STALENESS).build()
        }),
        processes(|| {
            Cache::builder().local(Memory::new(100)).remote(unheard.clone()).max_staleness(STALENESS).build()
        }),
    ]
}

/// Lets other processes hear of what was invalidated, or trust what they hold no more.
async fn heard() {
    advance(2 * STALENESS).await;
}

#[tokio::test(start_paused = true)]
async fn who_dies_between_commit_and_invalidation_leaves_nothing_old() {
    for [mutator, reader] in shared() {
        assert_eq!((reader.get(1).await, reader.here(1).await), (0, 0));
        let mut mutation = mutator.begin(async |app: App| app.save(1, 7).await).await;
        heard().await;
        assert_eq!((reader.get(1).await, reader.get(1).await), (0, 0), "it is not committed");
        assert_eq!(reader.loads(), 2 + 2, "what is loaded meanwhile is not stored");
        assert_eq!((reader.here(1).await, reader.here(1).await), (0, 0));
        if reader.hears().await {
            assert_eq!(reader.loads(), 4 + 2, "nor is what only this process knows of");
        }
        mutation.commits(&mutator).await;
        mutation.dies();
        heard().await;
        assert_eq!((reader.get(1).await, reader.here(1).await), (7, 7));
        advance(FENCE).await;
        assert_eq!((reader.get(1).await, reader.here(1).await), (7, 7));
        let loads = reader.loads();
        assert_eq!((reader.get(1).await, mutator.get(1).await), (7, 7));
        assert_eq!(reader.loads(), loads, "without the fence it is stored");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fence_the_old_value_stays() {
    // The proof that the test above can fail.
    for [mutator, reader] in shared() {
        let mut mutation = mutator.begin(async |app: App| app.save_unfenced(1, 7).await).await;
        assert_eq!((reader.get(1).await, reader.here(1).await), (0, 0));
        mutation.commits(&mutator).await;
        mutation.dies();
        advance(FENCE).await;
        assert_eq!(reader.get(1).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_under_way_when_the_fence_is_put_up_is_not_stored() {
    for [mutator, mut reader] in shared() {
        reader.reading = Gate::default();
        let load = tokio::spawn({
            let reader = reader.clone();
            async move { reader.get(1).await }
        });
        reader.reading.arrived(1).await;
        let mut mutation = mutator.begin(async |app: App| app.save(1, 7).await).await;
        mutation.commits(&mutator).await;
        mutation.dies();
        reader.reading.open();
        assert_eq!(load.await.unwrap(), 0);
        heard().await;
        assert_eq!((reader.get(1).await, mutator.get(1).await), (7, 7));
        advance(FENCE).await;
        assert_eq!((reader.get(1).await, mutator.get(1).await), (7, 7));
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_behind_a_fence_that_ends_after_it_is_not_stored() {
    for [mutator, mut reader] in shared() {
        reader.reading = Gate::default();
        let mutation = mutator.begin(async |app: App| app.save_all(7).await).await;
        let load = tokio::spawn({
            let reader = reader.clone();
            async move { reader.get(1).await }
        });
        reader.reading.arrived(1).await;
        mutation.dies();
        mutator.truth.store(7, Ordering::SeqCst);
        advance(2 * FENCE).await;
        reader.reading.open();
        assert_eq!((load.await.unwrap(), reader.get(1).await), (0, 7));
    }
}

#[tokio::test(start_paused = true)]
async fn the_invalidation_takes_the_fence_away() {
    let alone = Cache::builder().local(Memory::new(100)).build();
    let alone = App::new(alone, &Arc::default());
    for [mutator, reader] in shared().into_iter().chain([[alone.clone(), alone]]) {
        let mutation = mutator.begin(async |app: App| app.save(1, 7).await).await;
        heard().await;
        for _ in 0..3 {
            assert_eq!(reader.get(1).await, 0);
        }
        assert_eq!(reader.loads(), 3);
        mutation.ends(&mutator).await;
        heard().await;
        for _ in 0..3 {
            assert_eq!((reader.get(1).await, reader.get(1).await), (7, 7));
        }
        assert_eq!(reader.loads(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mutation_that_fails_takes_its_fence_away_too() {
    for [mutator, reader] in shared() {
        let mutation = mutator.begin(async |app: App| app.save_all(13).await).await;
        heard().await;
        assert_eq!(reader.get(1).await, 0);
        assert!(mutation.ends(&mutator).await.is_err());
        heard().await;
        assert_eq!((reader.get(1).await, reader.get(1).await), (13, 13));
        assert_eq!(reader.loads(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn who_ends_first_leaves_the_fences_of_others() {
    for [mutator, reader] in shared() {
        let other = App { begun: Gate::default(), committed: Gate::default(), ..reader.clone() };
        let mutation = mutator.begin(async |app: App| app.save(1, 7).await).await;
        let others = other.begin(async |app: App| app.save_all(8).await).await;
        others.ends(&other).await.unwrap();
        reader.save_settled(1).await;
        advance(SETTLE).await;
        heard().await;
        let loads = reader.loads();
        assert_eq!((reader.get(1).await, reader.get(1).await), (8, 8));
        assert_eq!(reader.loads(), loads + 2, "there is still a mutation under way");
        mutation.ends(&mutator).await;
        heard().await;
        assert_eq!((reader.get(1).await, reader.get(1).await), (7, 7));
        assert_eq!(reader.loads(), loads + 3);
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_store_by_hand_is_not_stored_behind_a_fence() {
    for [mutator, reader] in shared() {
        let mut mutation = mutator.begin(async |app: App| app.save(1, 7).await).await;
        heard().await;
        reader.cache.set("user:1", &0_u64, FENCE).await.unwrap();
        assert!(!reader.cache.set_if_absent("user:1", &0_u64, FENCE).await.unwrap());
        assert_eq!(reader.put(1).await, 0);
        assert_eq!(reader.cache.get::<u64>("user:1").await.unwrap(), None);
        mutation.commits(&mutator).await;
        mutation.dies();
        assert_eq!((reader.get(1).await, mutator.get(1).await), (7, 7));
        advance(FENCE).await;
        assert_eq!((reader.get(1).await, mutator.get(1).await), (7, 7));
        let put = reader.put(1).await;
        assert_eq!((put, reader.cache.get("user:1").await.unwrap()), (7, Some(7_u64)), "then it is");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_told_of_a_fence_delays_no_mutation() {
    let store = HeldStore::open();
    store.fail(true);
    let app = App::new(Cache::builder().remote(store.clone()).build(), &Arc::default());
    app.begun.open();
    app.committed.open();
    app.save(1, 7).await;
    assert_eq!(app.truth.load(Ordering::SeqCst), 7);
    store.fail(false);
    assert_eq!((app.get(1).await, app.get(1).await), (7, 7));
    assert_eq!((app.cache.owed_invalidations(), app.loads()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn while_a_key_settles_no_process_stores_it() {
    for [mutator, reader] in shared() {
        heard_at_once(&reader).await;
        mutator.save_settled(1).await;
        heard_at_once(&reader).await;
        assert_eq!((reader.get(1).await, reader.get(1).await), (0, 0), "what the replica has");
        assert_eq!((reader.here(1).await, reader.here(1).await), (0, 0));
        assert_eq!(reader.loads(), if reader.hears().await { 4 } else { 3 });
        assert_eq!((reader.put_here(1).await, reader.cache.get("here:1").await.unwrap()), (0, None::<u64>));
        // Another key's mutation stores what it made.
        assert_eq!((reader.put(2).await, reader.cache.get("user:2").await.unwrap()), (0, Some(0_u64)));
        reader.truth.store(7, Ordering::SeqCst);
        advance(SETTLE + STALENESS).await;
        let loads = reader.loads();
        assert_eq!((reader.get(1).await, reader.here(1).await), (7, 7));
        assert_eq!((reader.get(1).await, reader.loads()), (7, loads + 2));
    }
}

/// Lets a process hear of the last invalidation, in no time.
async fn heard_at_once(app: &App) {
    let ticket = app.cache.invalidate(Tag::from("nobody")).await.unwrap();
    app.cache.at_least(&ticket).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_owed_settles_when_it_is_delivered() {
    let store = HeldStore::open();
    let cache = || Cache::builder().remote(store.clone()).build();
    let [mutator, reader] = processes(cache);
    store.fail(true);
    mutator.save_settled(1).await;
    assert!(mutator.cache.owed_invalidations() > 0);
    advance(10 * SETTLE).await;
    store.fail(false);
    assert!(mutator.cache.invalidate("other").await.is_ok(), "which is delivered with what was owed");
    assert_eq!((reader.get(1).await, reader.get(1).await), (0, 0));
    assert_eq!(reader.loads(), 2);
    advance(SETTLE).await;
    assert_eq!((reader.get(1).await, reader.get(1).await), (0, 0));
    assert_eq!(reader.loads(), 3);
}

/// The mutation of a process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other tests, as a process of its own"]
async fn a_mutation() {
    let Some(orders) = child::orders() else { return };
    let (fenced, url) = orders.split_once(' ').expect("orders");
    let cache = Cache::builder().namespace("shop").remote(patient(url)).build();
    let fence = Duration::from_secs(if fenced == "fenced" { 2 } else { 0 });

    #[cache_invalidate("user:1", fence = fence, cache = cache)]
    async fn save(fence: Duration, cache: &Cache) {
        child::say_and_wait("begun").await;
        child::say_and_wait("committed").await;
    }
    save(fence, &cache).await;
}

/// What another process finds while one is killed between its commit and its invalidation, and then.
async fn killed(fenced: &str) -> [u64; 2] {
    let server = Server::start();
    let cache = Cache::builder().namespace("shop").local(Memory::new(100)).remote(patient(server.url()));
    let reader = App::new(cache.max_staleness(STALENESS).build(), &Arc::default());
    let mut child = Child::start("a_mutation", &format!("{fenced} {}", server.url()));
    child.await_line("begun");
    assert_eq!((reader.get(1).await, reader.get(1).await), (0, 0));
    reader.truth.store(7, Ordering::SeqCst);
    child.go();
    child.await_line("committed");
    child.kill();
    let at_once = reader.get(1).await;
    // Until the fence has ended, and something is stored.
    until_async(async || {
        let before = reader.loads();
        reader.get(1).await;
        reader.loads() == before
    })
    .await;
    [at_once, reader.get(1).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_between_commit_and_invalidation_leaves_nothing_old() {
    assert_eq!(killed("fenced").await, [7, 7]);
    assert_eq!(killed("unfenced").await, [0, 0], "the proof that this can fail");
}
