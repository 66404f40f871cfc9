//! "A fetch that finds no value leaves a lease": what a claim gives, what takes it away, and what it hides.

use std::time::Duration;

use tokio::time::Instant;

use super::{LONG, ROUNDING, Subject, token};
use crate::store::Claim;

pub(super) async fn a_claimed_load_is_published_once(subject: &Subject) {
    let name = subject.name("published once");
    assert!(!subject.publish(&name, b"unclaimed", token()).await, "a load without a lease must be refused");
    assert_eq!(subject.value(&name).await, None, "a refused value must not be stored");

    let mine = subject.claim(&name, LONG).await;
    assert!(
        !subject.publish(&name, b"another's", token()).await,
        "a token that names no lease must be refused"
    );
    assert_eq!(subject.value(&name).await, None, "a refused value must not be stored");
    assert!(subject.publish(&name, b"mine", mine).await, "a load that holds its lease must be published");
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"mine"[..]), "a published value is found");
    assert!(!subject.publish(&name, b"again", mine).await, "publishing takes the lease away");
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"mine"[..]), "a refused value changes nothing");
}

pub(super) async fn a_lease_is_no_value(subject: &Subject) {
    let name = subject.name("no value");
    let mine = subject.claim(&name, LONG).await;
    assert_eq!(subject.value(&name).await, None, "a fetch must not return a lease");
    let found = subject.fetch_many(&[(name.clone(), Vec::new())]).await;
    assert_eq!(found[0].value, None, "fetch_many must not return a lease");
    assert!(!subject.expire(&name, LONG).await, "expire must not take a lease for a value");
    assert!(subject.publish(&name, b"value", mine).await, "looking at a lease must leave it as it is");
}

pub(super) async fn a_claim_leaves_a_value_alone(subject: &Subject) {
    let name = subject.name("left alone");
    subject.put(&name, b"value", LONG).await;
    let mine = token();
    let claim = Claim::new(mine, LONG);
    let found = subject.fetch(&name, &[], Some(claim)).await;
    assert_eq!(found.value.as_deref(), Some(&b"value"[..]), "a claim must return the value that is there");
    assert!(found.ttl > LONG / 2, "a claim must not touch the time to live of a value");
    assert!(!subject.publish(&name, b"mine", mine).await, "a claim that found a value must leave no lease");
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"value"[..]), "a refused value changes nothing");
}

pub(super) async fn the_newest_claim_wins(subject: &Subject) {
    let name = subject.name("newest");
    let older = subject.claim(&name, LONG).await;
    let newer = subject.claim(&name, LONG).await;
    assert!(
        !subject.publish(&name, b"older", older).await,
        "a newer claim must take the lease of an older one"
    );
    assert_eq!(subject.value(&name).await, None, "a refused value must not be stored");
    assert!(subject.publish(&name, b"newer", newer).await, "the newest claim must be published");
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"newer"[..]), "a published value is found");
}

pub(super) async fn a_deleted_or_replaced_lease_is_gone(subject: &Subject) {
    let name = subject.name("deleted");
    let mine = subject.claim(&name, LONG).await;
    subject.invalidate(std::slice::from_ref(&name), &[]).await;
    assert!(!subject.publish(&name, b"late", mine).await, "an invalidated load must be refused");
    assert_eq!(subject.value(&name).await, None, "a refused value must not be stored");

    let mine = subject.claim(&name, LONG).await;
    subject.put(&name, b"put", LONG).await;
    assert!(!subject.publish(&name, b"late", mine).await, "a put must take the lease of a load that runs");
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"put"[..]), "a refused value changes nothing");

    subject.invalidate(std::slice::from_ref(&name), &[]).await;
    assert!(!subject.publish(&name, b"late", mine).await, "a lease does not come back with the name");
}

pub(super) async fn a_claim_that_yields_leaves_a_lease_alone(subject: &Subject) {
    let name = subject.name("yields");
    let yields = |token| Claim { yields: true, ..Claim::new(token, LONG) };
    let (first, unseen) = (token(), [subject.scope("yields")]);
    let found = subject.fetch(&name, &unseen, Some(yields(first))).await;
    assert!(!found.leased && found.value.is_none(), "nobody was there to yield to");
    let found = subject.fetch(&name, &[], Some(yields(first))).await;
    assert!(!found.leased, "a claim must not yield to its own lease");
    for reject in [None, Some(&b""[..])] {
        let second = token();
        let found = subject.fetch(&name, &[], Some(Claim { reject, ..yields(second) })).await;
        assert!(found.leased && found.value.is_none(), "a claim that yields must say that it has");
        assert!(!subject.publish(&name, b"second", second).await, "a claim that has yielded holds no lease");
    }
    assert!(subject.publish(&name, b"first", first).await, "yielding must leave the lease as it was");

    let found = subject.fetch(&name, &[], Some(yields(token()))).await;
    assert_eq!((found.value.as_deref(), found.leased), (Some(&b"first"[..]), false), "a value is no lease");
    let third = token();
    let rejects = Claim { reject: Some(b"first"), ..yields(third) };
    assert!(!subject.fetch(&name, &[], Some(rejects)).await.leased, "a value that is rejected is no lease");
    assert!(subject.publish(&name, b"third", third).await, "the lease on a rejected value is a lease");
}

pub(super) async fn an_abandoned_lease_is_gone(subject: &Subject) {
    let name = subject.name("abandoned");
    let mine = subject.claim(&name, LONG).await;
    subject.abandon(&name, token()).await;
    assert!(subject.publish(&name, b"mine", mine).await, "abandoning another's lease must change nothing");
    subject.abandon(&name, mine).await;
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"mine"[..]), "a value is no lease");

    let name = subject.name("abandoned and claimed");
    let mine = subject.claim(&name, LONG).await;
    subject.abandon(&name, mine).await;
    let next = token();
    let found = subject.fetch(&name, &[], Some(Claim { yields: true, ..Claim::new(next, LONG) })).await;
    assert!(!found.leased, "an abandoned lease must not be yielded to");
    assert!(!subject.publish(&name, b"late", mine).await, "an abandoned load must be refused");
    assert!(subject.publish(&name, b"next", next).await, "whoever claims next holds the lease");
}

pub(super) async fn a_lease_ends_by_itself(subject: &Subject) {
    let name = subject.name("ends by itself");
    let lease = Duration::from_millis(50);
    for extended in [false, true] {
        let mine = subject.claim(&name, lease).await;
        if extended {
            // Refused, as it finds no value: then it must not have kept the lease alive either.
            assert!(!subject.expire(&name, LONG).await, "expire must not take a lease for a value");
        }
        for look in subject.watch(&name, &[], Instant::now() + lease + ROUNDING).await {
            assert_eq!(look.found.value, None, "a fetch must not return a lease");
        }
        assert!(!subject.publish(&name, b"late", mine).await, "a lease must expire by itself");
        assert_eq!(subject.value(&name).await, None, "a refused value must not be stored");
    }
}

pub(super) async fn a_rejected_value_counts_as_absent(subject: &Subject) {
    let values: [&[u8]; 5] = [b"value one", b"P", b"V", b"Vv", b""];
    for (number, value) in values.into_iter().enumerate() {
        let name = subject.name(format!("rejected {number}"));
        // Prefixes of the value, itself included, count as the value; anything else does not.
        for end in 0..=value.len() {
            subject.put(&name, value, LONG).await;
            let mine = token();
            let claim = Claim { reject: Some(&value[..end]), ..Claim::new(mine, LONG) };
            let found = subject.fetch(&name, &[], Some(claim)).await;
            assert_eq!(found.value, None, "a value that begins with what the claim rejects counts as absent");
            assert_eq!(
                subject.value(&name).await,
                None,
                "a claim must put its lease in place of what it rejects"
            );
            assert!(
                subject.publish(&name, b"better", mine).await,
                "the lease on a rejected value is a lease"
            );
        }
        subject.put(&name, value, LONG).await;
        for other in [[value, b"x"].concat(), b"other".to_vec(), [b"V", value].concat(), b"W".to_vec()] {
            if value.starts_with(&other) {
                continue;
            }
            let mine = token();
            let claim = Claim { reject: Some(&other), ..Claim::new(mine, LONG) };
            let found = subject.fetch(&name, &[], Some(claim)).await.value;
            assert_eq!(
                found.as_deref(),
                Some(value),
                "a value that a claim does not reject must be returned"
            );
            assert!(!subject.publish(&name, b"mine", mine).await, "and must not be replaced with a lease");
        }
        assert_eq!(subject.value(&name).await.as_deref(), Some(value), "what is not rejected stays as it is");
    }
}
