//! "Generations never repeat": when a scope gets one, what moves it, and how long it is remembered.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::{LONG, ROUNDING, Subject, token};
use crate::store::{Claim, Expect, Generation, Put};

pub(super) async fn a_generation_is_minted_once(subject: &Subject) {
    let [one, two, three] = ["minted 1", "minted 2", "minted 3"].map(|text| subject.scope(text));
    let first = subject.generations(&[one.clone(), two.clone()]).await;
    assert_eq!(
        subject.generations(&[one.clone(), two.clone()]).await,
        first,
        "once minted, every reader must see the same generation"
    );
    for (scope, generation) in [(&one, first[0]), (&two, first[1])] {
        assert_eq!(
            subject.generations(std::slice::from_ref(scope)).await,
            [generation],
            "generations must come in the order in which they were asked for"
        );
    }

    let twice = subject.generations(&[three.clone(), one.clone(), three.clone()]).await;
    assert_eq!(twice[0], twice[2], "a scope that is asked for twice must have one generation");
    assert_eq!(twice[1], first[0], "asking for a new scope must leave others alone");
    assert_eq!(subject.generations(&[three]).await[0], twice[0], "once minted, every reader must see it");

    let four = subject.scope("minted 4");
    let element = |text: &str| (subject.name(text), vec![one.clone(), four.clone()]);
    let many = subject.fetch_many(&[element("x"), element("y")]).await;
    assert_eq!(many[0].generations, many[1].generations, "a scope has one generation in all of fetch_many");
    assert_eq!(many[0].generations[0], first[0], "fetch_many and fetch must see the same generation");
    assert_eq!(
        subject.generations(&[four]).await[0],
        many[0].generations[1],
        "what fetch_many minted must stay"
    );

    let five = subject.scope("minted 5");
    let claim = Claim::new(token(), LONG);
    let claimed = subject.fetch(&subject.name("minted"), std::slice::from_ref(&five), Some(claim)).await;
    assert_eq!(subject.generations(&[five]).await, claimed.generations, "what a claim minted must stay");
}

pub(super) async fn an_invalidation_moves_its_scopes_alone(subject: &Subject) {
    let [one, two, still, fresh] =
        ["moved 1", "moved 2", "stays", "moved fresh"].map(|text| subject.scope(text));
    let [gone, other, kept] = ["moved x", "moved y", "kept"].map(|text| subject.name(text));
    for name in [&gone, &other, &kept] {
        subject.put(name, b"value", LONG).await;
    }
    let before = subject.generations(&[one.clone(), two.clone(), still.clone()]).await;

    subject.invalidate(&[gone.clone(), other.clone()], &[one.clone(), two.clone(), fresh.clone()]).await;
    assert_eq!(subject.value(&gone).await, None, "an invalidation must remove every name it is given");
    assert_eq!(subject.value(&other).await, None, "an invalidation must remove every name it is given");
    assert_eq!(subject.value(&kept).await.as_deref(), Some(&b"value"[..]), "and no other name");
    let after = subject.generations(&[one.clone(), two.clone(), still.clone()]).await;
    assert!(
        after[0] != before[0] && after[1] != before[1],
        "an invalidation must move every scope it is given"
    );
    assert_eq!(after[2], before[2], "an invalidation must move no scope that it is not given");
    assert_eq!(
        subject.generations(&[one, two]).await,
        after[..2],
        "a generation stays until its scope moves again"
    );
    let minted = subject.generations(std::slice::from_ref(&fresh)).await;
    assert_eq!(subject.generations(&[fresh]).await, minted, "a scope can be moved before it was ever read");

    // Names alone, scopes alone, neither, and what is not there: all of it is an invalidation.
    subject.invalidate(std::slice::from_ref(&kept), &[]).await;
    assert_eq!(subject.value(&kept).await, None, "an invalidation must remove every name it is given");
    subject.invalidate(&[], std::slice::from_ref(&still)).await;
    assert_ne!(subject.generations(&[still]).await[0], after[2], "an invalidation must move every scope");
    subject.invalidate(&[], &[]).await;
    subject.invalidate(&[subject.name("never stored")], &[]).await;
}

pub(super) async fn a_generation_never_repeats(subject: &Subject) {
    let scope = [subject.scope("repeats")];
    let mut seen = HashSet::new();
    for moves in 0..200 {
        let generation = subject.generations(&scope).await[0];
        assert!(seen.insert(generation), "after {moves} moves a generation came back that was there before");
        subject.invalidate(&[], &scope).await;
    }
}

pub(super) async fn storing_does_not_move_a_scope(subject: &Subject) {
    let (name, scopes) = (subject.name("stored"), [subject.scope("stored a"), subject.scope("stored b")]);
    let before = subject.generations(&scopes).await;
    let mine = token();
    let claim = Claim::new(mine, LONG);
    assert_eq!(
        subject.fetch(&name, &scopes, Some(claim)).await.generations,
        before,
        "a claim must move no scope"
    );
    let put = Put { name: &name, scopes: &scopes, value: b"value", ttl: LONG };
    assert!(subject.done("publish", subject.store.publish(put, Expect::Lease(mine))).await);
    assert_eq!(subject.generations(&scopes).await, before, "publishing must move no scope");
    subject.done("put_many", subject.store.put_many(&[put, put])).await;
    assert_eq!(subject.generations(&scopes).await, before, "put_many must move no scope");
    assert!(subject.expire(&name, LONG).await);
    assert_eq!(subject.generations(&scopes).await, before, "expire must move no scope");
}

pub(super) async fn a_generation_outlives_the_entries_it_covers(subject: &Subject) {
    let ttl = Duration::from_millis(150);
    for published in [true, false] {
        let name = subject.name(format!("outlived {published}"));
        let scopes = [subject.scope(format!("outlives {published}"))];
        let mine = token();
        let claim = Claim::new(mine, LONG);
        let before: Vec<Generation> = subject.fetch(&name, &scopes, Some(claim)).await.generations;
        let put = Put { name: &name, scopes: &scopes, value: b"value", ttl };
        if published {
            assert!(subject.done("publish", subject.store.publish(put, Expect::Lease(mine))).await);
        } else {
            subject.done("put_many", subject.store.put_many(&[put])).await;
        }
        for look in subject.watch(&name, &scopes, Instant::now() + ttl + ROUNDING).await {
            let gone = look.found.value.is_none();
            assert!(
                gone || look.found.generations == before,
                "a generation must live longer than its entries"
            );
        }
    }
}
