//! With a step of the protocol left out, an old value is served in one of the first worlds, and always in the same one.

use std::time::Instant;

use cache_core::sabotage::{Fault, plant};
use larder::testing::Violation;
use tests::simulation::simulate;

/// Among so many worlds there must be one that shows a fault.
const WORLDS: u64 = 2_000;

/// Harm for which there are other tests: what takes tasks that run at the same time, or news at a chosen moment, hardly
/// one of a thousand worlds shows (`sabotage` does), and the store of these worlds has no earlier life.
fn is_elsewhere(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::SetWithoutMove | Fault::LeadUntagged | Fault::TrustFromReceipt | Fault::IncarnationIgnored
    )
}

// The switch is one for the process: one test plants all the faults, in turn.
#[test]
fn every_planted_fault_is_caught_and_nothing_else_is() {
    for fault in Fault::ALL.into_iter().filter(|fault| !is_elsewhere(*fault)) {
        plant(Some(fault));
        let began = Instant::now();
        let caught = (0..WORLDS).find_map(|seed| Some((seed, simulate(seed).verdict.err()?)));
        let (seed, violation) = caught.unwrap_or_else(|| panic!("{fault:?} was not caught"));
        println!("{fault:?}: caught in world {seed}, in {:.2?}: {violation}", began.elapsed());
        assert!(matches!(violation, Violation::Stale(_)), "{fault:?}: {violation}");
        plant(None);
        if let Err(violation) = simulate(seed).verdict {
            panic!("nothing is planted in world {seed}, and yet: {violation}");
        }
    }
}
