//! What a hit on a remote store costs a process that keeps nothing of its own, and what such a first look must not do:
//! serve what is too old, ask a store in trouble twice, or lose a tag.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larder::{Cache, Tag, cached};
use tests::held_store::HeldStore;
use tests::redis::{Server, patient};
use tests::{Gate, until, until_async};

#[derive(Clone)]
struct App {
    cache: Cache,
    loads: Arc<AtomicU64>,
    gate: Gate,
}

impl App {
    fn new(cache: Cache) -> Self {
        let gate = Gate::default();
        gate.open();
        Self { cache, loads: Arc::default(), gate }
    }

    async fn load(&self) -> u64 {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        self.gate.pass().await;
        number
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    #[cached(key = "plain:<id>", ttl = "1h", skip(self), cache = self.cache)]
    async fn plain(&self, id: u64) -> u64 {
        id + self.load().await
    }

    #[cached(key = "aged", ttl = "100ms", stale = "1h", shared, skip(self), cache = self.cache)]
    async fn aged(&self) -> u64 {
        self.load().await
    }

    #[cached(key = "aged", ttl = "1h", shared, skip(self), cache = self.cache)]
    async fn young(&self) -> u64 {
        self.load().await
    }

    #[cached(key = "inner", ttl = "1h", tags = ["inner"], skip(self), cache = self.cache)]
    async fn inner(&self) -> u64 {
        self.load().await
    }

    #[cached(key = "outer", ttl = "1h", skip(self), cache = self.cache)]
    async fn outer(&self) -> u64 {
        self.inner().await * 10
    }
}

fn remote_only(server: &Server) -> App {
    App::new(Cache::builder().namespace("shop").remote(patient(server.url())).build())
}

/// How often the server was told each of `commands`.
fn calls<const N: usize>(server: &Server, commands: [&str; N]) -> [u64; N] {
    let statistics: String = server.tell(&["INFO", "commandstats"]);
    commands.map(|command| {
        let line = format!("cmdstat_{command}:calls=");
        let calls = statistics.lines().find_map(|said| said.strip_prefix(&line)?.split(',').next());
        calls.and_then(|calls| calls.parse().ok()).unwrap_or(0)
    })
}

#[tokio::test]
async fn a_hit_is_one_command() {
    let server = Server::start();
    let app = remote_only(&server);
    assert_eq!(app.plain(1).await, 2);
    let before = calls(&server, ["mget", "pttl", "set", "evalsha"]);
    for _ in 0..10 {
        assert_eq!(app.plain(1).await, 2);
    }
    let after = calls(&server, ["mget", "pttl", "set", "evalsha"]);
    assert_eq!(std::array::from_fn(|at| after[at] - before[at]), [10, 0, 0, 0]);
    assert_eq!((app.cache.stats().remote_hits, app.loads()), (10, 1));
}

#[tokio::test]
async fn what_is_in_its_stale_window_is_no_hit() {
    let server = Server::start();
    let app = remote_only(&server);
    assert_eq!(app.aged().await, 1);
    until_async(async || app.cache.ttl("aged").await.unwrap().is_none_or(|left| left.is_zero())).await;
    assert_eq!(app.young().await, 2, "it takes no stale values");
    assert_eq!(app.young().await, 2);
}

#[tokio::test]
async fn a_store_in_trouble_is_asked_once() {
    let store = HeldStore::open();
    let app = App::new(Cache::builder().remote(store.clone()).build());
    store.leave(true);
    assert_eq!(app.plain(1).await, 2);
    assert_eq!((store.asked(), app.loads()), (1, 1));
    store.leave(false);
    assert_eq!(app.plain(1).await, 3);
    assert_eq!(app.plain(1).await, 3);
}

#[tokio::test]
async fn a_load_under_way_is_waited_for_and_the_store_not_asked() {
    let store = HeldStore::open();
    let cache = Cache::builder().remote(store.clone()).build();
    let app = App { gate: Gate::default(), ..App::new(cache) };
    let first = tokio::spawn({
        let app = app.clone();
        async move { app.plain(1).await }
    });
    until(|| app.loads() == 1).await;
    let asked = store.asked();
    let second = tokio::spawn({
        let app = app.clone();
        async move { app.plain(1).await }
    });
    until(|| app.cache.stats().joins == 1).await;
    assert_eq!(store.asked(), asked);
    app.gate.open();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (2, 2));
}

#[tokio::test]
async fn what_is_made_of_a_hit_goes_with_its_tags() {
    let server = Server::start();
    let app = remote_only(&server);
    assert_eq!(app.inner().await, 1);
    assert_eq!(app.outer().await, 10, "of a hit");
    assert_eq!(app.loads(), 1);
    app.cache.invalidate(Tag::from("inner")).await.unwrap();
    assert_eq!(app.outer().await, 20);
}
