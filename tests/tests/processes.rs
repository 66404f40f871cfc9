//! Invalidation wins between real processes over a real server, as their histories show when they are put together.
//! That the proof would notice if it did not is in `sabotaged_processes`.
//!
//! `LARDER_LONG=1` makes each run ten times as long; `LARDER_SEED` repeats what the tasks do.

use std::time::Duration;

use larder::testing::Summary;
use tests::proxy::{Fault, Proxy};
use tests::random::Random;
use tests::redis::Server;
use tests::traffic::Plan;
use tests::workers::{Orders, Workers, work};

/// Δ.
const STALENESS: Duration = Duration::from_millis(400);
const WORKERS: u32 = 3;

fn plan() -> Plan {
    let long = std::env::var_os("LARDER_LONG").is_some_and(|long| long != "0");
    Plan::crowded(if long { 100_000 } else { 10_000 })
}

/// Workers behind a proxy each, and what goes on while they are at work.
async fn run(
    server: &mut Server,
    mut trouble: impl AsyncFnMut(&mut Server, &[Proxy], &mut Random),
) -> Summary {
    let plan = plan();
    let mut proxies = Vec::new();
    for _ in 0..WORKERS {
        proxies.push(Proxy::before(server.port()).await);
    }
    let orders = (1..=WORKERS).zip(&proxies);
    let orders: Vec<_> =
        orders.map(|(number, proxy)| Orders::new(number, proxy.url(), plan, STALENESS)).collect();
    let mut workers = tokio::task::spawn_blocking(|| Workers::start(orders)).await.expect("workers");
    let mut random = Random::new(plan.seed, 0);
    while workers.are_busy() {
        trouble(server, &proxies, &mut random).await;
        // The pace of the trouble: nothing waits for it.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let history = tokio::task::spawn_blocking(|| workers.history()).await.expect("a history");
    match history.check(STALENESS) {
        Ok(summary) => {
            println!("{summary}");
            assert!(summary.reads > u64::from(WORKERS) * plan.operations / 4, "{summary}");
            assert!(summary.invalidations > plan.operations / 100, "{summary}");
            summary
        }
        Err(violation) => panic!("{plan:?}: {violation}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other tests, as a process of its own"]
async fn a_worker() {
    work().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalidation_wins_between_processes() {
    let summary = run(&mut Server::start(), async |_, _, _| {}).await;
    assert!(summary.overtaken > 0, "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalidation_wins_where_the_server_is_flushed() {
    run(&mut Server::start(), async |server, _, random| {
        if random.below(4) == 0 {
            server.tell::<()>(&["FLUSHALL"]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalidation_wins_where_the_server_dies_and_comes_back_empty() {
    run(&mut Server::start(), async |server, _, random| {
        if random.below(25) == 0 {
            server.restart_empty();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalidation_wins_where_connections_break() {
    run(&mut Server::start(), async |_, proxies, random| {
        let which = usize::try_from(random.below(u64::from(WORKERS))).unwrap_or_default();
        let proxy = &proxies[which];
        match random.below(12) {
            0 => proxy.reset(),
            1 => proxy.cut(),
            2 => proxy.replies(Fault::SwallowOne),
            3 => proxy.requests(Fault::SwallowOne),
            4 => proxy.replies(Fault::CutAfter(1)),
            5 => proxy.replies(Fault::Late(Duration::from_millis(random.below(150)))),
            6 => proxy.replies(Fault::Swallow),
            _ => proxy.heal(),
        }
    })
    .await;
}
