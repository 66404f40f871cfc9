//! Where the value of a call came from, as `larder::outcome` says: each way that there is, in memory and on a real Redis.

use std::time::Duration;

use larder::{Cache, Memory, Outcome, cached, outcome};
use tests::redis::{Server, patient};
use tests::{Gate, until};

/// An application whose loads stop at a gate.
#[derive(Clone)]
struct App {
    cache: Cache,
    gate: Gate,
}

impl App {
    fn over(cache: Cache) -> Self {
        let app = Self { cache, gate: Gate::default() };
        app.gate.open();
        app
    }

    #[cached(ttl = 300, key = "half:<of>", skip(self), cache = self.cache)]
    async fn half(&self, of: u64) -> Result<u64, String> {
        self.gate.pass().await;
        if of.is_multiple_of(2) { Ok(of / 2) } else { Err(format!("{of} is odd")) }
    }

    #[cached(ttl = 300, key = "quarter:<of>", skip(self), cache = self.cache)]
    async fn quarter(&self, of: u64) -> Result<u64, String> {
        let half = self.half(of).await?;
        self.half(half).await
    }

    #[cached(ttl = 300, key = "if:<of>", when = of > 9, skip(self), cache = self.cache)]
    async fn sometimes(&self, of: u64) -> u64 {
        of
    }

    #[cached(ttl = 60, stale = "1h", key = "aging:<of>", skip(self), cache = self.cache)]
    async fn aging(&self, of: u64) -> u64 {
        self.gate.pass().await;
        of
    }

    #[cached(ttl = 300, key = "double:<of>", each(of in list), skip(self), cache = self.cache)]
    async fn doubles(&self, list: &[u64]) -> std::collections::HashMap<u64, u64> {
        list.iter().map(|of| (*of, 2 * of)).collect()
    }
}

fn in_memory() -> App {
    App::over(Cache::builder().local(Memory::new(1000)).build())
}

/// What `future` came from, for a future whose value is of no interest.
async fn from<F: Future>(future: F) -> Outcome {
    outcome(future).await.1
}

#[tokio::test]
async fn a_load_a_hit_and_an_error_in_memory() {
    let app = in_memory();
    assert_eq!(outcome(app.half(4)).await, (Ok(2), Outcome::Loaded));
    assert_eq!(outcome(app.half(4)).await, (Ok(2), Outcome::LocalHit));
    assert_eq!(outcome(app.half(3)).await, (Err("3 is odd".to_owned()), Outcome::Failed));
    assert_eq!(from(App::half_refresh(&app, 4)).await, Outcome::Loaded);
    let by_hand = || app.cache.get_or_load("seven", Duration::from_secs(9), || async { Ok::<_, ()>(7) });
    assert_eq!(outcome(by_hand()).await, (Ok(7), Outcome::Loaded));
    assert_eq!(outcome(by_hand()).await, (Ok(7), Outcome::LocalHit));
}

#[tokio::test]
async fn what_goes_past_the_cache() {
    let app = in_memory();
    assert_eq!(from(app.sometimes(1)).await, Outcome::Bypassed, "`when` says no");
    assert_eq!(from(app.sometimes(10)).await, Outcome::Loaded);
    assert_eq!(from(async { 7 }).await, Outcome::Bypassed, "nothing was called");
    app.half(4).await.unwrap();
    app.cache.set_enabled(false);
    assert_eq!(from(app.half(4)).await, Outcome::Bypassed, "it is off");
    assert_eq!(from(app.doubles(&[1])).await, Outcome::Bypassed);
    let by_hand = app.cache.get_or_load("seven", Duration::from_secs(9), || async { Ok::<_, ()>(7) });
    assert_eq!(from(by_hand).await, Outcome::Bypassed);
}

#[tokio::test]
async fn of_calls_inside_of_each_other_the_outermost_and_of_several_the_last() {
    let app = in_memory();
    app.half(8).await.unwrap();
    assert_eq!(
        outcome(app.quarter(8)).await,
        (Ok(2), Outcome::Loaded),
        "although one of the inner ones is a hit"
    );
    let several = async {
        app.half(20).await.unwrap();
        app.half(20).await.unwrap();
    };
    assert_eq!(from(several).await, Outcome::LocalHit);
    let several = async {
        app.half(20).await.unwrap();
        // Asked for apart, it is not the outer one's.
        assert_eq!(from(app.half(22)).await, Outcome::Loaded);
    };
    assert_eq!(from(several).await, Outcome::LocalHit);
    let spawned = async {
        let app = app.clone();
        tokio::spawn(async move { app.half(24).await }).await.unwrap()
    };
    assert_eq!(from(spawned).await, Outcome::Bypassed, "another task tells nobody");
}

#[tokio::test]
async fn who_waits_for_the_load_of_another_has_joined_it() {
    for even in [6, 7] {
        let app = App { gate: Gate::default(), ..in_memory() };
        let one = tokio::spawn({
            let app = app.clone();
            async move { outcome(app.half(even)).await }
        });
        app.gate.arrived(1).await;
        let other = tokio::spawn({
            let app = app.clone();
            async move { outcome(app.half(even)).await }
        });
        until(|| app.cache.stats().joins == 1).await;
        app.gate.open();
        let (one, other) = (one.await.unwrap(), other.await.unwrap());
        assert_eq!(one.1, if even == 6 { Outcome::Loaded } else { Outcome::Failed });
        assert_eq!(other, (one.0, Outcome::Joined), "its value, or its error");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_in_its_stale_window_and_the_refresh_after_it() {
    let app = App { gate: Gate::default(), ..in_memory() };
    app.gate.open();
    assert_eq!(from(app.aging(1)).await, Outcome::Loaded);
    assert_eq!(from(app.aging(1)).await, Outcome::LocalHit);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(from(app.aging(1)).await, Outcome::Stale);
    until(|| app.cache.stats().refreshes == 1).await;
    assert_eq!(from(app.aging(1)).await, Outcome::LocalHit);
    assert_eq!(app.cache.stats().stale_hits, 1);
}

#[tokio::test]
async fn of_many_ids_the_furthest() {
    let server = Server::start();
    let open = || {
        App::over(
            Cache::builder().namespace("shop").local(Memory::new(1000)).remote(patient(server.url())).build(),
        )
    };
    let (here, there) = (open(), open());
    assert_eq!(from(here.doubles(&[1, 2])).await, Outcome::Loaded);
    assert_eq!(from(here.doubles(&[1, 2])).await, Outcome::LocalHit);
    assert_eq!(from(here.doubles(&[1, 3])).await, Outcome::Loaded);
    assert_eq!(from(there.doubles(&[1, 2])).await, Outcome::RemoteHit);
    assert_eq!(from(there.doubles(&[1])).await, Outcome::LocalHit);
}

#[tokio::test]
async fn what_redis_has_with_and_without_a_near_cache() {
    let server = Server::start();
    let remote = || Cache::builder().namespace("shop").remote(patient(server.url()));
    for near in [false, true] {
        let open = || App::over(if near { remote().local(Memory::new(1000)) } else { remote() }.build());
        let (here, there) = (open(), open());
        let of = if near { 40 } else { 20 };
        assert_eq!(outcome(here.half(of)).await, (Ok(of / 2), Outcome::Loaded));
        assert_eq!(outcome(there.half(of)).await, (Ok(of / 2), Outcome::RemoteHit));
        let again = if near { Outcome::LocalHit } else { Outcome::RemoteHit };
        assert_eq!(outcome(there.half(of)).await, (Ok(of / 2), again));
        assert_eq!(from(there.half(of + 1)).await, Outcome::Failed);
        let stats = there.cache.stats();
        let function = &stats.functions()[0];
        assert_eq!((function.function, function.remote_hits), ("half", if near { 1 } else { 2 }));
        assert!(function.hit_times.count() >= function.remote_hits, "each of those is timed");
        assert!(!function.hit_times.quantile(1.0).is_zero());
    }
}

#[tokio::test]
async fn without_a_server_it_is_the_callers_own_load() {
    let server = Server::start();
    let app = App::over(Cache::builder().namespace("shop").remote(patient(server.url())).build());
    assert_eq!(from(app.half(2)).await, Outcome::Loaded);
    drop(server);
    assert_eq!(from(app.half(2)).await, Outcome::Loaded);
    assert_eq!(from(app.half(3)).await, Outcome::Failed);
}
