//! Many things at once: many names in one call, many callers at once, and callers that go away.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Waker};

use tokio::task::JoinSet;

use super::{LONG, Subject, random, token};
use crate::store::{Claim, Expect, Fetched, Generation, Put};

pub(super) async fn each_element_of_many_is_answered_in_its_place(subject: &Subject) {
    assert!(subject.fetch_many(&[]).await.is_empty());
    subject.done("put_many", subject.store.put_many(&[])).await;

    let names: Vec<String> = (0..50).map(|number| subject.name(format!("many {number}"))).collect();
    let puts: Vec<Put<'_>> = names
        .iter()
        .step_by(2)
        .map(|name| Put { name, scopes: &[], value: name.as_bytes(), ttl: LONG })
        .collect();
    subject.done("put_many", subject.store.put_many(&puts)).await;

    // In another order, with one name twice, and with as many scopes as its place.
    let mut asked: Vec<(String, Vec<String>)> = names
        .iter()
        .enumerate()
        .rev()
        .map(|(number, name)| (name.clone(), (0..number % 4).map(|scope| subject.scope(scope)).collect()))
        .collect();
    asked.push(asked[1].clone());
    let scopes: Vec<String> = (0..4).map(|scope| subject.scope(scope)).collect();
    let found = subject.fetch_many(&asked).await;
    let generations = subject.generations(&scopes).await;
    for ((name, scopes), found) in asked.iter().zip(&found) {
        let number = names.iter().position(|known| known == name).unwrap_or_default();
        let expected = (number % 2 == 0).then_some(name.as_bytes());
        assert_eq!(found.value.as_deref(), expected, "fetch_many must answer in the order of the names");
        assert_eq!(
            found.generations,
            generations[..scopes.len()],
            "fetch_many must answer each name with the generations of its own scopes"
        );
    }
}

/// Loads number themselves once they hold their claim, and record the generation that came with it. An invalidation of the
/// name, of its scope or of both puts an end to all numbers from before it: a fetch that begins after it was acknowledged
/// must find none of them under a generation that still is the live one.
pub(super) async fn nothing_from_before_an_invalidation_is_current(subject: &Subject) {
    let (name, scope) = (subject.name("before"), [subject.scope("before")]);
    let race = Arc::new(Race::default());
    // All end with this check, whichever way it ends.
    let mut others = JoinSet::new();
    for _ in 0..2 {
        let (store, name, scope, race) =
            (Arc::clone(&subject.store), name.clone(), scope.clone(), Arc::clone(&race));
        others.spawn(async move {
            while !race.over.load(Ordering::Acquire) {
                let mine = token();
                let claim = Claim::new(mine, LONG);
                // A failure shows in the other checks; here it only means one load less.
                if let Ok(found) = store.fetch(&name, &scope, Some(claim)).await
                    && Seen::of(&found).is_none_or(|seen| !seen.is_current)
                {
                    let number = race.begun.fetch_add(1, Ordering::AcqRel);
                    let Generation(recorded) = found.generations[0];
                    let value = [number.to_le_bytes(), recorded].concat();
                    let put = Put { name: &name, scopes: &scope, value: &value, ttl: LONG };
                    let _ = match &found.value {
                        Some(outdated) => store.publish(put, Expect::Value(outdated)).await,
                        None => store.publish(put, Expect::Lease(mine)).await,
                    };
                }
                // Not always as often, so that nobody falls into step.
                for _ in 0..=random() % 2 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    others.spawn({
        let (store, name, scope, race) =
            (Arc::clone(&subject.store), name.clone(), scope.clone(), Arc::clone(&race));
        async move {
            let names = [name];
            while !race.over.load(Ordering::Acquire) {
                let before = race.begun.load(Ordering::Acquire);
                let invalidated = match random() % 6 {
                    0 => store.invalidate(&[], &scope, None).await,
                    1 => store.invalidate(&names, &scope, None).await,
                    _ => store.invalidate(&names, &[], None).await,
                };
                if invalidated.is_ok() {
                    race.ended.fetch_max(before, Ordering::AcqRel);
                }
                // Sometimes a claim and its publication fit in between, and sometimes they do not.
                for _ in 0..random() % 6 {
                    let _ = store.fetch(&names[0], &scope, None).await;
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    // As many rounds as it takes: how many loads fit between two invalidations is the scheduler's choice.
    let observed = async {
        let (mut round, mut seen) = (0, 0);
        while round < 1_000 || seen < 200 {
            let ended = race.ended.load(Ordering::Acquire);
            let found = if round % 2 == 0 {
                subject.fetch(&name, &scope, None).await
            } else {
                subject.fetch_many(&[(name.clone(), scope.to_vec())]).await.remove(0)
            };
            if let Some(Seen { number, is_current: true }) = Seen::of(&found) {
                seen += 1;
                assert!(
                    number >= ended,
                    "a fetch found load {number} under its generation, though all before load {ended} had been \
                     invalidated when it began"
                );
            }
            round += 1;
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    subject.done("publishing loads between invalidations", observed).await;
    race.over.store(true, Ordering::Release);
    subject.done("loads and invalidations", async { Ok(others.join_all().await) }).await;
}

#[derive(Default)]
struct Race {
    /// How many loads have begun.
    begun: AtomicU64,
    /// All loads before this one are invalidated.
    ended: AtomicU64,
    over: AtomicBool,
}

/// A load that was found.
struct Seen {
    number: u64,
    /// Whether it is under the generation that it has recorded.
    is_current: bool,
}

impl Seen {
    fn of(found: &Fetched) -> Option<Self> {
        let (number, recorded) = found.value.as_ref()?.split_first_chunk()?;
        Some(Self { number: u64::from_le_bytes(*number), is_current: recorded == found.generations[0].0 })
    }
}

pub(super) async fn of_many_claims_at_once_one_is_published(subject: &Subject) {
    for round in 0..10 {
        let name = subject.name(format!("at once {round}"));
        let mut loads = JoinSet::new();
        for number in 0..16_u8 {
            let (store, name) = (Arc::clone(&subject.store), name.clone());
            loads.spawn(async move {
                let mine = token();
                let claim = Claim::new(mine, LONG);
                let found = store.fetch(&name, &[], Some(claim)).await;
                tokio::task::yield_now().await;
                let put = Put { name: &name, scopes: &[], value: &[number], ttl: LONG };
                let published = found.is_ok_and(|found| found.value.is_none())
                    && store.publish(put, Expect::Lease(mine)).await.is_ok_and(|published| published);
                published.then_some(number)
            });
        }
        let ended = subject.done("loads", async { Ok(loads.join_all().await) }).await;
        let published: Vec<u8> = ended.into_iter().flatten().collect();
        assert_eq!(published.len(), 1, "of the loads that claimed one name at once, one must be published");
        assert_eq!(subject.value(&name).await, Some(published), "the value found must be the one published");
    }
}

pub(super) async fn a_dropped_operation_leaves_the_store_usable(subject: &Subject) {
    let (name, names, scopes) =
        (subject.name("dropped"), [subject.name("dropped")], [subject.scope("dropped")]);
    let asked = [(name.clone(), scopes.to_vec())];
    let put = Put { name: &name, scopes: &scopes, value: b"dropped", ttl: LONG };
    let store = &subject.store;
    for _ in 0..50 {
        let mine = token();
        begin(store.fetch(&name, &scopes, Some(Claim::new(mine, LONG))));
        begin(store.fetch_many(&asked));
        begin(store.publish(put, Expect::Lease(mine)));
        begin(store.put_many(&[put]));
        begin(store.invalidate(&names, &scopes, None));
        begin(store.expire(&name, LONG));
        begin(store.health());
        tokio::task::yield_now().await;
    }
    // What was begun may still happen; what is asked of other names now must, with answers of its own.
    let (name, scopes) = (subject.name("after"), [subject.scope("after")]);
    let generations = subject.generations(&scopes).await;
    let mine = subject.claim(&name, LONG).await;
    assert!(
        subject.publish(&name, b"after", mine).await,
        "after dropped operations a load must be published"
    );
    let found = subject.fetch(&name, &scopes, None).await;
    assert_eq!(found.value.as_deref(), Some(&b"after"[..]), "after dropped operations answers must not mix");
    assert_eq!(found.generations, generations, "after dropped operations answers must not mix");
}

/// Polls an operation once, as a caller does that goes away while it waits.
fn begin(operation: impl Future) {
    let _ = pin!(operation).poll(&mut Context::from_waker(Waker::noop()));
}
