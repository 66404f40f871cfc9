//! A mutation that dies behind its fence leaves nothing old, and each step of it is needed.

use protocol::fences::{Fault, Found, search};

#[test]
fn who_dies_behind_a_fence_leaves_nothing_old() {
    let found = search(&[], false);
    println!("{found:?}");
    assert!(matches!(found, Found::Nothing(states) if states > 10_000), "{found:?}");
}

#[test]
fn every_fault_is_found() {
    for fault in Fault::ALL.into_iter().filter(|fault| *fault != Fault::KeptBehindFence) {
        let found = search(&[fault], false);
        println!("{fault:?}: {found:?}");
        assert!(matches!(found, Found::Broken(_)), "{fault:?}");
    }
}

/// Of what it reads through the server a process may hear from the server or from the log: either of them is enough.
#[test]
fn who_always_asks_may_hear_of_a_fence_in_two_ways() {
    let (told, heard) = (Fault::KeptBehindFence, Fault::RecordUnheeded);
    assert!(matches!(search(&[told], true), Found::Nothing(_)));
    assert!(matches!(search(&[heard], true), Found::Nothing(_)));
    assert!(matches!(search(&[told, heard], true), Found::Broken(_)));
}
