//! What one process invalidates, the others learn of: near caches over one real server, with Δ = 400 ms.
//!
//! | case | where |
//! |---|---|
//! | 16 invalidate here, read there | here; `LARDER_LONG=1` for 10 000 rounds |
//! | 17 a reply that was held back, 18 a late publish | here |
//! | 19 no feed, 20 a feed that was reset | `coherence_roads` |
//! | 23 killed and restarted empty | here |
//! | 25 `FLUSHALL`, 26 each control key deleted | here |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::store::{Claim, Expect, Put, RemoteStore as _, Token};
use larder::{Ack, Cache, Hearing, Redis, Tag, Ticket};
use tests::apart::{Process, STALENESS};
use tests::proxy::{Fault, Proxy};
use tests::redis::{Server, patient};
use tests::{until, until_async};
use tokio::task::yield_now;

fn truth() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(1))
}

fn two_at(server: &Server) -> [Process; 2] {
    let truth = truth();
    [(), ()].map(|()| Process::new(patient(server.url()), &truth))
}

fn rounds() -> u64 {
    if std::env::var_os("LARDER_LONG").is_some_and(|long| long != "0") { 10_000 } else { 500 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_16_nothing_is_stale_after_the_staleness_and_usually_long_before() {
    let server = Server::start();
    let [here, there] = two_at(&server);
    let mut took = Vec::new();
    for round in 2..2 + rounds() {
        assert!(there.read("user:1").await >= round - 1);
        here.truth.store(round, Ordering::SeqCst);
        here.cache.invalidate("user:1").await.unwrap();
        assert_eq!(here.read("user:1").await, round, "in this process at once");
        let acknowledged = Instant::now();
        loop {
            let began = acknowledged.elapsed();
            let found = there.read("user:1").await;
            if found == round {
                break took.push(acknowledged.elapsed());
            }
            assert!(began < STALENESS, "after {began:?} the value of {found} is read in round {round}");
            yield_now().await;
        }
    }
    took.sort_unstable();
    println!("visible after {:?} in half of the rounds, {:?} at worst", took[took.len() / 2], took.last());
    assert_eq!(there.cache.stats().distrusts, 0);
}

#[tokio::test]
async fn a_near_copy_lives_for_its_whole_time_while_others_are_heard() {
    let server = Server::start();
    let [here, there] = two_at(&server);
    for process in [&here, &there] {
        process.read("user:1").await;
    }
    let began = Instant::now();
    while began.elapsed() < 3 * STALENESS {
        assert!(there.holds("user:1").await);
        // Real time has to pass: it is the server's clock as well as ours.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(here.loads() + there.loads(), 1);
}

#[tokio::test]
async fn every_kind_of_scope_is_heard_of_and_nothing_else_goes() {
    let server = Server::start();
    let [here, there] = two_at(&server);
    there.read("other:1").await;
    for target in ["user:1", "user:*", "u*r:1"] {
        there.read("user:1").await;
        here.truth.fetch_add(1, Ordering::SeqCst);
        here.cache.invalidate(target).await.unwrap();
        let truth = here.truth.load(Ordering::SeqCst);
        until_async(async || there.read("user:1").await == truth).await;
        assert!(there.holds("other:1").await, "{target}");
    }
    here.cache.set("user:1", &77_u64, STALENESS * 10).await.unwrap();
    until_async(async || there.read("user:1").await == 77).await;
    here.cache.increment("count", 1).await.unwrap();
    assert_eq!(there.cache.get::<i64>("count").await.unwrap(), Some(1));
    here.cache.increment("count", 1).await.unwrap();
    until_async(async || there.cache.get::<i64>("count").await.unwrap() == Some(2)).await;
    assert!(there.holds("other:1").await);
    here.cache.clear().await.unwrap();
    until_async(async || !there.holds("other:1").await).await;
}

/// How often the server has read a value.
fn reads(server: &Server) -> u64 {
    let statistics: String = server.tell(&["INFO", "commandstats"]);
    let reads =
        statistics.lines().find_map(|line| line.strip_prefix("cmdstat_mget:calls=")?.split(',').next());
    reads.and_then(|calls| calls.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn case_17_a_reply_that_was_held_back_is_not_kept() {
    let server = Server::start();
    let truth = truth();
    let proxy = Proxy::before(server.port()).await;
    let here = Process::new(patient(server.url()), &truth);
    let there = Process::new(patient(proxy.url()), &truth);
    here.read("user:1").await;
    there.read("user:0").await;

    let before = reads(&server);
    proxy.replies(Fault::Late(Duration::from_millis(150)));
    let reader = tokio::spawn({
        let there = there.clone();
        async move { there.read("user:1").await }
    });
    until(|| reads(&server) > before).await;
    truth.store(2, Ordering::SeqCst);
    here.cache.invalidate("user:1").await.unwrap();
    let acknowledged = Instant::now();
    reader.await.unwrap();
    proxy.heal();
    loop {
        let began = acknowledged.elapsed();
        let found = there.read("user:1").await;
        if found == 2 {
            break;
        }
        assert!(began < STALENESS, "the old value was kept for {began:?}");
        yield_now().await;
    }
    assert_eq!(there.read("user:1").await, 2);
}

#[tokio::test]
async fn case_18_a_late_publish_is_refused() {
    let server = Server::start();
    let [here, there] = two_at(&server);
    let gate = tests::Gate::default();
    let loader = tokio::spawn({
        let (there, gate) = (there.clone(), gate.clone());
        async move {
            let load = async || {
                let found = there.truth.load(Ordering::SeqCst);
                gate.pass().await;
                Ok::<_, ()>(found)
            };
            there.cache.get_or_load("user:1", STALENESS * 10, load).await
        }
    });
    gate.arrived(1).await;
    here.truth.store(2, Ordering::SeqCst);
    let ticket = here.cache.invalidate("user:1").await.unwrap();
    gate.open();
    assert_eq!(loader.await.unwrap(), Ok(1), "who waited before gets the old value");
    assert_eq!(here.cache.get::<u64>("user:1").await.unwrap(), None, "it is in neither place");
    there.cache.at_least(&ticket).await.unwrap();
    assert_eq!(there.read("user:1").await, 2);

    // The same, past the cache.
    let (store, token) = (patient(server.url()), Token([7; 16]));
    store.fetch("name", &[], Some(Claim::new(token, STALENESS))).await.unwrap();
    store.invalidate(&["name".to_owned()], &[], None).await.unwrap();
    let put = Put { name: "name", scopes: &[], value: b"old", ttl: STALENESS };
    assert!(!store.publish(put, Expect::Lease(token)).await.unwrap());
}

#[tokio::test]
async fn case_23_killed_and_restarted_empty() {
    let mut server = Server::start();
    let truth = truth();
    let [here, there] = [(), ()].map(|()| Process::new(Redis::open(server.url()).unwrap(), &truth));
    for process in [&here, &there] {
        process.read("user:1").await;
    }
    server.kill();
    let loads = || here.loads() + there.loads();
    let (before, began) = (loads(), Instant::now());
    while began.elapsed() < 3 * STALENESS {
        for process in [&here, &there] {
            process.read("user:1").await;
            yield_now().await;
        }
    }
    // For each process: one at most within each Δ, begun or over.
    assert!(loads() - before <= 2 * 4, "{} loads", loads() - before);
    server.restart_empty();
    for process in [&here, &there] {
        process.until_it_hears(true).await;
    }
    truth.store(2, Ordering::SeqCst);
    let ticket = here.cache.invalidate("user:1").await.unwrap();
    there.cache.at_least(&ticket).await.unwrap();
    assert_eq!((here.read("user:1").await, there.read("user:1").await), (2, 2));
    assert_eq!(there.cache.stats().distrusts, 1, "another server is another epoch");
}

/// Loses `what` while two processes read and invalidate: that costs misses, and nothing else.
async fn lost_in_mid_traffic(lose: impl Fn(&Server)) {
    let server = Server::start();
    let [here, there] = two_at(&server);
    for round in 2..8 {
        there.read("user:1").await;
        there.read("other:1").await;
        here.truth.store(round, Ordering::SeqCst);
        if round % 2 == 0 {
            lose(&server);
        }
        let ticket = here.cache.invalidate("user:1").await.unwrap();
        if round % 2 == 1 {
            lose(&server);
        }
        let acknowledged = Instant::now();
        if round % 3 == 0 {
            there.cache.at_least(&ticket).await.unwrap();
            assert_eq!(there.read("user:1").await, round, "nothing is older than the ticket");
        }
        loop {
            let began = acknowledged.elapsed();
            if there.read("user:1").await == round {
                break;
            }
            assert!(began < STALENESS);
            yield_now().await;
        }
        assert_eq!(here.read("user:1").await, round);
        assert!(there.read("other:1").await >= 1);
    }
}

#[tokio::test]
async fn case_25_everything_is_flushed_in_mid_traffic() {
    lost_in_mid_traffic(|server| server.tell::<()>(&["FLUSHALL"])).await;
}

#[tokio::test]
async fn case_26_each_control_key_is_deleted() {
    for key in ["ctl", "log", "readers", "g:*", "g:#", "g:p:user:"] {
        let key = format!("{{larder:shop}}:{key}");
        lost_in_mid_traffic(|server| {
            server.tell::<u64>(&["DEL", &key]);
        })
        .await;
    }
}

#[tokio::test]
async fn control_keys_of_another_type_are_replaced() {
    for key in ["ctl", "log", "readers"] {
        let key = format!("{{larder:shop}}:{key}");
        lost_in_mid_traffic(|server| server.tell::<()>(&["SET", &key, "damaged"])).await;
    }
}

#[tokio::test]
async fn a_ticket_makes_the_next_read_in_another_process_new() {
    let server = Server::start();
    let [here, there] = two_at(&server);
    for round in 2..100 {
        there.read("user:1").await;
        here.truth.store(round, Ordering::SeqCst);
        let ticket = if round % 2 == 0 {
            here.cache.invalidate("user:1").await.unwrap()
        } else {
            let batch = here.cache.batch();
            batch.invalidate(Tag::from("nobody"));
            batch.invalidate("user:*");
            batch.flush().await.unwrap()
        };
        let text = ticket.to_string();
        there.cache.at_least(&text.parse().unwrap()).await.unwrap();
        assert_eq!(there.read("user:1").await, round);
        here.cache.at_least(&ticket).await.unwrap();
    }
    // What names another epoch is long ago, and what names the future is not waited for.
    let (ticket, loads) = (here.cache.clear().await.unwrap(), there.loads());
    there.cache.at_least(&ticket).await.unwrap();
    there.read("user:1").await;
    let long_ago: Ticket = format!("{}-7", "ab".repeat(16)).parse().unwrap();
    there.cache.at_least(&long_ago).await.unwrap();
    assert!(there.holds("user:1").await);
    let (epoch, _) =
        ticket.to_string().split_once('-').map(|(epoch, rest)| (epoch.to_owned(), rest.len())).unwrap();
    let future: Ticket = format!("{epoch}-99999999").parse().unwrap();
    there.cache.at_least(&future).await.unwrap();
    assert!(!there.holds("user:1").await, "the store knows less than it did");
    assert!(there.loads() >= loads);
}

#[tokio::test]
async fn a_ticket_is_honoured_without_near_copies_and_refused_without_the_store() {
    let mut server = Server::start();
    let truth = truth();
    let here = Process::new(patient(server.url()), &truth);
    let remote = Cache::builder().namespace("shop").remote(patient(server.url())).build();
    let ticket = here.cache.invalidate("user:1").await.unwrap();
    remote.at_least(&ticket).await.unwrap();
    let alone = Cache::builder().local(larder::Memory::new(10)).build();
    alone.at_least(&ticket).await.unwrap();
    assert_eq!(alone.invalidate("user:1").await.unwrap().to_string(), "0");
    here.cache.at_least(&"0".parse().unwrap()).await.unwrap();

    let there = Process::new(Redis::open(server.url()).unwrap(), &truth);
    server.kill();
    assert!(there.cache.at_least(&ticket).await.is_err());
    remote.at_least(&ticket).await.unwrap();
}

#[tokio::test]
async fn health_tells_how_others_are_heard_of() {
    let server = Server::start();
    let there = Process::new(patient(server.url()), &truth());
    let hearing = async || there.cache.health().await.remote.unwrap().hearing;
    assert_eq!(hearing().await, Hearing::FloorOnly, "nothing was asked yet");
    there.read("user:1").await;
    let Hearing::Feed { lag } = hearing().await else { panic!("it follows the log") };
    assert!(lag <= STALENESS);
    let remote = Cache::builder().remote(patient(server.url())).build();
    assert_eq!(remote.health().await.remote.unwrap().hearing, Hearing::RemoteOnly);
}

#[tokio::test]
async fn a_feed_ends_with_its_cache_and_begins_again_in_another_runtime() {
    let server = Server::start();
    let clients = || {
        let list: String = server.tell(&["CLIENT", "LIST"]);
        list.lines().filter(|line| line.contains("name=larder")).count()
    };
    let [here, there] = two_at(&server);
    let first = std::thread::spawn({
        let there = there.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(there.read("user:1"));
        }
    });
    until(|| first.is_finished()).await;
    first.join().unwrap();
    here.truth.store(2, Ordering::SeqCst);
    here.cache.invalidate("user:1").await.unwrap();
    until_async(async || there.read("user:1").await == 2).await;
    there.until_it_hears(true).await;
    assert!(clients() > 0);
    drop((here, there));
    until(|| clients() == 0).await;
}

#[tokio::test]
async fn an_invalidation_of_the_fleet_leaves_nothing_older_anywhere() {
    let server = Server::start();
    let (truth, proxy) = (truth(), Proxy::before(server.port()).await);
    let here = Cache::builder().namespace("shop").ack(Ack::Fleet).remote(patient(server.url())).build();
    let [one, two] =
        [server.url(), proxy.url()].map(|url| Process::with(Ack::Fleet, Redis::open(url).unwrap(), &truth));
    // While the epoch is young there may be others, who know of the one before.
    here.invalidate("user:1").await.unwrap();
    for round in 2..50 {
        one.read("user:1").await;
        two.read("user:1").await;
        truth.store(round, Ordering::SeqCst);
        let began = Instant::now();
        here.invalidate("user:1").await.unwrap();
        assert!(began.elapsed() < STALENESS, "who hears is not waited for longer than it takes");
        assert_eq!((one.read("user:1").await, two.read("user:1").await), (round, round));
    }
    // One that is cut off is waited for until it trusts nothing.
    proxy.requests(Fault::Swallow);
    truth.store(50, Ordering::SeqCst);
    here.invalidate("user:1").await.unwrap();
    assert_eq!((one.read("user:1").await, two.read("user:1").await), (50, 50));
    // What it has loaded itself since, it does not trust either: nobody waits for it any more.
    two.until_it_hears(false).await;
    assert_eq!(two.read("user:2").await, 50);
    truth.store(51, Ordering::SeqCst);
    here.invalidate("user:2").await.unwrap();
    assert_eq!(two.read("user:2").await, 51);
    // One that nobody can be asked about is waited for, too, since the server has forgotten who reads.
    proxy.heal();
    two.until_it_hears(true).await;
    until_async(async || two.holds("user:1").await).await;
    proxy.requests(Fault::Swallow);
    truth.store(52, Ordering::SeqCst);
    let records = || server.tell::<u64>(&["XLEN", "{larder:shop}:log"]);
    let before = records();
    let forgets = async {
        until(|| records() > before).await;
        server.tell::<()>(&["FLUSHALL"]);
    };
    let (invalidated, ()) = tokio::join!(here.invalidate("user:1"), forgets);
    invalidated.unwrap();
    assert_eq!(two.read("user:1").await, 52);
    // Whether that was before the invalidation or after.
    proxy.heal();
    two.until_it_hears(true).await;
    until_async(async || two.holds("user:1").await).await;
    proxy.requests(Fault::Swallow);
    truth.store(53, Ordering::SeqCst);
    server.tell::<()>(&["FLUSHALL"]);
    here.invalidate("user:1").await.unwrap();
    assert_eq!(two.read("user:1").await, 53);
    // Or has forgotten nothing else.
    proxy.heal();
    two.until_it_hears(true).await;
    until_async(async || two.holds("user:1").await).await;
    proxy.requests(Fault::Swallow);
    truth.store(54, Ordering::SeqCst);
    server.tell::<()>(&["DEL", "{larder:shop}:readers"]);
    here.invalidate("user:1").await.unwrap();
    assert_eq!(two.read("user:1").await, 54);
}
