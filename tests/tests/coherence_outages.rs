//! Servers that were away, or are not what they were: what was invalidated meanwhile stays invalidated, Δ = 400 ms.
//!
//! | case | where |
//! |---|---|
//! | 32 a failover that lost its tail, 33 a demotion with open sockets | here |
//! | 37 Redis down at the invalidation, back before the replay | here |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::store::{Position, Reader, RemoteStore as _, Token};
use larder::{Ack, ErrorKind, Redis};
use tests::apart::{Process, STALENESS};
use tests::proxy::{Fault, Proxy};
use tests::redis::{Server, patient};
use tests::{until, until_async};
use tokio::task::yield_now;

fn truth() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(1))
}

/// Reads until what is found is `expected`, which must be so before Δ has passed since `since`.
async fn becomes(process: &Process, key: &str, expected: u64, since: Instant) {
    loop {
        let began = since.elapsed();
        let found = process.read(key).await;
        if found == expected {
            return;
        }
        assert!(began < STALENESS, "{found} is read {began:?} after it was replaced by {expected}");
        yield_now().await;
    }
}

fn replica_of(primary: &Server) -> Server {
    let replica = Server::start_with(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
    until_linked(&replica);
    replica
}

fn until_linked(replica: &Server) {
    let began = Instant::now();
    while !replica.tell::<String>(&["INFO", "replication"]).contains("master_link_status:up") {
        assert!(began.elapsed() < Duration::from_secs(20), "the replica finds its primary");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn case_37_the_old_value_is_not_served_between_the_return_of_the_store_and_the_replay() {
    let server = Server::start();
    let (truth, proxy) = (truth(), Proxy::before(server.port()).await);
    let here = Process::new(Redis::open(proxy.url()).unwrap(), &truth);
    let there = Process::new(patient(server.url()), &truth);
    for round in 2..6 {
        here.read("user:1").await;
        there.read("user:1").await;
        proxy.requests(Fault::Swallow);
        truth.store(round, Ordering::SeqCst);
        assert!(here.cache.invalidate("user:1").await.is_err(), "it is owed");
        assert_eq!(here.cache.owed_invalidations(), 1);
        assert_eq!(here.read("user:1").await, round, "here it has taken effect");
        proxy.heal();
        proxy.reset();
        // Not a single read may find what the store still has.
        let began = Instant::now();
        while here.cache.owed_invalidations() > 0 {
            assert_eq!(here.read("user:1").await, round);
            assert!(began.elapsed() < Duration::from_secs(10));
            yield_now().await;
        }
        assert_eq!(here.read("user:1").await, round);
        becomes(&there, "user:1", round, Instant::now()).await;
    }
}

#[tokio::test]
async fn debts_are_paid_though_nobody_asks_for_anything() {
    let mut server = Server::start();
    let truth = truth();
    let here = Process::new(Redis::open(server.url()).unwrap(), &truth);
    here.read("user:1").await;
    server.kill();
    for id in 0..10 {
        assert!(here.cache.invalidate(format!("user:{id}")).await.is_err());
    }
    assert_eq!(here.cache.owed_invalidations(), 10);
    server.restart();
    until(|| here.cache.owed_invalidations() == 0).await;
    let log: u64 = server.tell(&["XLEN", "{larder:shop}:log"]);
    assert_eq!(log, 1, "others hear of all of them at once");
}

#[tokio::test]
async fn a_cache_that_owes_ends_all_the_same() {
    let truth = truth();
    let here = Process::new(Redis::open("redis://127.0.0.1:1").unwrap(), &truth);
    here.read("user:1").await;
    assert!(here.cache.invalidate("user:1").await.is_err());
    // No task keeps what a process holds.
    let before = Arc::strong_count(&truth);
    drop(here);
    until(|| Arc::strong_count(&truth) < before).await;
}

#[tokio::test]
async fn case_32_a_failover_that_lost_its_tail() {
    for lost_with_the_log in [false, true] {
        let mut primary = Server::start();
        let replica = replica_of(&primary);
        let (truth, proxy) = (truth(), Proxy::before(primary.port()).await);
        let [here, there] = [(), ()].map(|()| Process::new(Redis::open(proxy.url()).unwrap(), &truth));
        for process in [&here, &there] {
            process.read("user:1").await;
            process.read("user:2").await;
        }
        if !lost_with_the_log {
            here.cache.invalidate("user:2").await.unwrap();
            there.read("user:2").await;
        }
        assert_eq!(primary.tell::<u64>(&["WAIT", "1", "10000"]), 1);
        // What the primary does from here on the replica does not hear of.
        replica.tell::<()>(&["REPLICAOF", "NO", "ONE"]);
        truth.store(2, Ordering::SeqCst);
        here.cache.invalidate("user:1").await.unwrap();
        let acknowledged = Instant::now();
        primary.kill();
        proxy.lead_to(replica.port());
        proxy.cut();
        becomes(&there, "user:1", 2, acknowledged).await;
        until_async(async || there.hears().await && here.hears().await).await;
        for _ in 0..20 {
            assert_eq!((here.read("user:1").await, there.read("user:1").await), (2, 2));
        }
        truth.store(3, Ordering::SeqCst);
        let ticket = there.cache.invalidate("user:*").await.unwrap();
        here.cache.at_least(&ticket).await.unwrap();
        assert_eq!((here.read("user:1").await, there.read("user:1").await), (3, 3));
    }
}

#[tokio::test]
async fn case_33_nothing_more_is_read_from_a_primary_that_was_demoted() {
    let (server, other) = (Server::start(), Server::start());
    let truth = truth();
    let here = Process::new(Redis::open(server.url()).unwrap(), &truth);
    let there = Process::new(patient(other.url()), &truth);
    here.read("user:1").await;
    there.read("user:1").await;
    here.until_it_hears(true).await;
    server.tell::<()>(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let demoted = Instant::now();
    until_linked(&server);
    let hits = here.cache.stats().remote_hits;
    truth.store(2, Ordering::SeqCst);
    there.cache.invalidate("user:1").await.unwrap();
    becomes(&here, "user:1", 2, demoted.max(Instant::now())).await;
    here.until_it_hears(false).await;
    for _ in 0..20 {
        here.read("user:2").await;
    }
    assert_eq!(here.cache.stats().remote_hits, hits, "not even what it has");
}

#[tokio::test]
async fn case_33_a_server_that_is_cut_off_from_its_replicas_renews_nothing() {
    let server = Server::start();
    let store = patient(server.url());
    let reader = Reader { name: Token([7; 16]), trusts_for: STALENESS };
    let end = store.news("{log}", None, reader).await.unwrap().end;
    server.tell::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    assert_eq!(store.news("{log}", Some(end), reader).await.unwrap_err().kind(), ErrorKind::Unavailable);
    server.tell::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    assert_eq!(store.news("{log}", Some(end), reader).await.unwrap().end, end);
}

#[tokio::test]
async fn a_primary_that_was_one_before_begins_another_life_under_an_open_connection() {
    let (server, other) = (Server::start(), Server::start());
    let store = Redis::open(server.url()).unwrap();
    let reader = Reader { name: Token([7; 16]), trusts_for: STALENESS };
    let Position { epoch, .. } = store.news("{log}", None, reader).await.unwrap().end;
    // Demoted and promoted again, and nobody was told.
    server.tell::<()>(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    until_linked(&server);
    server.tell::<()>(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(store.news("{log}", None, reader).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let news = store.news("{log}", None, reader).await.unwrap();
    assert_ne!(news.end.epoch, epoch, "over another connection, of another life");
}

#[tokio::test]
async fn an_invalidation_waits_for_as_many_replicas_as_it_is_told() {
    let primary = Server::start();
    let cache = |replicas| {
        let store = Redis::builder().url(primary.url()).invalidate_deadline(Duration::from_secs(2));
        let cache = larder::Cache::builder().namespace("shop").ack(Ack::Replicas(replicas));
        cache.remote(store.build().unwrap()).build()
    };
    let (one, two) = (cache(1), cache(2));
    let error = one.invalidate("user:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(one.owed_invalidations(), 1, "it is kept until there is one");
    let replica = replica_of(&primary);
    until(|| one.owed_invalidations() == 0).await;
    let one_ticket = one.invalidate("user:1").await.unwrap();
    let there: String = replica.tell(&["HGET", "{larder:shop}:ctl", "s"]);
    assert!(one_ticket.to_string().ends_with(&format!("-{there}")), "the replica has it: {there}");
    assert!(two.invalidate("user:1").await.is_err());
}
