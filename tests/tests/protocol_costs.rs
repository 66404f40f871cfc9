//! What the protocol costs in commands, those of the feed included, counted between a cache and its server. What a verb
//! costs in round trips and bytes is in `redis_costs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Memory, cache_invalidate, cached};
use tests::proxy::Proxy;
use tests::redis::{Server, patient};
use tests::{until, until_async};

#[derive(Clone)]
struct App {
    cache: Cache,
    loads: Arc<AtomicU64>,
}

impl App {
    #[cached(key = "user:<id>", ttl = 300, tags = ["users"], skip(self), cache = self.cache)]
    async fn get(&self, id: u64) -> u64 {
        self.loads.fetch_add(1, Ordering::SeqCst) + id
    }

    #[cache_invalidate("user:<id>", cache = self.cache)]
    async fn save(&self, id: u64) {
        let _ = id;
    }

    #[cache_invalidate("user:<id>", tags = ["users"], fence = "30s", cache = self.cache)]
    async fn save_fenced(&self, id: u64) {
        let _ = id;
    }
}

fn app(cache: Cache) -> App {
    App { cache, loads: Arc::default() }
}

/// The commands that clients have sent since the last look.
struct Spent<'p>(&'p Proxy, BTreeMap<String, u64>);

impl Spent<'_> {
    fn now(&mut self) -> Vec<(String, u64)> {
        let (now, before) = (self.0.commands(), &self.1);
        let since = |(name, count): (&String, &u64)| {
            let more = count - before.get(name).copied().unwrap_or_default();
            (more > 0).then(|| (name.clone(), more))
        };
        let spent = now.iter().filter_map(since).collect();
        self.1 = now;
        spent
    }

    fn is(&mut self, expected: &[(&str, u64)], what: &str) {
        let expected: Vec<_> = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        assert_eq!(self.now(), expected, "{what}");
    }
}

#[tokio::test]
async fn what_is_shared_costs_one_command_for_a_hit_and_one_for_an_invalidation() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let app = app(Cache::builder().namespace("shop").remote(patient(proxy.url())).build());
    // What is done for the first time takes a connection, generations and the sources of scripts.
    app.get(1).await;
    app.save(1).await;
    app.save_fenced(1).await;
    app.get(1).await;
    let mut spent = Spent(&proxy, proxy.commands());

    assert_eq!(app.get(1).await, app.get(1).await);
    spent.is(&[("MGET", 2)], "two hits");
    app.save(1).await;
    spent.is(&[("EVALSHA", 1)], "an invalidation: one script");
    app.get(1).await;
    // A process without values of its own looks before it claims: three commands in one round trip.
    let miss = [("EVALSHA", 1), ("MGET", 2), ("PTTL", 1), ("SET", 1)];
    spent.is(&miss, "a miss: a look, a look with a lease, and the publication");
    app.save_fenced(1).await;
    spent.is(&[("EVALSHA", 2)], "a mutation with a fence: two scripts");
    app.cache.invalidate("user:*").await.unwrap();
    spent.is(&[("EVALSHA", 1)], "an invalidation of a pattern costs no more");
}

#[tokio::test]
async fn a_near_copy_costs_nothing_but_its_feed() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let near = Cache::builder().namespace("shop").local(Memory::new(100)).remote(patient(proxy.url()));
    let near = app(near.max_staleness(Duration::from_secs(2)).build());
    let other = app(Cache::builder().namespace("shop").remote(patient(server.url())).build());
    near.get(1).await;
    let mut spent = Spent(&proxy, BTreeMap::new());
    // Its connections, and what it takes to begin.
    until(|| proxy.commands().get("XREAD").is_some_and(|count| *count > 2)).await;
    spent.now();

    for _ in 0..1000 {
        near.get(1).await;
    }
    until(|| proxy.commands()["XREAD"] > spent.1["XREAD"] + 4).await;
    let of = |spent: &[(String, u64)], name: &str| {
        spent.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
    };
    let idle = spent.now();
    let (waits, questions) = (of(&idle, "XREAD"), of(&idle, "EVALSHA"));
    assert!(idle.iter().all(|(name, _)| name == "XREAD" || name == "EVALSHA"), "{idle:?}");
    assert!(waits.abs_diff(questions) <= 1, "a wait and a question at a time: {idle:?}");

    for _ in 0..20 {
        let held = near.loads.load(Ordering::SeqCst);
        other.save(1).await;
        until_async(async || {
            near.get(1).await;
            near.loads.load(Ordering::SeqCst) > held
        })
        .await;
    }
    let told = spent.now();
    let (waits, scripts) = (of(&told, "XREAD"), of(&told, "EVALSHA"));
    // Of each: the wait ends, the record is read, that it was applied is noted; and the value is loaded and published.
    assert!(scripts <= 2 * 20 + 20 + waits, "{told:?}");
    assert_eq!(
        (of(&told, "MGET"), of(&told, "SET")),
        (20, 20),
        "a look with a lease for each load: {told:?}"
    );
}
