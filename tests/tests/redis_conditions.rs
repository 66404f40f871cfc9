//! Every condition that a server can be in, and what becomes of reads, stores and invalidations meanwhile:
//! the body runs, nothing is stored, what could not be invalidated is owed – and all is whole afterwards.
//! Here through a cache; how the store itself fails is in `redis_outages` and `redis_refusals`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larder::{Cache, ErrorKind, Redis, RemoteHealth, Result};
use tests::cluster::Cluster;
use tests::log::Log;
use tests::proxy::{Fault, Proxy};
use tests::redis::{Server, patient};
use tests::secrets::clean;
use tests::{until, until_async};
use tokio::task::yield_now;

const TTL: Duration = Duration::from_secs(300);

/// What a busy machine may add to a bound before a test takes offence.
const SLACK: Duration = Duration::from_millis(400);

/// How soon a server that is back must be in use.
const SOON: Duration = Duration::from_secs(1);

fn cache(redis: Redis) -> Cache {
    Cache::builder().namespace("shop").remote(redis).build()
}

fn hasty(url: impl AsRef<str>) -> Cache {
    cache(Redis::open(url).unwrap())
}

async fn load(cache: &Cache, key: &str, value: u64) -> u64 {
    let loaded: Result<u64> = cache.get_or_load(key, TTL, || async { Ok(value) }).await;
    loaded.expect("the body does not fail, and nothing else is the caller's")
}

async fn health(cache: &Cache) -> RemoteHealth {
    cache.health().await.remote.expect("a remote store")
}

/// A cache with one value, `canary:kept`, that the server has.
async fn filled(cache: Cache) -> Cache {
    until_async(async || {
        load(&cache, "canary:kept", 1).await == 1 && cache.exists("canary:kept").await.is_ok_and(|is| is)
    })
    .await;
    cache
}

/// Uses `cache` while its server is in trouble, and sees that it does what it should.
async fn suffer(cache: &Cache, what: &str) {
    let before = cache.stats();
    for number in 0..30 {
        let key = format!("new:canary-{number}");
        assert_eq!(load(cache, &key, 100 + number).await, 100 + number, "{what}: the body runs");
        assert_eq!(load(cache, &key, 200 + number).await, 200 + number, "{what}: nothing is stored");
    }
    let stats = cache.stats();
    assert!(stats.remote_errors - before.remote_errors < 20, "{what}: few are tried: {stats:?}");
    assert!(stats.remote_skipped - before.remote_skipped >= 50, "{what}: most are skipped: {stats:?}");
    assert_eq!(stats.breaker_openings - before.breaker_openings, 1, "{what}");
    assert!(health(cache).await.breaker_open, "{what}");

    let skipped = Instant::now();
    let error = cache.invalidate("canary:kept").await.expect_err("it is owed");
    assert!(!clean(error).to_string().is_empty(), "{what}");
    assert!(skipped.elapsed() < SLACK, "{what}: and nobody waits for it");
    assert_eq!(health(cache).await.owed_invalidations, 1, "{what}");
    assert_eq!(load(cache, "canary:kept", 2).await, 2, "{what}: the old value is gone here");
}

/// Sees that `cache` is whole again, and that what was invalidated meanwhile is not served, here or by `other`.
async fn recover(cache: &Cache, other: &Cache, what: &str, soon: Duration) {
    let back = Instant::now();
    until_async(async || {
        assert_ne!(load(cache, "canary:kept", 3).await, 1, "{what}");
        cache.exists("canary:kept").await.is_ok_and(|is| is)
    })
    .await;
    assert!(back.elapsed() < soon + SLACK, "{what}: it took {:?}", back.elapsed());
    assert_eq!(load(cache, "canary:kept", 4).await, 3, "{what}: stored again");
    assert_eq!(load(other, "canary:kept", 5).await, 3, "{what}: and shared");
    assert!(cache.health().await.is_well(), "{what}: {:?}", cache.health().await);
}

#[tokio::test]
async fn a_server_that_is_down() {
    let mut server = Server::start_durable();
    let cache = filled(hasty(server.url())).await;
    server.kill();
    suffer(&cache, "down").await;
    server.restart();
    recover(&cache, &cache_at(&server), "down", SOON).await;
}

#[tokio::test]
async fn a_server_that_hangs() {
    let server = Server::start();
    let cache = filled(hasty(server.url())).await;
    server.stop();
    let start = Instant::now();
    suffer(&cache, "hung").await;
    // Five reads and a health check or two that wait for their deadlines; sixty reads would take six seconds.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    server.cont();
    recover(&cache, &cache_at(&server), "hung", SOON).await;
}

/// Crowds are late together, again and again, and others are answered in between: that is too much at once, and not
/// a server that is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stutters_under_load_is_asked_for_less_and_not_left_alone() {
    const READERS: u64 = 50;

    let server = Arc::new(Server::start());
    let redis = Redis::builder().url(server.url()).read_deadline(Duration::from_millis(400));
    let cache = cache(redis.build().unwrap());
    let keys: Vec<(String, u64)> = (0..READERS).map(|number| (format!("canary:{number}"), number)).collect();
    until_async(async || {
        cache.set_many(keys.iter().map(|(key, value)| (key.as_str(), value)), TTL).await.is_ok()
    })
    .await;
    let over = Arc::new(AtomicBool::new(false));
    let readers = keys.into_iter().map(|(key, number)| {
        let (cache, over) = (cache.clone(), Arc::clone(&over));
        tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                assert_eq!(load(&cache, &key, number).await, number);
                yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for _ in 0..5 {
        let hits = cache.stats().remote_hits;
        until(|| cache.stats().remote_hits > hits + READERS).await;
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || server.tell::<()>(&["DEBUG", "SLEEP", "0.6"])).await.unwrap();
    }
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    let stats = cache.stats();
    assert!(stats.remote_slowdowns >= 5 && stats.remote_timeouts > READERS, "{stats:?}");
    assert!(stats.remote_skipped > 0 && stats.remote_hits > 5 * READERS, "{stats:?}");
    assert_eq!(stats.breaker_openings, 0, "{stats:?}");
}

#[tokio::test]
async fn a_network_that_swallows_one_way_or_both() {
    let server = Server::start();
    for (what, requests, replies) in [
        ("requests vanish", Fault::Swallow, Fault::Pass),
        ("answers vanish", Fault::Pass, Fault::Swallow),
        ("all vanishes", Fault::Swallow, Fault::Swallow),
        ("all is late", Fault::Pass, Fault::Late(Duration::from_millis(300))),
    ] {
        server.tell::<()>(&["FLUSHALL"]);
        let proxy = Proxy::before(server.port()).await;
        let cache = filled(hasty(proxy.url())).await;
        proxy.requests(requests);
        proxy.replies(replies);
        suffer(&cache, what).await;
        proxy.heal();
        recover(&cache, &cache_at(&server), what, SOON).await;
    }
}

#[tokio::test]
async fn connections_that_end_in_mid_answer_or_are_reset_cost_nobody_a_value() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let cache = filled(cache(patient(proxy.url()))).await;
    for round in 0..60 {
        match round % 4 {
            0 => proxy.replies(Fault::CutAfter(round)),
            1 => proxy.requests(Fault::CutAfter(round)),
            2 => proxy.reset(),
            _ => proxy.cut(),
        }
        assert_eq!(
            load(&cache, "canary:kept", 9).await,
            1,
            "round {round}: it is asked again on a new connection"
        );
    }
    assert_eq!(cache.stats().remote_errors, 0);
    assert!(proxy.connections() >= 60);
}

#[tokio::test]
async fn a_flipped_bit_is_no_value() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let cache = filled(cache(patient(proxy.url()))).await;
    let text = "a value that is longer than all that stands around it. ".repeat(20);
    cache.set("text", &text, TTL).await.unwrap();
    // The answer ends with what SET says, and before that the generations: all of these places are in the value.
    for place in 200..300 {
        proxy.replies(Fault::Flip(place));
        assert_eq!(cache.get::<String>("text").await.unwrap(), None, "the bit at {place}");
    }
    assert_eq!(cache.stats().remote_refusals, 100);
    proxy.heal();
    assert_eq!(cache.get::<String>("text").await.unwrap(), Some(text));
}

#[tokio::test]
async fn a_swallowed_answer_is_a_body_that_runs() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let cache = filled(hasty(proxy.url())).await;
    // Each costs two operations: those are failures, and more of them would be reason to leave it alone.
    for number in 0..4 {
        proxy.replies(Fault::SwallowOne);
        assert_eq!(load(&cache, &format!("key:{number}"), number).await, number);
        until_async(async || load(&cache, "canary:kept", 9).await == 1).await;
    }
    assert_eq!(cache.stats().breaker_openings, 0);
}

/// A condition that `CONFIG`, `ACL` or another server brings about, and that ends it.
struct Condition {
    what: &'static str,
    begin: &'static [&'static [&'static str]],
    end: &'static [&'static [&'static str]],
    kind: ErrorKind,
}

const CONDITIONS: &[Condition] = &[
    Condition {
        what: "READONLY",
        begin: &[&["REPLICAOF", "127.0.0.1", "1"]],
        end: &[&["REPLICAOF", "NO", "ONE"]],
        kind: ErrorKind::Unavailable,
    },
    Condition {
        what: "MASTERDOWN",
        begin: &[&["CONFIG", "SET", "replica-serve-stale-data", "no"], &["REPLICAOF", "127.0.0.1", "1"]],
        end: &[&["REPLICAOF", "NO", "ONE"]],
        kind: ErrorKind::Unavailable,
    },
    Condition {
        what: "NOREPLICAS",
        begin: &[&["CONFIG", "SET", "min-replicas-to-write", "1"]],
        end: &[&["CONFIG", "SET", "min-replicas-to-write", "0"]],
        kind: ErrorKind::Unavailable,
    },
    Condition {
        what: "WRONGPASS",
        begin: &[&["ACL", "SETUSER", "shop", "resetpass", ">hunter3"], &["CLIENT", "KILL", "USER", "shop"]],
        end: &[&["ACL", "SETUSER", "shop", ">hunter2"]],
        kind: ErrorKind::Denied,
    },
    Condition {
        what: "NOPERM",
        begin: &[&["ACL", "SETUSER", "shop", "-mget", "-evalsha"]],
        end: &[&["ACL", "SETUSER", "shop", "+mget", "+evalsha"]],
        kind: ErrorKind::Denied,
    },
];

#[tokio::test]
async fn a_server_that_refuses() {
    for Condition { what, begin, end, kind } in CONDITIONS {
        let server = Server::start();
        server.tell::<()>(&["ACL", "SETUSER", "shop", "on", ">hunter2", "~*", "&*", "+@all"]);
        let log = Log::of_this_thread();
        let cache = filled(cache(patient(server.url_with("shop:hunter2")))).await;
        for command in *begin {
            let _: redis::Value = server.tell(command);
        }
        suffer(&cache, what).await;
        let said = cache.get::<u64>("canary:kept").await.unwrap_err();
        assert_eq!(said.kind(), ErrorKind::Unavailable, "{what}: {said}");
        assert!(log.text().contains(what) || *kind == ErrorKind::Denied, "{what}: the reason is in the log");
        // A login that was refused is tried again once a second, or every other.
        let soon = if *kind == ErrorKind::Denied { 2 * SOON } else { SOON };
        for command in *end {
            let _: redis::Value = server.tell(command);
        }
        recover(&cache, &cache_at(&server), what, soon).await;
        let warnings = log.warnings();
        let alone = warnings.iter().filter(|line| line.contains("left alone")).count();
        assert!(alone == 1 && warnings.len() <= 3, "{what}: one line for each change: {warnings:?}");
        assert!(!log.text().contains("hunter2") && !log.text().contains("hunter3"), "{what}");
    }
}

#[tokio::test]
async fn a_server_that_wants_a_password_from_now_on() {
    let server = Server::start();
    server.tell::<()>(&["ACL", "SETUSER", "admin", "on", ">admin", "~*", "&*", "+@all"]);
    let mut admin = redis::Client::open(server.url_with("admin:admin")).unwrap().get_connection().unwrap();
    let mut tell = |words: &[&str]| redis::Cmd::new().arg(words).exec(&mut admin).expect("it is done");
    let log = Log::of_this_thread();
    let cache = filled(cache(patient(server.url()))).await;
    tell(&["CONFIG", "SET", "requirepass", "canary-password"]);
    tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    suffer(&cache, "NOAUTH").await;
    let said = health(&cache).await.server.expect_err("`health` says so");
    assert_eq!(clean(said).kind(), ErrorKind::Denied);
    tell(&["ACL", "SETUSER", "default", "nopass"]);
    recover(&cache, &cache_at(&server), "NOAUTH", 2 * SOON).await;
    assert!(log.text().contains("NOAUTH"), "the reason is in the log: {}", log.text());
}

/// TRYAGAIN: of several keys of a slot that is on its way, some have arrived and some have not.
#[tokio::test]
async fn a_slot_that_is_on_its_way_and_does_not_arrive() {
    let cluster = Cluster::start().await;
    let redis = Redis::builder().url(cluster.url()).read_deadline(SLACK).invalidate_deadline(SLACK);
    let cache = filled(cache(redis.build().unwrap())).await;
    let other = Cache::builder().namespace("shop").remote(patient(cluster.url())).build();
    let control = "{larder:shop}:g:*";
    let (from, slot) =
        (cluster.holders(control, 0)[0], cluster.nodes[0].tell::<u64>(&["CLUSTER", "KEYSLOT", control]));
    let (source, slot, to) = (&cluster.nodes[from], slot.to_string(), cluster.id((from + 1) % 3));
    source.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to]);
    assert_eq!(load(&cache, "canary:kept", 2).await, 1, "what is still there is a hit");
    for number in 0..3 {
        let key = format!("canary:{number}");
        assert_eq!(load(&cache, &key, number).await, number, "the body runs, or what it stored is found");
    }
    // One of its scopes is there, the other is nowhere: it may have gone on.
    let error = cache.invalidate("canary:*").await.expect_err("it is owed");
    assert_eq!(clean(error).kind(), ErrorKind::Unavailable);
    assert!(source.errors("TRYAGAIN") > 0);
    assert_eq!(load(&cache, "canary:kept", 2).await, 2, "the old value is gone here");
    assert_eq!(health(&cache).await.owed_invalidations, 1);
    source.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "STABLE"]);
    recover(&cache, &other, "TRYAGAIN", SOON).await;
}

/// MOVED: two nodes that send a call from one to the other, which does not end by itself.
#[tokio::test]
async fn nodes_that_name_each_other_are_asked_a_few_times_and_then_the_body_runs() {
    let cluster = Cluster::start().await;
    let cache = filled(cache(patient(cluster.url()))).await;
    let control = cluster.holders("{larder:shop}:g:*", 0)[0];
    let key = (0..1_000)
        .map(|id| format!("lost:{id}"))
        .find(|key| cluster.holders(&format!("shop:{key}"), control)[0] != control);
    let key = key.expect("a key elsewhere");
    let name = format!("shop:{key}");
    let (one, two) = (cluster.holders(&name, control)[0], control);
    let slot = cluster.nodes[0].tell::<u64>(&["CLUSTER", "KEYSLOT", &name]).to_string();
    cluster.nodes[one].tell::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &cluster.id(two)]);
    let moved = || -> u64 { cluster.nodes.iter().map(|node| node.errors("MOVED")).sum() };
    let before = moved();
    assert_eq!(load(&cache, &key, 7).await, 7, "the body runs");
    let asked = moved() - before;
    assert_eq!(asked, 1 + 5, "it is asked for once, and sent on five times");
    assert_eq!(load(&cache, "canary:kept", 8).await, 1, "what is elsewhere is a hit");
    assert_eq!(cache.stats().breaker_openings, 0);
}

#[tokio::test]
async fn a_server_that_is_busy() {
    let server = Server::start();
    let cache = filled(cache(patient(server.url()))).await;
    server.tell::<()>(&["CONFIG", "SET", "busy-reply-threshold", "1"]);
    let endless = std::thread::spawn({
        let url = server.url();
        move || {
            let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
            let _ = redis::cmd("EVAL").arg("while true do end").arg(0).exec(&mut connection);
        }
    });
    until_async(async || cache.exists("canary:kept").await.is_err()).await;
    suffer(&cache, "BUSY").await;
    server.tell::<()>(&["SCRIPT", "KILL"]);
    endless.join().unwrap();
    recover(&cache, &cache_at(&server), "BUSY", SOON).await;
}

#[tokio::test]
async fn a_server_that_is_loading() {
    let server = Server::start();
    let cache = filled(cache(patient(server.url()))).await;
    server.tell::<()>(&["DEBUG", "POPULATE", "1000"]);
    // A second, and it looks up after each kilobyte.
    let slow = ["CONFIG", "SET", "key-load-delay", "5000", "loading-process-events-interval-bytes", "1024"];
    server.tell::<()>(&slow);
    let loading = std::thread::spawn({
        let url = server.url();
        move || {
            let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
            redis::cmd("DEBUG").arg("RELOAD").exec(&mut connection)
        }
    });
    until_async(async || cache.exists("kept").await.is_err()).await;
    suffer(&cache, "LOADING").await;
    assert!(!loading.is_finished(), "it must not be over before all was tried");
    server.tell::<()>(&["CONFIG", "SET", "key-load-delay", "0"]);
    loading.join().unwrap().unwrap();
    recover(&cache, &cache_at(&server), "LOADING", SOON).await;
}

#[tokio::test]
async fn a_cluster_that_is_down() {
    let node = Server::start_with(&["--cluster-enabled", "yes"]);
    node.tell::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let url = format!("redis+cluster://127.0.0.1:{}", node.port());
    let is_up = |up| {
        let node = &node;
        async move || node.tell::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok") == up
    };
    until_async(is_up(true)).await;
    let log = Log::of_this_thread();
    let cache = filled(cache(patient(&url))).await;
    // A slot without a primary is reason enough for all of it.
    node.tell::<()>(&["CLUSTER", "DELSLOTS", "3"]);
    until_async(is_up(false)).await;
    suffer(&cache, "CLUSTERDOWN").await;
    assert!(log.text().contains("CLUSTERDOWN"), "the reason is in the log: {}", log.text());
    node.tell::<()>(&["CLUSTER", "ADDSLOTS", "3"]);
    until_async(is_up(true)).await;
    recover(&cache, &Cache::builder().namespace("shop").remote(patient(&url)).build(), "CLUSTERDOWN", SOON)
        .await;
}

#[tokio::test]
async fn a_full_server_serves_what_it_has_and_takes_invalidations() {
    let server = Server::start();
    let cache = filled(cache(patient(server.url()))).await;
    server.tell::<()>(&["CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction"]);
    for number in 0..50 {
        assert_eq!(load(&cache, "canary:kept", 9).await, 1, "hits work");
        assert_eq!(load(&cache, &format!("new:canary-{number}"), number).await, number, "the body runs");
    }
    let stats = cache.stats();
    assert!(stats.remote_errors >= 50, "and it is counted: {stats:?}");
    assert_eq!((stats.remote_skipped, stats.breaker_openings), (0, 0), "the store is not left alone");
    assert_eq!(cache.set("other", &1_u64, TTL).await.unwrap_err().kind(), ErrorKind::Full);
    let _ = cache.invalidate("canary:kept").await.unwrap();
    assert_eq!(load(&cache, "canary:kept", 2).await, 2, "invalidations work");
    server.tell::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(load(&cache, "canary:kept", 3).await, 3);
    assert_eq!(load(&cache, "canary:kept", 4).await, 3);
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_again_and_nobody_notices() {
    let server = Server::start();
    let cache = filled(cache(patient(server.url()))).await;
    for number in 0..20 {
        server.tell::<()>(&["SCRIPT", "FLUSH"]);
        let key = format!("key:{number}");
        assert_eq!(load(&cache, &key, number).await, number);
        server.tell::<()>(&["SCRIPT", "FLUSH"]);
        assert_eq!(load(&cache, &key, 99).await, number);
        let _ = cache.invalidate(key.as_str()).await.unwrap();
        assert_eq!(load(&cache, &key, 100 + number).await, 100 + number);
    }
    assert_eq!(cache.stats().remote_errors, 0);
}

#[tokio::test]
async fn everything_flushed_in_mid_traffic_is_misses_only() {
    let server = Server::start();
    let cache = filled(cache(patient(server.url()))).await;
    for number in 2..100 {
        server.tell::<()>(&[if number % 2 == 0 { "FLUSHALL" } else { "FLUSHDB" }]);
        assert_eq!(load(&cache, "canary:kept", number).await, number, "a miss");
        assert_eq!(load(&cache, "canary:kept", 1_000).await, number, "and stored again");
    }
    assert_eq!((cache.stats().remote_errors, cache.stats().remote_refusals), (0, 0));
}

#[tokio::test]
async fn each_control_key_that_is_deleted_alone_is_misses_only() {
    let server = Server::start();
    let cache = filled(cache(patient(server.url()))).await;
    cache.set("user:1:name", &1_u64, TTL).await.unwrap();
    let _ = cache.invalidate("other:*").await.unwrap();
    let controls: Vec<String> = server.tell(&["KEYS", "{larder:shop}:*"]);
    assert!(controls.len() >= 3, "{controls:?}");
    let mut last = 1;
    for (round, control) in (2..).zip(&controls) {
        server.tell::<u64>(&["DEL", control]);
        let first = load(&cache, "user:1:name", round).await;
        assert!(first == round || first == last, "{control}: {first} is neither new nor what was there");
        let second = load(&cache, "user:1:name", 1_000).await;
        assert_eq!(second, first, "{control}: stored again");
        last = first;
        // What covers the entry is gone: it must not be trusted.
        if control.ends_with(":g:*") || control.contains(":g:p:user") {
            assert_eq!(first, round, "{control}");
        }
    }
    assert_eq!(cache.stats().remote_errors, 0);
}

fn cache_at(server: &Server) -> Cache {
    cache(patient(server.url()))
}
