//! A proof that never failed proves nothing: with any step of the protocol left out, the history of the same
//! traffic that is sound without it shows a stale read, and soon.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::sabotage::{Fault, plant};
use larder::testing::{History, Summary, Violation};
use larder::{Cache, Memory};
use tests::map_store::MapStore;
use tests::traffic::{Plan, Traffic};
use tests::yielding::Yielding;

/// Operations between two looks at the history.
const OPERATIONS: u64 = 5_000;
/// By then every fault must have been caught.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a little traffic over a new cache, with a shared store behind it if the fault needs one.
async fn run(plan: Plan, shared: bool) -> Result<Summary, Violation> {
    let history = History::new();
    let builder = Cache::builder().local(Memory::new(1_000));
    let cache = if shared {
        builder.remote(Yielding::new(Arc::new(MapStore::default()), plan.seed, 0)).build()
    } else {
        builder.build()
    };
    Traffic::new(cache, history.clone(), plan).run([]).await;
    history.check(Duration::ZERO)
}

fn needs_a_shared_store(fault: Fault) -> bool {
    matches!(fault, Fault::RemoteMoveOnly | Fault::NoSecondMove)
}

// The switch is one for the process: one test plants all the faults, in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_planted_fault_is_caught_and_nothing_else_is() {
    let plan = Plan::crowded(OPERATIONS);
    let nth = |number: u64| Plan { seed: plan.seed.wrapping_add(number), ..plan };
    for fault in Fault::ALL {
        plant(Some(fault));
        let began = Instant::now();
        let (runs, violation) = 'caught: {
            for number in 0_u64.. {
                match run(nth(number), needs_a_shared_store(fault)).await {
                    Err(violation) => break 'caught (number + 1, violation),
                    Ok(_) => assert!(began.elapsed() < PATIENCE, "{fault:?} was not caught"),
                }
            }
            unreachable!("there is always another run");
        };
        println!("{fault:?}: caught in {:.2?}, {runs} runs: {violation}", began.elapsed());
        assert!(matches!(violation, Violation::Stale(_)), "{fault:?}: {violation}");
    }
    plant(None);
    for shared in [false, true] {
        for number in 0..20 {
            if let Err(violation) = run(nth(number), shared).await {
                panic!("nothing is planted, and yet: {violation}");
            }
        }
    }
}
