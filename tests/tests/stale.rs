//! A value in its stale window is an answer while exactly one refresh runs, whatever becomes of that.
//!
//! That no invalidated value is served on this road is in `coherence_cases`, 8 and 9, and in `history`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use larder::{Cache, Memory, Tag, cached};
use tests::held_store::HeldStore;
use tests::{Gate, until};
use tokio::time::{Instant, advance};

const TTL: Duration = Duration::from_secs(60);
/// What is waited for a refresh at most.
const TIMEOUT: Duration = Duration::from_millis(50);

/// What a load fails with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Broken {
    Down,
    Gone,
}

/// What a load fails with that cannot be copied or shared, as the errors of most database crates.
#[derive(Debug)]
struct Opaque(#[expect(dead_code, reason = "it makes the error what it is")] std::cell::Cell<u8>);

/// An application whose loads stop at a gate and return their number.
#[derive(Clone)]
struct App {
    cache: Cache,
    gate: Gate,
    loads: Arc<AtomicU64>,
    fails: Arc<std::sync::Mutex<Option<Broken>>>,
    panics: Arc<AtomicBool>,
}

fn in_memory() -> Cache {
    Cache::builder().local(Memory::new(1000)).build()
}

fn near_over(store: &HeldStore) -> Cache {
    Cache::builder().local(Memory::new(1000)).remote(store.clone()).build()
}

fn shared_over(store: &HeldStore) -> Cache {
    Cache::builder().remote(store.clone()).build()
}

const BACKENDS: [fn() -> Cache; 3] =
    [in_memory, || near_over(&HeldStore::open()), || shared_over(&HeldStore::open())];

impl App {
    fn new(cache: Cache) -> Self {
        let app = Self {
            cache,
            gate: Gate::default(),
            loads: Arc::default(),
            fails: Arc::default(),
            panics: Arc::default(),
        };
        app.gate.open();
        app
    }

    /// The same, with loads that stop.
    fn held(&self) -> Self {
        Self { gate: Gate::default(), ..self.clone() }
    }

    fn fail(&self, error: Option<Broken>) {
        *self.fails.lock().unwrap() = error;
    }

    async fn source(&self) -> Result<u64, Broken> {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        self.gate.pass().await;
        assert!(!self.panics.load(Ordering::SeqCst), "the loader's own panic");
        let failed = *self.fails.lock().unwrap();
        failed.map_or(Ok(number), Err)
    }

    #[cached(ttl = 60, stale = 600, key = "user:<id>", skip(self), cache = self.cache)]
    async fn user(&self, id: &str) -> Result<u64, Broken> {
        let _ = id;
        self.source().await
    }

    #[cached(ttl = 60, stale = 600, key = "tagged:<id>", skip(self), tags = ["users"], cache = self.cache)]
    async fn tagged(&self, id: u64) -> Result<u64, Broken> {
        let _ = id;
        self.source().await
    }

    #[cached(
        ttl = 60,
        stale = 600,
        timeout = "50ms",
        stale_if = |error| *error == Broken::Down,
        key = "patient:<id>",
        skip(self),
        cache = self.cache
    )]
    async fn patient(&self, id: u64) -> Result<u64, Broken> {
        let _ = id;
        self.source().await
    }

    #[cached(ttl = 60, stale = 600, timeout = "50ms", key = "opaque:<id>", skip(self), cache = self.cache)]
    async fn opaque(&self, id: u64) -> Result<u64, Opaque> {
        let _ = id;
        self.source().await.map_err(|_| Opaque(std::cell::Cell::new(1)))
    }

    #[cached(ttl = 60, stale = 600, key = "maybe:<id>", skip(self), cache = self.cache)]
    async fn maybe(&self, id: u64) -> Result<Option<u64>, Broken> {
        let _ = id;
        match self.source().await {
            Err(Broken::Gone) => Ok(None),
            other => other.map(Some),
        }
    }

    #[cached(
        ttl = 60,
        stale = |value| Duration::from_secs(value * step),
        unless = |value| *value > step,
        key = "odd:<id>",
        skip(self, step),
        cache = self.cache
    )]
    async fn odd(&self, id: u64, step: u64) -> Result<u64, Broken> {
        let _ = (id, step);
        self.source().await
    }

    /// Its value is made of another, which carries a tag.
    #[cached(ttl = 60, stale = 600, key = "page:<id>", skip(self), cache = self.cache)]
    async fn page(&self, id: u64) -> Result<u64, Broken> {
        let part = self.tagged(1).await?;
        Ok(1000 * id + part)
    }

    async fn refreshed(&self, count: u64) {
        until(|| self.cache.stats().refreshes >= count && self.landed()).await;
    }

    fn landed(&self) -> bool {
        format!("{:?}", self.cache).contains("aloft: 0")
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_the_answer_at_once_and_refreshed_once() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.user("1").await, Ok(1));
        advance(TTL).await;
        let held = app.held();
        let asked = Instant::now();
        let readers = (0..100).map(|_| {
            let held = held.clone();
            tokio::spawn(async move { held.user("1").await })
        });
        for answer in join_all(readers).await {
            assert_eq!(answer.unwrap(), Ok(1));
        }
        held.gate.arrived(1).await;
        assert_eq!(held.user("1").await, Ok(1), "and while it is refreshed");
        assert_eq!(asked.elapsed(), Duration::ZERO, "nobody waits");
        held.gate.open();
        app.refreshed(1).await;
        assert_eq!(app.user("1").await, Ok(2));
        assert_eq!(app.loads.load(Ordering::SeqCst), 2);
        let stats = app.cache.stats();
        assert_eq!((stats.loads, stats.refreshes, stats.misses), (2, 1, 1));
        assert!(stats.stale_hits <= stats.hits && stats.stale_hits > 0, "{stats:?}");
        advance(TTL).await;
        assert_eq!(app.user("1").await, Ok(2), "the next window begins when the new value expires");
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_window_the_caller_loads() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.user("1").await, Ok(1));
        advance(TTL + Duration::from_secs(600)).await;
        assert_eq!(app.user("1").await, Ok(2));
        app.fail(Some(Broken::Down));
        advance(TTL + Duration::from_secs(600)).await;
        assert_eq!(app.user("1").await, Err(Broken::Down), "and has its error");
    }
}

#[tokio::test(start_paused = true)]
async fn other_readers_of_the_key_take_no_stale_value() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.user("1").await, Ok(1));
        advance(TTL).await;
        assert_eq!(app.cache.get::<u64>("user:1").await.unwrap(), None);
        assert!(!app.cache.exists("user:1").await.unwrap());
        assert_eq!(app.cache.ttl("user:1").await.unwrap(), None);
        assert!(!app.cache.expire("user:1", TTL).await.unwrap());
        assert_eq!(app.user("1").await, Ok(1), "and leave it where it is");
        app.refreshed(1).await;
        advance(TTL).await;
        assert!(app.cache.set_if_absent("user:1", &99_u64, TTL).await.unwrap());
        assert_eq!(app.user("1").await, Ok(99));
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_that_expire_sets_is_fresh_and_the_window_comes_after_it() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.user("1").await, Ok(1));
        assert!(app.cache.expire("user:1", 2 * TTL).await.unwrap());
        assert_eq!(app.cache.ttl("user:1").await.unwrap(), Some(2 * TTL));
        advance(Duration::from_millis(119_999)).await;
        assert_eq!(app.user("1").await, Ok(1));
        assert_eq!(app.cache.stats().stale_hits, 0);
        advance(Duration::from_secs(600)).await;
        assert_eq!(app.user("1").await, Ok(1));
        assert_eq!(app.cache.stats().stale_hits, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_keeps_the_old_value_and_waits_longer_each_time() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.user("1").await, Ok(1));
        advance(TTL).await;
        app.fail(Some(Broken::Down));
        let mut refreshes = 0;
        for rest in [1_u64, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(app.user("1").await, Ok(1));
            refreshes += 1;
            app.refreshed(refreshes).await;
            advance(Duration::from_millis(1000 * rest - 1)).await;
            assert_eq!(app.user("1").await, Ok(1));
            assert!(app.landed(), "no refresh yet");
            advance(Duration::from_millis(1)).await;
        }
        app.fail(None);
        assert_eq!(app.user("1").await, Ok(1));
        app.refreshed(refreshes + 1).await;
        assert_eq!(app.user("1").await, Ok(refreshes + 2));
        assert_eq!(app.cache.stats().load_errors, refreshes);
        advance(TTL).await;
        app.fail(Some(Broken::Down));
        let _ = app.user("1").await;
        app.refreshed(refreshes + 2).await;
        advance(Duration::from_secs(1)).await;
        let _ = app.user("1").await;
        app.refreshed(refreshes + 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_panics_keeps_the_old_value() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.user("1").await, Ok(1));
        advance(TTL).await;
        app.panics.store(true, Ordering::SeqCst);
        assert_eq!(app.user("1").await, Ok(1));
        until(|| app.cache.stats().load_errors == 1 && app.landed()).await;
        assert_eq!(app.user("1").await, Ok(1));
        assert!(app.landed(), "it rests");
        app.panics.store(false, Ordering::SeqCst);
        advance(Duration::from_secs(1)).await;
        assert_eq!(app.user("1").await, Ok(1));
        app.refreshed(1).await;
        assert_eq!(app.user("1").await, Ok(3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_hangs_is_given_up() {
    let app = App::new(Cache::builder().local(Memory::new(10)).load_limit(Duration::from_secs(5)).build());
    assert_eq!(app.user("1").await, Ok(1));
    advance(TTL).await;
    let held = app.held();
    assert_eq!(held.user("1").await, Ok(1));
    held.gate.arrived(1).await;
    advance(Duration::from_secs(5)).await;
    app.refreshed(1).await;
    assert_eq!(app.user("1").await, Ok(1));
    advance(Duration::from_secs(1)).await;
    assert_eq!(app.user("1").await, Ok(1));
    app.refreshed(2).await;
    assert_eq!(app.user("1").await, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_how_long_the_caller_waits_for_the_refresh() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.patient(1).await, Ok(1));
        advance(TTL).await;
        assert_eq!(app.patient(1).await, Ok(2), "in time");

        advance(TTL).await;
        let (held, asked) = (app.held(), Instant::now());
        assert_eq!(held.patient(1).await, Ok(2), "too late");
        assert!(
            (TIMEOUT..TIMEOUT + Duration::from_millis(5)).contains(&asked.elapsed()),
            "{:?}",
            asked.elapsed()
        );
        let other = tokio::spawn({
            let app = app.clone();
            async move { app.patient(1).await }
        });
        until(|| app.cache.stats().joins > 0).await;
        held.gate.open();
        assert_eq!(other.await.unwrap(), Ok(3), "another caller waits for the same refresh");
        app.refreshed(2).await;
        assert_eq!(app.patient(1).await, Ok(3), "it has finished in the background");
    }
}

#[tokio::test(start_paused = true)]
async fn stale_if_says_which_errors_deserve_the_old_value() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.patient(1).await, Ok(1));
        advance(TTL).await;
        app.fail(Some(Broken::Down));
        assert_eq!(app.patient(1).await, Ok(1));
        advance(Duration::from_secs(1)).await;
        app.fail(Some(Broken::Gone));
        assert_eq!(app.patient(1).await, Err(Broken::Gone));
        app.refreshed(2).await;
        app.fail(Some(Broken::Down));
        assert_eq!(app.patient(1).await, Err(Broken::Down), "the old value is gone for good");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_cannot_be_shared_keeps_the_old_value_too() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.opaque(1).await.unwrap(), 1);
        advance(TTL).await;
        app.fail(Some(Broken::Down));
        assert_eq!(app.opaque(1).await.unwrap(), 1);
        app.refreshed(1).await;
        assert_eq!(app.opaque(1).await.unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_finds_none_takes_the_old_value_with_it() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.maybe(1).await, Ok(Some(1)));
        advance(TTL).await;
        app.fail(Some(Broken::Gone));
        assert_eq!(app.maybe(1).await, Ok(Some(1)));
        app.refreshed(1).await;
        assert_eq!(app.maybe(1).await, Ok(None));
        app.fail(None);
        assert_eq!(app.maybe(1).await, Ok(Some(4)), "and is not remembered, since there is no `none_ttl`");
    }
}

#[tokio::test(start_paused = true)]
async fn options_that_ask_the_value_read_the_arguments_too() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.odd(1, 3).await, Ok(1));
        advance(TTL + Duration::from_secs(2)).await;
        assert_eq!(app.odd(1, 3).await, Ok(1), "stale for three seconds");
        app.refreshed(1).await;
        assert_eq!(app.odd(1, 3).await, Ok(2));
        advance(TTL + Duration::from_secs(6)).await;
        assert_eq!(app.odd(1, 3).await, Ok(3), "no more after six");
        advance(TTL).await;
        assert_eq!(app.odd(1, 3).await, Ok(3));
        app.refreshed(2).await;
        assert_eq!(
            app.odd(1, 3).await,
            Ok(5),
            "the fourth was not to be stored, and the third is no answer any more"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_inherits_the_tags_of_what_it_uses() {
    let app = App::new(in_memory());
    assert_eq!(app.page(7).await, Ok(7001));
    advance(TTL).await;
    assert_eq!(app.page(7).await, Ok(7001));
    app.refreshed(2).await;
    assert_eq!(app.page(7).await, Ok(7001), "made of a stale part");
    app.cache.invalidate(Tag::from("users")).await.unwrap();
    assert_eq!(app.page(7).await, Ok(7003));
}

#[tokio::test(start_paused = true)]
async fn another_process_serves_and_refreshes_the_stale_value() {
    let store = HeldStore::open();
    let (here, there) = (App::new(near_over(&store)), App::new(near_over(&store)));
    assert_eq!(here.user("1").await, Ok(1));
    advance(TTL).await;
    there.loads.store(100, Ordering::SeqCst);
    let held = there.held();
    assert_eq!(held.user("1").await, Ok(1), "stale, from the store");
    held.gate.arrived(1).await;
    advance(Duration::from_secs(3)).await;
    assert_eq!(held.user("1").await, Ok(1), "read again, since it may not be trusted for so long");
    assert_eq!(there.cache.stats().refreshes, 0);
    held.gate.open();
    there.refreshed(1).await;
    assert_eq!(here.user("1").await, Ok(101), "the other one has what was refreshed");
    assert_eq!((here.loads.load(Ordering::SeqCst), there.loads.load(Ordering::SeqCst)), (1, 101));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_does_not_overwrite_what_another_process_has_stored_or_removed() {
    for removed in [false, true] {
        let store = HeldStore::open();
        let (here, there) = (App::new(shared_over(&store)), App::new(shared_over(&store)));
        assert_eq!(here.user("1").await, Ok(1));
        advance(TTL).await;
        let held = here.held();
        assert_eq!(held.user("1").await, Ok(1));
        held.gate.arrived(1).await;
        if removed {
            there.cache.delete("user:1").await.unwrap();
        } else {
            there.cache.set("user:1", &99_u64, TTL).await.unwrap();
        }
        held.gate.open();
        here.refreshed(1).await;
        let found = there.cache.get::<u64>("user:1").await.unwrap();
        assert_eq!(found, (!removed).then_some(99), "removed: {removed}");
    }
}

#[tokio::test(start_paused = true)]
async fn refreshes_are_bounded() {
    let app = App::new(in_memory());
    for id in 0..300 {
        app.user(&id.to_string()).await.unwrap();
    }
    advance(TTL).await;
    let held = app.held();
    for id in 0..300 {
        assert_eq!(held.user(&id.to_string()).await, Ok(id + 1));
    }
    held.gate.arrived(256).await;
    assert_eq!(app.loads.load(Ordering::SeqCst), 300 + 256);
    held.gate.open();
    app.refreshed(256).await;
    assert_eq!(app.user("299").await, Ok(300));
    app.refreshed(257).await;
    assert_ne!(app.user("299").await, Ok(300), "there is room again");
}

static SOURCE: AtomicU64 = AtomicU64::new(0);

/// Notes that a load has ended, one way or another.
struct Ends(&'static AtomicU64);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_ends_with_its_cache() {
    static ENDED: AtomicU64 = AtomicU64::new(0);

    #[cached(ttl = 60, stale = 600, key = "endless", cache = cache, skip(cache, endless))]
    async fn endless(cache: &Wrapper, endless: bool) -> u64 {
        let _ = cache;
        let _ends = Ends(&ENDED);
        if endless {
            SOURCE.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        } else {
            1
        }
    }

    let cache = in_memory();
    let wrapper = Wrapper(Arc::new(std::sync::Mutex::new(Some(cache))));
    assert_eq!(endless(&wrapper, false).await, 1);
    advance(TTL).await;
    assert_eq!(endless(&wrapper, true).await, 1);
    until(|| SOURCE.load(Ordering::SeqCst) == 1).await;
    assert_eq!(ENDED.load(Ordering::SeqCst), 1);
    drop(wrapper.0.lock().unwrap().take());
    until(|| ENDED.load(Ordering::SeqCst) == 2).await;
}

/// Lends a cache and lets go of it when told to, whoever holds copies of this.
#[derive(Clone, Debug)]
struct Wrapper(Arc<std::sync::Mutex<Option<Cache>>>);

impl larder::AsCache for Wrapper {
    fn with<R>(&self, use_it: impl FnOnce(&Cache) -> R) -> R {
        let cache = self.0.lock().unwrap().clone().expect("not taken yet");
        use_it(&cache)
    }
}
