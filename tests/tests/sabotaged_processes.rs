//! With a step of the protocol left out in one of two real processes, the history of both shows a stale read, and
//! soon. What only one process needs to notice is in `sabotage`, and so is what takes news at a chosen moment; what
//! takes a server that comes back as it was is in `sabotaged_restart`.

use std::time::{Duration, Instant};

use cache_core::sabotage::Fault;
use larder::testing::{Summary, Violation};
use tests::proxy;
use tests::traffic::Plan;
use tests::workers::{Run, a_worker_works};

/// Δ.
const STALENESS: Duration = Duration::from_millis(100);

/// By then the fault must have been caught. Two seconds each, unless the machine is busy.
const RUNS: u64 = 60;

/// Runs once without the fault, and then with it until it is caught.
async fn caught(fault: Fault) {
    let (plan, began) = (Plan::crowded(4_000), Instant::now());
    if let Err(violation) = run(fault, false, plan).await {
        panic!("nothing is planted, and yet: {violation}");
    }
    for number in 1..=RUNS {
        let plan = Plan { seed: plan.seed.wrapping_add(number), ..plan };
        if let Err(violation) = run(fault, true, plan).await {
            println!("{fault:?}: caught in {:.1?}, {number} runs: {violation}", began.elapsed());
            assert!(matches!(violation, Violation::Stale(_)), "{fault:?}: {violation}");
            return;
        }
    }
    panic!("{fault:?} was not caught");
}

/// Two processes, with what it takes for the fault to show.
async fn run(fault: Fault, planted: bool, plan: Plan) -> Result<Summary, Violation> {
    // The first worker is the one that errs.
    let trouble = async |run: &mut Run| match fault {
        // What it has just said is lost, and then it is heard again.
        Fault::DebtsForgotten => run.proxies[0].reset(),
        // Nothing that it says is heard for longer than Δ.
        Fault::StalenessUnasked => match run.random.below(10) {
            0 => run.proxies[0].requests(proxy::Fault::Swallow),
            1..4 => run.proxies[0].heal(),
            _ => {}
        },
        // What is said on one connection is done in its order, unless it has to be said twice.
        Fault::NoSecondMove => run.server.tell(&["SCRIPT", "FLUSH"]),
        _ => {}
    };
    let workers = Run::new(2, plan).await;
    workers.work(plan, STALENESS, planted.then_some(fault), trouble).await.check(STALENESS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other tests, as a process of its own"]
async fn a_worker() {
    a_worker_works().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moving_scopes_in_the_server_only_is_caught() {
    caught(Fault::RemoteMoveOnly).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_out_the_second_move_is_caught() {
    caught(Fault::NoSecondMove).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_without_the_lease_is_caught() {
    caught(Fault::PublishUnasked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_what_has_moved_is_caught() {
    caught(Fault::GenerationsUnasked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgetting_debts_is_caught() {
    caught(Fault::DebtsForgotten).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serving_for_longer_than_others_may_go_unheard_is_caught() {
    caught(Fault::StalenessUnasked).await;
}
