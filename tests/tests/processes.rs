//! Invalidation wins between real processes over a real server, as their histories show when they are put together.
//! That they would show it if it did not is in `sabotaged_processes`.
//!
//! `LARDER_LONG=1` makes each run ten times as long; `LARDER_SEED` repeats what the tasks do.

use std::time::Duration;

use larder::testing::Summary;
use tests::proxy::Fault;
use tests::traffic::Plan;
use tests::workers::{Run, a_worker_works};

/// Δ.
const STALENESS: Duration = Duration::from_millis(400);
const WORKERS: u32 = 3;

async fn run(trouble: impl AsyncFnMut(&mut Run)) -> Summary {
    let long = std::env::var_os("LARDER_LONG").is_some_and(|long| long != "0");
    let plan = Plan::crowded(if long { 100_000 } else { 10_000 });
    let history = Run::new(WORKERS, plan).await.work(plan, STALENESS, None, trouble).await;
    let summary = match history.check(STALENESS) {
        Ok(summary) => summary,
        Err(violation) => panic!("{plan:?}: {violation}"),
    };
    println!("{summary}");
    assert!(summary.reads > u64::from(WORKERS) * plan.operations / 4, "{summary}");
    assert!(summary.invalidations > plan.operations / 100, "{summary}");
    summary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other tests, as a process of its own"]
async fn a_worker() {
    a_worker_works().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalidation_wins_between_processes() {
    let summary = run(async |_| {}).await;
    assert!(summary.overtaken > 0, "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalidation_wins_where_the_server_is_flushed() {
    run(async |run| {
        if run.random.below(4) == 0 {
            run.server.tell::<()>(&["FLUSHALL"]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalidation_wins_where_the_server_dies_and_comes_back_empty() {
    run(async |run| {
        if run.random.below(25) == 0 {
            run.server.restart_empty();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalidation_wins_where_connections_break() {
    run(async |run| {
        let (what, delay) = (run.random.below(12), Duration::from_millis(run.random.below(150)));
        let proxy = run.any_proxy();
        match what {
            0 => proxy.reset(),
            1 => proxy.cut(),
            2 => proxy.replies(Fault::SwallowOne),
            3 => proxy.requests(Fault::SwallowOne),
            4 => proxy.replies(Fault::CutAfter(1)),
            5 => proxy.replies(Fault::Late(delay)),
            6 => proxy.replies(Fault::Swallow),
            _ => proxy.heal(),
        }
    })
    .await;
}
