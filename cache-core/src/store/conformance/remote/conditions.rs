//! "`publish` looks whether what it expects holds": the conditions that are not a lease.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::values::check_left;
use super::{LONG, Subject, token};
use crate::store::{Claim, Expect, Put};

pub(super) async fn a_value_is_stored_where_there_is_nothing(subject: &Subject) {
    let name = subject.name("nothing there");
    let nothing = Expect::Nothing { reject: None };
    assert!(subject.store(&name, b"first", nothing).await, "where there is nothing, it must be stored");
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"first"[..]), "what was stored is found");
    assert!(!subject.store(&name, b"second", nothing).await, "where there is a value, it must be refused");
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"first"[..]), "a refused value changes nothing");

    let leased = subject.name("a lease there");
    let older = subject.claim(&leased, LONG).await;
    assert!(subject.store(&leased, b"value", nothing).await, "a lease is no value, so it must be stored");
    assert!(!subject.publish(&leased, b"late", older).await, "the lease must be gone with it");
}

pub(super) async fn a_rejected_value_is_replaced(subject: &Subject) {
    let name = subject.name("rejected there");
    subject.put(&name, b"seen before", LONG).await;
    let other = Expect::Nothing { reject: Some(b"seen after") };
    assert!(!subject.store(&name, b"new", other).await, "a value that is not rejected must stay");
    let seen = Expect::Nothing { reject: Some(b"seen") };
    assert!(subject.store(&name, b"new", seen).await, "a rejected value must be replaced");
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"new"[..]), "what was stored is found");
}

pub(super) async fn a_value_is_stored_over_the_one_that_was_seen(subject: &Subject) {
    let name = subject.name("seen there");
    let seen = Expect::Value(b"seen");
    assert!(!subject.store(&name, b"new", seen).await, "where there is nothing, it must be refused");
    let token = subject.claim(&name, LONG).await;
    assert!(!subject.store(&name, b"new", seen).await, "a lease is no value, so it must be refused");
    assert!(subject.publish(&name, b"another", token).await, "a refused value leaves the lease alone");
    assert!(!subject.store(&name, b"new", seen).await, "over another value it must be refused");
    assert_eq!(
        subject.value(&name).await.as_deref(),
        Some(&b"another"[..]),
        "a refused value changes nothing"
    );

    subject.put(&name, b"seen before", LONG).await;
    assert!(subject.store(&name, b"new", seen).await, "the value that was seen must be replaced");
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"new"[..]), "what was stored is found");

    subject.put(&name, b"seen before", LONG).await;
    subject.invalidate(std::slice::from_ref(&name), &[]).await;
    assert!(!subject.store(&name, b"new", seen).await, "once the value was removed it must be refused");
}

pub(super) async fn the_same_value_is_replaced_and_keeps_its_time(subject: &Subject) {
    let name = subject.name("the same");
    let seen = Expect::Same(b"seen");
    assert!(!subject.store(&name, b"new", seen).await, "where there is nothing, there is not the same");
    subject.claim(&name, LONG).await;
    assert!(!subject.store(&name, b"new", seen).await, "a lease is no value, so it is not the same");
    let (ttl, asked) = (Duration::from_millis(1_234_567), Instant::now());
    subject.put(&name, b"seen before", ttl).await;
    assert!(!subject.store(&name, b"new", Expect::Same(b"seen after")).await, "another value must stay");
    assert!(subject.store(&name, b"seen again", seen).await, "the same value must be replaced");
    let found = subject.fetch(&name, &[], None).await;
    assert_eq!(found.value.as_deref(), Some(&b"seen again"[..]), "what was stored is found");
    check_left(found.ttl, ttl, asked);
    subject.invalidate(std::slice::from_ref(&name), &[]).await;
    assert!(!subject.store(&name, b"late", seen).await, "where it was removed, there is not the same");
}

pub(super) async fn a_value_is_stored_while_a_scope_is_unmoved(subject: &Subject) {
    let (name, scope) = (subject.name("unmoved"), subject.name("unmoved scope"));
    let scopes = std::slice::from_ref(&scope);
    let position = subject.generations(scopes).await[0];
    assert!(
        subject.store(&name, b"first", Expect::Unmoved(&scope, position)).await,
        "an unmoved scope holds"
    );
    assert_ne!(subject.generations(scopes).await[0], position, "storing the value must move the scope");
    assert!(
        !subject.store(&name, b"second", Expect::Unmoved(&scope, position)).await,
        "a value must be refused once its scope has moved"
    );

    let position = subject.generations(scopes).await[0];
    subject.invalidate(&[], scopes).await;
    assert!(
        !subject.store(&name, b"third", Expect::Unmoved(&scope, position)).await,
        "a value must be refused once its scope has moved"
    );
    let left = subject.value(&name).await;
    assert!(left.is_none_or(|left| left == b"first"), "a refused value is not found");

    let leased = subject.name("unmoved lease");
    let position = subject.generations(scopes).await[0];
    let token = token();
    subject.fetch(&leased, &[], Some(Claim::new(token, LONG))).await;
    assert!(
        subject.store(&leased, b"value", Expect::Unmoved(&scope, position)).await,
        "an unmoved scope holds"
    );
    assert!(!subject.publish(&leased, b"late", token).await, "the lease must be gone with it");
}

/// A mutation notes where a scope stands, changes what is behind the cache, and wants to store what it made, while an invalidation of
/// the same name has got no further than to remove what was there.
pub(super) async fn an_invalidation_under_way_is_not_overwritten(subject: &Subject) {
    let (names, scopes) = ([subject.name("under way")], [subject.scope("under way")]);
    let name = &names[0];
    subject.put(name, b"first", LONG).await;
    let position = subject.generations(&scopes).await[0];
    let mut invalidation = pin!(subject.done("invalidate", subject.store.invalidate(&names, &scopes, None)));
    let mut is_over = false;
    while !is_over && subject.value(name).await.is_some() {
        is_over = poll_fn(|context| Poll::Ready(invalidation.as_mut().poll(context).is_ready())).await;
    }
    subject.store(name, b"older", Expect::Unmoved(&scopes[0], position)).await;
    if !is_over {
        invalidation.await;
    }
    assert_eq!(
        subject.value(name).await,
        None,
        "after an invalidation is acknowledged, a value that is older must be gone or refused"
    );
}

impl Subject {
    async fn store(&self, name: &str, value: &[u8], expect: Expect<'_>) -> bool {
        let put = Put { name, scopes: &[], value, ttl: LONG };
        self.done("publish", self.store.publish(put, expect)).await
    }
}
