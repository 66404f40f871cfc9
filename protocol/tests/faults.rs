//! Without any one of its steps the protocol breaks a promise, and the search shows how.
//!
//! `cargo test -p protocol --test faults -- --nocapture` prints the shortest way there for each of them.

use protocol::world::{Promise, Q};
use protocol::{Fault, Found, Scope, search};

/// What has to happen for the fault to be noticed, and whom it breaks a promise to.
fn noticed(fault: Fault) -> (Promise, Scope) {
    use Promise::{P1, P2, P3};
    let (node, node_by_tag) = (Scope::quiet(false, false), Scope::quiet(false, true));
    let (cluster, cluster_by_tag) = (Scope::quiet(true, false), Scope::quiet(true, true));
    // Where p makes no promise before q does, only q reads.
    let in_q = |scope: Scope| scope.with_flights(0, 1);
    match fault {
        Fault::RemoteMoveOnly
        | Fault::NoSecondMove
        | Fault::JoinAnyFlight
        | Fault::StampAfterLoad
        | Fault::StoreUnasked
        | Fault::PublishUnasked => (P1, node),
        Fault::NoSecondMoveOnFailure | Fault::ForgetDebts => (P1, node.with_outage()),
        Fault::ControlBeforeUnlink => (P2, cluster),
        Fault::GenerationsAfterLoad => (P1, node_by_tag),
        Fault::GenerationsRestart => (P1, node_by_tag.with_loss()),
        Fault::HitWithoutFeed | Fault::RenewOnReceipt => (P2, node),
        Fault::IgnoreGaps | Fault::EpochKept => (P2, in_q(node.with_loss())),
        Fault::BeatOfReplica | Fault::EpochKeptOnFailover => (P2, in_q(node.with_failover())),
        Fault::IgnoreValueIncarnation | Fault::SealOnPublishing | Fault::IncarnationOfReplica => {
            (P1, cluster.with_failover().with_flights(1, 0))
        }
        Fault::IgnoreGenerationIncarnation => (P1, cluster_by_tag.with_failover().with_flights(1, 0)),
        Fault::TicketUnheeded => (P3, node.with_ticket()),
        Fault::TicketOfAnyEpoch => (P3, in_q(node.with_ticket().with_another().with_loss())),
        Fault::Unannounced => (P2, in_q(cluster.with_put(Q))),
        Fault::PutUnasked => (P2, in_q(node.with_put(Q))),
    }
}

#[test]
fn every_fault_is_found() {
    for fault in Fault::ALL {
        let (promise, scope) = noticed(fault);
        let found = search(&scope.without(fault));
        println!("{fault:?}: {found}");
        assert!(matches!(found, Found::Broken { promise: broken, .. } if broken == promise), "{fault:?}");
        // The same search finds nothing when the step is made.
        assert!(matches!(search(&scope), Found::Nothing { .. }), "{fault:?}");
    }
}

/// The same of a tag: in a cluster it does not move together with the scope that moves with every invalidation.
#[test]
fn a_tag_in_a_cluster_is_announced_too() {
    let scope = Scope::quiet(true, true).with_put(Q).with_flights(0, 1);
    assert!(matches!(search(&scope.without(Fault::Unannounced)), Found::Broken { .. }));
    assert!(matches!(search(&scope), Found::Nothing { .. }));
}

/// On one node, values or generations have to be of this incarnation: either of them is enough. In a cluster they
/// are on servers that fail apart, and both are needed.
#[test]
fn on_one_node_one_incarnation_is_enough() {
    for by_tag in [false, true] {
        let scope = Scope::quiet(false, by_tag).with_failover().with_flights(0, 1);
        let by_generations = scope.without(Fault::IgnoreValueIncarnation).without(Fault::SealOnPublishing);
        let by_value = scope.without(Fault::IgnoreGenerationIncarnation);
        let by_neither = by_generations.without(Fault::IgnoreGenerationIncarnation);
        assert!(matches!(search(&by_generations), Found::Nothing { .. }));
        assert!(matches!(search(&by_value), Found::Nothing { .. }));
        assert!(matches!(search(&by_neither), Found::Broken { .. }));
    }
}
