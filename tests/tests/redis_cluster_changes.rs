//! A cluster whose nodes change under load: failovers, the loss of a primary, slots that move. No call fails, and the
//! history of what was read holds nothing that was invalidated before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use larder::testing::History;
use larder::{Cache, Memory, Redis, Result};
use tests::cluster::Cluster;
use tests::redis::{Server, patient};
use tests::traffic::{Plan, Traffic};
use tests::until_async;

/// How long another process may serve what was invalidated: Δ.
const STALENESS: Duration = Duration::from_millis(400);

const TTL: Duration = Duration::from_secs(300);

/// A key of the control slot, which has the generations of every scope.
const CONTROL: &str = "{larder:shop}:g:*";

fn cache(redis: Redis) -> Cache {
    Cache::builder().namespace("shop").remote(redis).build()
}

/// Two processes over the cluster at `url`, and what they do from `begin` until `over`, written down in one history.
struct Load {
    history: History,
    plan: Plan,
    caches: [Cache; 2],
}

impl Load {
    fn over(url: &str) -> Self {
        let builder = || Cache::builder().namespace("shop").remote(patient(url)).max_staleness(STALENESS);
        let caches = [builder().build(), builder().local(Memory::new(1_000)).build()];
        Self { history: History::new(), plan: Plan::crowded(400), caches }
    }

    /// Goes on while `change` does.
    async fn during(&self, change: impl Future<Output = ()>) {
        let (over, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
        let traffic = async {
            let there = self.history.another_process();
            while !over.load(Ordering::SeqCst) {
                let here = Traffic::new(self.caches[0].clone(), self.history.clone(), self.plan);
                let there = Traffic::new(self.caches[1].clone(), there.clone(), self.plan);
                here.run([there]).await;
                rounds.fetch_add(1, Ordering::SeqCst);
            }
        };
        let change = async {
            until_async(async || rounds.load(Ordering::SeqCst) > 0).await;
            change.await;
            over.store(true, Ordering::SeqCst);
        };
        tokio::join!(traffic, change);
    }

    /// Sees that nothing was read that had been invalidated.
    fn check(self) {
        match self.history.check(STALENESS) {
            Ok(summary) => println!("{summary}"),
            Err(violation) => panic!("{:?}: {violation}", self.plan),
        }
    }
}

/// A reader that never pauses, and counts: none of its calls may fail.
struct Reader {
    over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Reader {
    fn of(cache: Cache) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let over = Arc::clone(&over);
            async move {
                let mut number = 0;
                while !over.load(Ordering::SeqCst) {
                    let key = format!("item:{}", number % 50);
                    let read: Result<u64> = cache.get_or_load(key, TTL, || async { Ok(number % 50) }).await;
                    assert_eq!(read.expect("no read fails"), number % 50);
                    number += 1;
                    tokio::task::yield_now().await;
                }
            }
        });
        Self { over, task }
    }

    async fn end(self) {
        self.over.store(true, Ordering::SeqCst);
        self.task.await.expect("no read fails");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failovers_under_load_serve_nothing_old() {
    let cluster = Cluster::start().await;
    let load = Load::over(&cluster.url());
    let reader = Reader::of(cache(Redis::open(cluster.url()).unwrap()));
    load.during(async {
        for key in [CONTROL, "shop:user:0:0", CONTROL, "shop:post:1:body"] {
            cluster.fail_over(key).await;
        }
    })
    .await;
    reader.end().await;
    load.check();
}

/// What a primary had acknowledged and its replica had not heard of goes with it, and is not missed: neither the removal of a
/// value, nor the move of a scope of values that other nodes have.
#[tokio::test]
async fn what_goes_with_a_primary_that_is_killed_does_not_come_back() {
    let mut cluster = Cluster::start().await;
    let (here, there) = (cache(patient(cluster.url())), cache(patient(cluster.url())));
    let load = async |cache: &Cache, key: &str, value: u64| {
        let loaded: Result<u64> = cache.get_or_load(key, TTL, || async { Ok(value) }).await;
        loaded.expect("no read fails")
    };
    let keys: Vec<String> = (0..30).flat_map(|id| [format!("key:{id}"), format!("covered:{id}")]).collect();
    for key in &keys {
        assert_eq!(load(&here, key, 1).await, 1);
        assert_eq!(load(&there, key, 2).await, 1, "it is shared");
    }
    cluster.replicate().await;
    let holders = cluster.holders(CONTROL, 0);
    let primary = &cluster.nodes[holders[0]];
    primary.tell::<()>(&["ACL", "SETUSER", "default", "-psync", "-sync"]);
    primary.tell::<u64>(&["CLIENT", "KILL", "TYPE", "replica"]);
    for id in 0..30 {
        let _ = here.invalidate(format!("key:{id}")).await.expect("it is acknowledged");
    }
    let _ = here.invalidate("covered:*").await.expect("it is acknowledged");

    let replica = &cluster.nodes[holders[1]];
    let has =
        |key: &str| replica.tell::<Vec<String>>(&["CLUSTER", "GETKEYSINSLOT", &slot(replica, key), "9"]);
    assert!(
        keys.iter().filter(|key| !has(&format!("shop:{key}")).is_empty()).count() > 5,
        "it has not heard of it"
    );
    cluster.nodes[holders[0]].kill();
    let replica = &cluster.nodes[holders[1]];
    until_async(async || replica.tell::<String>(&["INFO", "replication"]).contains("role:master")).await;
    for cache in [&here, &there] {
        until_async(async || cache.exists("covered:0").await.is_ok()).await;
        for key in &keys {
            assert_ne!(load(cache, key, 3).await, 1, "{key}");
        }
    }
}

/// The slot of `key`, as text.
fn slot(node: &Server, key: &str) -> String {
    node.tell::<u64>(&["CLUSTER", "KEYSLOT", key]).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_costs_bodies_and_nothing_else() {
    let mut cluster = Cluster::start().await;
    let load = Load::over(&cluster.url());
    let hasty = cache(Redis::open(cluster.url()).unwrap());
    let reader = Reader::of(hasty.clone());
    until_async(async || hasty.exists("item:7").await.is_ok_and(|is| is)).await;
    let holders = cluster.holders(CONTROL, 0);
    load.during(async {
        cluster.nodes[holders[0]].kill();
        let replica = &cluster.nodes[holders[1]];
        until_async(async || replica.tell::<String>(&["INFO", "replication"]).contains("role:master")).await;
        until_async(async || hasty.invalidate("other").await.is_ok()).await;
    })
    .await;

    cluster.nodes[holders[0]].restart();
    cluster.settle().await;
    load.during(async {
        cluster.fail_over(CONTROL).await;
    })
    .await;
    reader.end().await;
    until_async(async || hasty.owed_invalidations() == 0).await;
    load.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_under_load_cost_no_error_and_serve_nothing_old() {
    let cluster = Cluster::start().await;
    let load = Load::over(&cluster.url());
    let reader = Reader::of(cache(Redis::open(cluster.url()).unwrap()));
    load.during(async {
        for round in 0..6 {
            for key in [CONTROL, "shop:user:0:0", "shop:user:1:1", "shop:post:1:body", "shop:page:2"] {
                tokio::task::block_in_place(|| cluster.migrate(key, round % 3));
            }
        }
    })
    .await;
    reader.end().await;
    for cache in &load.caches {
        let stats = cache.stats();
        assert_eq!(stats.remote_errors, 0, "{stats:?}");
    }
    load.check();
}
