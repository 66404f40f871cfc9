//! The conformance suites pass stores that keep the contract, and catch every promise that is broken once.

use std::any::Any;
use std::sync::Arc;

use cache_core::store::conformance;
use tests::broken_store::{Broken, Fault};
use tests::map_store::MapStore;

#[tokio::test(start_paused = true)]
async fn a_third_party_store_passes() {
    conformance::remote(Arc::new(MapStore::default())).await;
    conformance::remote(Arc::new(MapStore::logged())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_party_store_passes_on_many_threads() {
    conformance::remote(Arc::new(MapStore::logged())).await;
}

/// What the suite must say of each fault.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::LosesLastByte, "must come back byte for byte"),
    (Fault::IgnoresCase, "answered with another's value"),
    (Fault::RoundsTimeToSeconds, "fetch says that"),
    (Fault::KeepsValuesForEver, "after its time to live has passed"),
    (Fault::ExpireFindsNothing, "expire finds the value that was stored"),
    (Fault::ExpireFindsAnything, "expire finds no value where there is none"),
    (Fault::ExpireForgetsTheTime, "fetch says that"),
    (Fault::PublishesWithoutLease, "a load without a lease must be refused"),
    (Fault::PublishesAnyToken, "a token that names no lease must be refused"),
    (Fault::PublishesTwice, "publishing takes the lease away"),
    (Fault::ShowsLeases, "a refused value must not be stored"),
    (Fault::ClaimTakesValues, "a claim that found a value must leave no lease"),
    (Fault::FirstClaimWins, "a newer claim must take the lease of an older one"),
    (Fault::InvalidationLeavesNames, "an invalidated load must be refused"),
    (Fault::InvalidationLeavesLaterNames, "must remove every name it is given"),
    (Fault::InvalidationLeavesScopes, "must move every scope it is given"),
    (Fault::InvalidationLeavesLaterScopes, "must move every scope it is given"),
    (Fault::InvalidationMovesOthers, "must move no scope that it is not given"),
    (Fault::InvalidationRemovesOthers, "and no other name"),
    (Fault::PutLeavesLease, "a put must take the lease of a load that runs"),
    (Fault::LeaseStays, "a lease must expire by itself"),
    (Fault::ExpireExtendsLease, "a lease must expire by itself"),
    (Fault::RejectIsIgnored, "counts as absent"),
    (Fault::RejectComparesAll, "counts as absent"),
    (Fault::RejectTakesAll, "does not reject must be returned"),
    (Fault::RejectLeavesNoLease, "the lease on a rejected value is a lease"),
    (Fault::YieldIsIgnored, "must say that it has"),
    (Fault::YieldsToAnything, "a value is no lease"),
    (Fault::AbandonsAnyLease, "abandoning another's lease must change nothing"),
    (Fault::AbandonsNothing, "an abandoned lease must not be yielded to"),
    (Fault::MintsEveryTime, "every reader must see the same generation"),
    (Fault::MintsTwiceForOneName, "asked for twice must have one generation"),
    (Fault::ReversesGenerations, "in the order in which they were asked for"),
    (Fault::RepeatsGenerations, "a generation came back"),
    (Fault::NothingIsIgnored, "where there is a value, it must be refused"),
    (Fault::NothingRejectsNothing, "a rejected value must be replaced"),
    (Fault::ValueIsIgnored, "where there is nothing, it must be refused"),
    (Fault::ValueIsAnyValue, "over another value it must be refused"),
    (Fault::SameIsIgnored, "there is not the same"),
    (Fault::SameIsStoredAnew, "fetch says that"),
    (Fault::UnmovedIsIgnored, "must be refused once its scope has moved"),
    (Fault::UnmovedStays, "must move the scope"),
    (Fault::InvalidatesNamesBeforeScopes, "a value that is older must be gone or refused"),
    (Fault::StoringMoves, "must move no scope"),
    (Fault::ForgetsGenerationsSoon, "must live longer than its entries"),
    (Fault::RecordsAreForgotten, "must answer its position"),
    (Fault::RecordsLoseTheFirst, "every record must come once, in order"),
    (Fault::RecordsAreReversed, "every record must come once, in order"),
    (Fault::RecordsComeAgain, "every record must come once, in order"),
    (Fault::WaitingEndsAtOnce, "waiting must not end while there is no record"),
    (Fault::WaitingHearsNothing, "waiting must end"),
    (Fault::HeardByAnybody, "a reader must be waited for"),
    (Fault::HeardInYoungEpochs, "may be readers of the epoch before"),
    (Fault::HeardByLateQuestions, "may arrive late, and tells nothing"),
    (Fault::HeardInAnyEpoch, "of another epoch it must not be said"),
    (Fault::HeardByNobody, "who begins at the end has nothing to do"),
    (Fault::FenceIsForgotten, "must say that there is a fence"),
    (Fault::FenceLeavesNames, "must say that there is a fence"),
    (Fault::FenceLeavesScopes, "must say that there is a fence"),
    (Fault::FenceLeavesLeases, "nothing must be stored behind a fence"),
    (Fault::FenceLetsPutsThrough, "nothing must be stored behind a fence"),
    (Fault::FenceLetsValuesThrough, "what was stored under a fenced scope"),
    (Fault::FenceEndsWithAnyInvalidation, "must leave a fence as it is"),
    (Fault::FenceIsTakenAwayByOthers, "must leave a fence as it is"),
    (Fault::FenceIsNotTakenAway, "must be gone when it is taken away"),
    (Fault::FenceStays, "a fence must end by itself"),
    (Fault::ManyIsReversed, "in the order of the names"),
    (Fault::ManyIsShort, "one answer for each name"),
    (Fault::PutsOnlyTheFirst, "answered with another's value"),
    (Fault::PublishChecksThenActs, "had been invalidated when it began"),
    (Fault::BreaksWhenDropped, "after dropped operations"),
    (Fault::Unwell, "health failed"),
    (Fault::Hangs, "did not end within"),
];

#[tokio::test(start_paused = true)]
async fn every_broken_promise_is_caught() {
    let mut wrong = Vec::new();
    for (fault, expected) in FAULTS {
        let store = Arc::new(Broken::new(*fault));
        match tokio::spawn(conformance::remote(store)).await {
            Ok(()) => wrong.push(format!("{fault:?} was not caught")),
            Err(caught) => {
                let text = said(caught.into_panic().as_ref());
                if !text.contains(expected) {
                    wrong.push(format!("{fault:?} was caught with another's words: {text}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()
}
