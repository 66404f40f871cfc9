//! What one process invalidates, the others learn of on every road to Redis: to one server, through sentinels, and to a
//! cluster. Cases 19 and 20 on each, and failovers while two near caches exchange invalidations, with Δ = 400 ms.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use larder::Redis;
use tests::apart::{Process, STALENESS};
use tests::cluster::Cluster;
use tests::proxy::{Fault, Proxy};
use tests::redis::{Server, patient};
use tests::{eventually, until_async};
use tokio::task::yield_now;

/// Two near caches over one store, the road of one of which can be closed.
struct Roads {
    here: Process,
    there: Process,
    /// All that the other sees of the store.
    proxies: Vec<Proxy>,
    truth: Arc<AtomicU64>,
    _servers: Servers,
}

#[derive(Debug)]
enum Servers {
    Few(#[expect(dead_code, reason = "they live as long")] Vec<Server>),
    Cluster(#[expect(dead_code, reason = "they live as long")] Cluster),
}

/// A store that gives up soon, or one that does not.
type Open = fn(&str) -> Redis;

fn hasty(url: &str) -> Redis {
    Redis::open(url).expect("a URL")
}

fn patiently(url: &str) -> Redis {
    patient(url)
}

impl Roads {
    fn new(here: Process, there: Redis, proxies: Vec<Proxy>, servers: Servers) -> Self {
        let truth = Arc::clone(&here.truth);
        let there = Process::new(there, &truth);
        Self { here, there, proxies, truth, _servers: servers }
    }

    async fn to_a_server(open: Open) -> Self {
        let server = Server::start();
        let proxy = Proxy::before(server.port()).await;
        let here = Process::new(patient(server.url()), &truth());
        Self::new(here, open(&proxy.url()), vec![proxy], Servers::Few(vec![server]))
    }

    /// To one that a sentinel names, as it sees it: by its proxy.
    async fn through_a_sentinel(open: Open) -> Self {
        let server = Server::start();
        let proxy = Proxy::before(server.port()).await;
        let sentinel = Server::start_sentinel_with(proxy.port(), "", &[]);
        let url = format!("redis+sentinel://127.0.0.1:{}/shop", sentinel.port());
        let here = Process::new(patient(server.url()), &truth());
        Self::new(here, open(&url), vec![proxy], Servers::Few(vec![server, sentinel]))
    }

    async fn to_a_cluster(open: Open) -> Self {
        let cluster = Cluster::start().await;
        let here = Process::new(patient(cluster.url()), &truth());
        // It has the map before the nodes name their proxies, and no reason to learn it anew.
        for id in 0..20 {
            here.read(&format!("map:{id}")).await;
        }
        let proxies = cluster.behind_proxies().await;
        let url = proxies[0].url().replace("redis:", "redis+cluster:");
        Self::new(here, open(&url), proxies, Servers::Cluster(cluster))
    }

    fn close(&self) {
        for proxy in &self.proxies {
            proxy.requests(Fault::Swallow);
            proxy.replies(Fault::Swallow);
        }
    }

    fn heal(&self) {
        self.proxies.iter().for_each(Proxy::heal);
    }
}

fn truth() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(1))
}

async fn nothing_old_is_served_without_a_feed(roads: Roads) {
    let Roads { here, there, truth, .. } = &roads;
    until_async(async || {
        there.read("user:1").await;
        there.read("user:2").await;
        there.holds("user:1").await && there.holds("user:2").await && there.hears().await
    })
    .await;

    roads.close();
    let began = Instant::now();
    truth.store(2, Ordering::SeqCst);
    here.cache.invalidate("user:1").await.unwrap();
    let acknowledged = Instant::now();
    assert!(!there.holds("nothing").await, "a miss costs its body");
    loop {
        let asked = acknowledged.elapsed();
        let found = there.read("user:1").await;
        if found == 2 {
            break;
        }
        assert!(asked < STALENESS, "the old value is served after {asked:?}");
        yield_now().await;
    }
    assert!(began.elapsed() >= STALENESS / 4, "what is trusted is not given up at once");
    there.until_it_hears(false).await;
    let (loads, began) = (there.loads(), Instant::now());
    while began.elapsed() < STALENESS * 2 {
        there.read("user:1").await;
        yield_now().await;
    }
    assert!(there.loads() - loads <= 3, "a load for each time that passes, not for each call");

    let distrusts = there.cache.stats().distrusts;
    roads.heal();
    there.until_it_hears(true).await;
    assert_eq!(there.cache.stats().distrusts, distrusts, "nothing was given up");
    let loads = there.loads();
    assert!(there.holds("user:2").await, "what nobody invalidated is served again");
    assert_eq!(there.loads(), loads);
}

#[tokio::test]
async fn case_19_without_a_feed_nothing_old_is_served_and_all_is_well_when_it_is_back() {
    nothing_old_is_served_without_a_feed(Roads::to_a_server(hasty).await).await;
}

#[tokio::test]
async fn case_19_through_a_sentinel() {
    nothing_old_is_served_without_a_feed(Roads::through_a_sentinel(hasty).await).await;
}

#[tokio::test]
async fn case_19_in_a_cluster() {
    nothing_old_is_served_without_a_feed(Roads::to_a_cluster(hasty).await).await;
}

async fn only_what_was_invalidated_is_reloaded(roads: Roads) {
    let Roads { here, there, truth, .. } = &roads;
    let keys: Vec<String> = (0..100).map(|id| format!("user:{id}")).collect();
    for key in &keys {
        there.read(key).await;
    }
    let distrusts = there.cache.stats().distrusts;
    roads.proxies.iter().for_each(|proxy| proxy.requests(Fault::Swallow));
    truth.store(2, Ordering::SeqCst);
    let mut ticket = None;
    for id in [3, 50, 99] {
        ticket = Some(here.cache.invalidate(format!("user:{id}")).await.unwrap());
    }
    roads.heal();
    roads.proxies.iter().for_each(Proxy::reset);
    there.cache.at_least(&ticket.unwrap()).await.unwrap();
    let loads = there.loads();
    for (id, key) in keys.iter().enumerate() {
        let expected = if [3, 50, 99].contains(&id) { 2 } else { 1 };
        assert_eq!(there.read(key).await, expected, "{key}");
    }
    assert_eq!(there.loads() - loads, 3);
    assert_eq!(there.cache.stats().distrusts, distrusts);
}

#[tokio::test]
async fn case_20_after_a_reset_of_the_feed_what_was_invalidated_is_reloaded_and_nothing_else() {
    only_what_was_invalidated_is_reloaded(Roads::to_a_server(patiently).await).await;
}

#[tokio::test]
async fn case_20_through_a_sentinel() {
    only_what_was_invalidated_is_reloaded(Roads::through_a_sentinel(patiently).await).await;
}

#[tokio::test]
async fn case_20_in_a_cluster() {
    only_what_was_invalidated_is_reloaded(Roads::to_a_cluster(patiently).await).await;
}

/// One invalidates, the other reads, until `over`: nothing that is read is older than Δ. How often the news arrived.
async fn exchange(here: &Process, there: &Process, over: impl Fn() -> bool) -> u64 {
    let (mut round, mut heard) = (here.truth.load(Ordering::SeqCst), 0);
    while !over() {
        there.read("user:1").await;
        round += 1;
        here.truth.store(round, Ordering::SeqCst);
        // Without an acknowledgement nothing is promised but what is read here.
        let acknowledged = here.cache.invalidate("user:1").await.is_ok();
        let since = Instant::now();
        assert_eq!(here.read("user:1").await, round, "in this process at once");
        heard += u64::from(acknowledged);
        let mut old = acknowledged;
        while old {
            let began = since.elapsed();
            let found = there.read("user:1").await;
            old = found != round;
            assert!(
                !old || began < STALENESS,
                "after {began:?} the value of {found} is read in round {round}"
            );
            yield_now().await;
        }
        yield_now().await;
    }
    heard
}

/// Exchanges while `change` happens, and then for a while.
async fn exchange_during(here: &Process, there: &Process, change: impl Future<Output = ()>) {
    let over = AtomicBool::new(false);
    let change = async {
        until_async(async || here.hears().await && there.hears().await).await;
        change.await;
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(exchange(here, there, || over.load(Ordering::SeqCst)), change);
    for process in [here, there] {
        process.until_it_hears(true).await;
        until_async(async || process.cache.owed_invalidations() == 0).await;
    }
    until_async(async || here.cache.invalidate("other").await.is_ok()).await;
    let rounds = AtomicU64::new(0);
    let heard = exchange(here, there, || rounds.fetch_add(1, Ordering::SeqCst) == 20).await;
    assert_eq!(heard, 20, "each is acknowledged and heard of");
}

/// Whether `server` is a primary. It hangs up when it is given another role.
fn is_primary(server: &Server) -> bool {
    let ask = || -> redis::RedisResult<String> {
        let mut connection = redis::Client::open(server.url())?.get_connection()?;
        redis::cmd("INFO").arg("replication").query(&mut connection)
    };
    ask().is_ok_and(|info| info.contains("role:master"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_exchange_invalidations_while_the_shard_that_has_the_log_changes() {
    // It has the log, and the generations of every scope.
    const CONTROL: &str = "{larder:shop}:g:*";

    let mut cluster = Cluster::start().await;
    let truth = truth();
    let [here, there] = [(), ()].map(|()| Process::new(hasty(&cluster.url()), &truth));
    for _ in 0..2 {
        exchange_during(&here, &there, cluster.fail_over(CONTROL)).await;
    }
    let holders = cluster.holders(CONTROL, 0);
    exchange_during(&here, &there, async {
        cluster.nodes[holders[0]].kill();
        let replica = &cluster.nodes[holders[1]];
        eventually(async || is_primary(replica)).await;
    })
    .await;
    assert!(there.cache.stats().distrusts >= 3, "each is another life of the log: {:?}", there.cache.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_exchange_invalidations_while_the_sentinels_choose_another_primary() {
    let mut primary = Server::start();
    let replica = Server::start_with(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
    until_async(async || replica.tell::<String>(&["INFO", "replication"]).contains("master_link_status:up"))
        .await;
    let sentinels: Vec<_> = (0..3).map(|_| Server::start_sentinel(&primary)).collect();
    let knows =
        |sentinel: &Server| sentinel.tell::<String>(&["INFO", "sentinel"]).contains("slaves=1,sentinels=3");
    eventually(async || sentinels.iter().all(knows)).await;
    let hosts: Vec<String> = sentinels.iter().map(|at| format!("127.0.0.1:{}", at.port())).collect();
    let url = format!("redis+sentinel://{}/shop", hosts.join(","));
    let truth = truth();
    let [here, there] = [(), ()].map(|()| Process::new(hasty(&url), &truth));
    exchange_during(&here, &there, async {
        primary.kill();
        eventually(async || is_primary(&replica)).await;
    })
    .await;
    assert!(there.cache.stats().distrusts >= 1, "it is another life of the log: {:?}", there.cache.stats());
}
