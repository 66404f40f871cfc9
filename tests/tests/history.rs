//! Random traffic of every kind keeps the promise that invalidation wins, as its history shows.
//!
//! `LARDER_LONG=1` makes each run ten times as long; `LARDER_SEED` repeats one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use larder::testing::History;
use larder::{Cache, Memory};
use tests::map_store::MapStore;
use tests::traffic::{Plan, Traffic};
use tests::yielding::Yielding;

/// How long another process may serve what was invalidated: Δ.
const STALENESS: Duration = Duration::from_millis(20);

fn long(operations: u64) -> u64 {
    if std::env::var_os("LARDER_LONG").is_some_and(|long| long != "0") { 10 * operations } else { operations }
}

fn report(what: &str, plan: &Plan, cache: &Cache, history: &History, began: Instant) {
    let (ran, check) = (began.elapsed(), Instant::now());
    match history.check(STALENESS) {
        Ok(summary) => {
            let stats = cache.stats();
            assert!(stats.stale_hits > plan.operations / 10_000, "{stats:?}");
            assert!(stats.refreshes > plan.operations / 10_000, "{stats:?}");
            println!(
                "{what}: {summary}; {} stale hits, {} refreshes; ran {ran:.1?}, checked {:.1?}",
                stats.stale_hits,
                stats.refreshes,
                check.elapsed()
            );
            assert!(summary.reads > plan.operations / 2, "{summary}");
            assert!(summary.overtaken > plan.operations / 1_000, "{summary}");
        }
        Err(violation) => panic!("{what}, {plan:?}: {violation}"),
    }
}

async fn in_memory(what: &str, plan: Plan) {
    let (began, history) = (Instant::now(), History::new());
    let cache = Cache::builder().local(Memory::new(1_000)).build();
    Traffic::new(cache.clone(), history.clone(), plan).run([]).await;
    report(what, &plan, &cache, &history, began);
    assert!(format!("{cache:?}").contains("aloft: 0"), "nothing is left on the board");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn invalidation_wins_in_memory() {
    in_memory("few keys", Plan::crowded(long(700_000))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn invalidation_wins_among_more_keys_than_there_is_room_for() {
    in_memory("many keys", Plan::spread(long(200_000))).await;
}

async fn two_processes(what: &str, plan: Plan, near: bool, logged: bool, failures: u64) {
    let (began, history) = (Instant::now(), History::new());
    let store = Arc::new(if logged { MapStore::logged() } else { MapStore::default() });
    let process = |number: u64| {
        let remote = Yielding::new(Arc::clone(&store), plan.seed ^ number, failures);
        let builder = Cache::builder().remote(remote).max_staleness(STALENESS);
        if near { builder.local(Memory::new(1_000)).build() } else { builder.build() }
    };
    let there = Traffic::new(process(1), history.another_process(), plan);
    let cache = process(0);
    Traffic::new(cache.clone(), history.clone(), plan).run([there]).await;
    report(what, &plan, &cache, &history, began);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn invalidation_wins_over_a_shared_store() {
    two_processes("shared", Plan::crowded(long(25_000)), false, false, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn invalidation_wins_in_two_near_caches_over_a_shared_store() {
    two_processes("near and shared", Plan::crowded(long(25_000)), true, false, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn invalidation_wins_in_two_near_caches_that_hear_of_each_other() {
    two_processes("near, shared and heard", Plan::crowded(long(25_000)), true, true, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn invalidation_wins_where_the_shared_store_fails_now_and_then() {
    two_processes("near and failing", Plan::crowded(long(25_000)), true, true, 50).await;
}
