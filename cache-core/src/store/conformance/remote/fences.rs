//! Fences: while one stands nothing is stored behind it, and it goes when it is to go.
//! A store without fences keeps these promises by saying so.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{LONG, PATIENCE, ROUNDING, Subject, token};
use crate::error::ErrorKind;
use crate::store::{Claim, Expect, Fence, Put, Token};

/// Whether there are fences at all.
async fn has_fences(subject: &Subject) -> bool {
    let none = Fence { token: token(), lasts: Duration::ZERO };
    match timeout(PATIENCE, subject.store.fence(&[], &[], none, None)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::Unsupported => false,
        Ok(outcome) => {
            outcome.unwrap_or_else(|error| panic!("fence failed: {error}"));
            true
        }
        Err(elapsed) => panic!("fence did not end within {PATIENCE:?}: {elapsed}"),
    }
}

impl Subject {
    async fn fence(&self, names: &[String], scopes: &[String], token: Token, lasts: Duration) {
        let fence = Fence { token, lasts };
        self.done("fence", self.store.fence(names, scopes, fence, None)).await;
    }

    /// Whether the name, or one of the scopes, is fenced, by the word of a fetch with a claim, one without, and one of many.
    async fn is_fenced(&self, name: &str, scopes: &[String]) -> bool {
        let claims = self.fetch(name, scopes, Some(Claim::new(token(), LONG))).await;
        let looks = self.fetch(name, scopes, None).await;
        let many = self.fetch_many(&[(name.to_owned(), scopes.to_vec())]).await.remove(0);
        let said = [&claims, &looks, &many].map(|found| found.fenced);
        assert!(said == [said[0]; 3], "every fetch must say that there is a fence, or none: {said:?}");
        assert!(!said[0] || (claims.value.is_none() && !claims.leased), "there is nothing behind a fence");
        said[0]
    }

    /// Tries to store something under `name` in every way there is, `older` being a load that began long ago.
    async fn stores(&self, name: &str, older: Token) -> bool {
        let claimed = token();
        self.fetch(name, &[], Some(Claim { reject: Some(b""), ..Claim::new(claimed, LONG) })).await;
        let put = Put { name, scopes: &[], value: b"late", ttl: LONG };
        let (scope, position) =
            (self.scope("moves freely"), self.generations(&[self.scope("moves freely")]).await[0]);
        let expectations = [
            Expect::Lease(older),
            Expect::Lease(claimed),
            Expect::Nothing { reject: None },
            Expect::Nothing { reject: Some(b"") },
            Expect::Value(b""),
            Expect::Same(b""),
            Expect::Unmoved(&scope, position),
        ];
        let mut stored = false;
        for expect in expectations {
            stored |= self.done("publish", self.store.publish(put, expect)).await;
        }
        self.put(name, b"late", LONG).await;
        stored || self.value(name).await.is_some()
    }
}

pub(super) async fn nothing_is_stored_behind_a_fence(subject: &Subject) {
    if !has_fences(subject).await {
        return;
    }
    let (name, free) = (subject.name("fenced"), subject.name("free"));
    let [scope, other] = ["fenced", "not fenced"].map(|text| subject.scope(text));
    let scopes = [scope, other];
    let older = subject.claim(&name, LONG).await;
    subject.put(&free, b"free", LONG).await;
    let before = subject.generations(&scopes).await;
    let mine = token();
    subject.fence(std::slice::from_ref(&name), &scopes[..1], mine, LONG).await;

    assert!(subject.is_fenced(&name, &[]).await, "a fetch of a fenced name must say that there is a fence");
    let under = subject.is_fenced(&free, &scopes).await;
    assert!(under, "a fetch under a fenced scope must say that there is a fence");
    assert!(!subject.is_fenced(&free, &scopes[1..]).await, "there must be a fence only where it was put up");
    let within = subject.generations(&scopes).await;
    assert!(!subject.stores(&name, older).await, "nothing must be stored behind a fence");
    let put = Put { name: &free, scopes: &[], value: b"late", ttl: LONG };
    let unmoved = Expect::Unmoved(&scopes[0], within[0]);
    let stored = subject.done("publish", subject.store.publish(put, unmoved)).await;
    assert!(!stored, "a fenced scope counts as moved");
    assert!(subject.is_fenced(&name, &scopes).await, "what is refused must leave the fence");

    let unled = subject.name("claimed under a fenced scope");
    subject.fetch(&unled, &scopes, Some(Claim::new(token(), LONG))).await;
    let yields = Claim { yields: true, ..Claim::new(token(), LONG) };
    let leased = subject.fetch(&unled, &[], Some(yields)).await.leased;
    assert!(!leased, "a claim behind a fence must leave no lease");

    // Stored under what was read behind the fence.
    subject.done("put_many", subject.store.put_many(&[Put { scopes: &scopes, ..put }])).await;
    subject.fence(std::slice::from_ref(&name), &scopes[..1], mine, Duration::ZERO).await;
    assert!(!subject.is_fenced(&name, &scopes).await, "a fence must be gone when it is taken away");
    let after = subject.generations(&scopes).await;
    let moved = after[0] != before[0] && after[0] != within[0] && within[0] != before[0];
    let again = subject.generations(&scopes[..1]).await[0] == after[0];
    assert!(moved && again, "what was stored under a fenced scope must not be current, before and after");
    assert_eq!(after[1], before[1], "a fence must move no scope that it is not given");
    subject.invalidate(std::slice::from_ref(&name), &[]).await;
    let next = subject.claim(&name, LONG).await;
    assert!(subject.publish(&name, b"next", next).await, "without a fence a load must be stored");
}

pub(super) async fn what_was_read_behind_a_fence_is_never_current(subject: &Subject) {
    if !has_fences(subject).await {
        return;
    }
    let scopes = [subject.scope("fenced for one")];
    subject.fence(&[], &scopes, token(), LONG).await;
    let (one, other) = (subject.generations(&scopes).await, subject.generations(&scopes).await);
    assert_ne!(one, other, "what was stored under a fenced scope must not be current for the next who looks");
}

pub(super) async fn a_fence_is_left_alone_by_others(subject: &Subject) {
    if !has_fences(subject).await {
        return;
    }
    let (names, scopes) = ([subject.name("fenced by two")], [subject.scope("fenced by two")]);
    let [mine, other] = [token(), token()];
    let stands = async || {
        subject.is_fenced(&names[0], &[]).await && subject.is_fenced(&subject.name("nobody"), &scopes).await
    };
    subject.fence(&names, &scopes, mine, LONG).await;
    subject.invalidate(&names, &scopes).await;
    assert!(stands().await, "an invalidation must leave a fence as it is");
    subject.fence(&names, &scopes, other, LONG).await;
    subject.fence(&names, &scopes, other, Duration::ZERO).await;
    assert!(stands().await, "whoever takes his own away must leave a fence as it is");
    subject.fence(&names, &scopes, other, LONG).await;
    subject.fence(&names, &scopes, mine, Duration::ZERO).await;
    assert!(stands().await, "whoever takes his own away must leave a fence as it is");
    subject.fence(&names, &scopes, other, Duration::ZERO).await;
    let gone = !subject.is_fenced(&names[0], &scopes).await;
    assert!(gone, "a fence must be gone when it is taken away");
}

pub(super) async fn a_fence_ends_by_itself(subject: &Subject) {
    if !has_fences(subject).await {
        return;
    }
    let (names, scopes) = ([subject.name("fenced briefly")], [subject.scope("fenced briefly")]);
    let before = subject.generations(&scopes).await;
    // Of two fences each ends by itself: one that outlives the other does not keep it.
    let [brief, briefer] = [60, 40].map(Duration::from_millis);
    subject.fence(&names, &scopes, token(), briefer).await;
    subject.fence(&names, &scopes, token(), brief).await;
    let moment = Instant::now() + brief + ROUNDING;
    let free = subject.name("stored meanwhile");
    let put = Put { name: &free, scopes: &scopes, value: b"late", ttl: LONG };
    subject.done("put_many", subject.store.put_many(&[put])).await;
    let within = subject.generations(&scopes).await;
    for look in subject.watch(&names[0], &scopes, moment).await {
        assert_eq!(look.found.value, None, "nothing must be stored behind a fence");
        assert!(!(look.late && look.found.fenced), "a fence must end by itself");
    }
    let after = subject.generations(&scopes).await;
    assert!(
        after != before && after != within,
        "what was stored before a fence must not be current after it"
    );
    let next = subject.claim(&names[0], LONG).await;
    assert!(subject.publish(&names[0], b"next", next).await, "after a fence a load must be stored");
}
