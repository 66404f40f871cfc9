//! "Values are returned byte for byte as they were stored, at most until their time to live has passed."

use std::time::Duration;

use tokio::time::Instant;

use super::{LONG, ROUNDING, Subject};
use crate::store::{Expect, Put};

pub(super) async fn what_was_stored_comes_back_byte_for_byte(subject: &Subject) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let large = every_byte.repeat(4096);
    let texts: [&[u8]; 9] =
        [b"", b"\0", b"P", b"V", b"Pppppppppppppppppp", b"V\r\n$-1\r\n", b"nil", &every_byte, &large];
    for (number, bytes) in texts.into_iter().enumerate() {
        let (put, published) = (subject.name(format!("put {number}")), subject.name(format!("pub {number}")));
        subject.put(&put, bytes, LONG).await;
        let token = subject.claim(&published, LONG).await;
        assert!(subject.publish(&published, bytes, token).await, "a load that holds its lease is published");
        for (name, verb) in [(put, "put_many"), (published, "publish")] {
            let found = subject.value(&name).await;
            assert!(
                found.as_deref() == Some(bytes),
                "a value of {} bytes that {verb} stored must come back byte for byte, not as {} bytes",
                bytes.len(),
                found.map_or_else(|| "no".to_owned(), |found| found.len().to_string()),
            );
        }
    }
    let name = subject.name("replaced");
    subject.put(&name, b"old", LONG).await;
    subject.put(&name, b"new", LONG).await;
    assert_eq!(subject.value(&name).await.as_deref(), Some(&b"new"[..]), "the value stored last is found");
}

pub(super) async fn names_are_told_apart(subject: &Subject) {
    let texts = ["", " ", "a", "A", "a:b", "a\nb", "a\0", "*", "ä", "{a}", "\"", &"x".repeat(600)];
    let names: Vec<String> = texts.into_iter().map(|text| subject.name(format!("apart {text}"))).collect();
    let puts: Vec<Put<'_>> =
        names.iter().map(|name| Put { name, scopes: &[], value: name.as_bytes(), ttl: LONG }).collect();
    subject.done("put_many", subject.store.put_many(&puts)).await;
    for name in &names {
        let found = subject.value(name).await;
        assert_eq!(
            found.as_deref(),
            Some(name.as_bytes()),
            "the name {name:?} was answered with another's value"
        );
    }
}

pub(super) async fn the_time_to_live_is_exact(subject: &Subject) {
    for millis in [1_234, 1_999, 61_001, 86_400_000 * 40] {
        let (name, ttl) = (subject.name(millis), Duration::from_millis(millis));
        let asked = Instant::now();
        subject.put(&name, b"value", ttl).await;
        let left = subject.fetch(&name, &[], None).await.ttl;
        check_left(left, ttl, asked);
    }
    let (name, ttl) = (subject.name("published"), Duration::from_millis(7_654_321));
    let token = subject.claim(&name, LONG).await;
    let asked = Instant::now();
    let put = Put { name: &name, scopes: &[], value: b"value", ttl };
    assert!(subject.done("publish", subject.store.publish(put, Expect::Lease(token))).await);
    check_left(subject.fetch(&name, &[], None).await.ttl, ttl, asked);
}

/// Whether `left` is what remains of `ttl`, given at `asked` or a little later.
pub(super) fn check_left(left: Duration, ttl: Duration, asked: Instant) {
    let least = ttl.saturating_sub(asked.elapsed()).saturating_sub(ROUNDING);
    assert!(
        (least..=ttl).contains(&left),
        "of a time to live of {ttl:?}, given {:?} ago, fetch says that {left:?} remain",
        asked.elapsed(),
    );
}

pub(super) async fn a_value_ends_with_its_time(subject: &Subject) {
    let ttl = Duration::from_millis(50);
    let scopes = [subject.scope("ends")];
    let (put, published) = (subject.name("ends, put"), subject.name("ends, published"));
    let token = subject.claim(&published, LONG).await;
    subject
        .done("put_many", subject.store.put_many(&[Put { name: &put, scopes: &[], value: b"v", ttl }]))
        .await;
    let entry = Put { name: &published, scopes: &scopes, value: b"v", ttl };
    assert!(subject.done("publish", subject.store.publish(entry, Expect::Lease(token))).await);
    let over = Instant::now() + ttl + ROUNDING;
    for name in [put, published] {
        for look in subject.watch(&name, &[], over).await {
            assert!(
                !look.late || look.found.value.is_none(),
                "a value is found after its time to live has passed"
            );
        }
    }
}

pub(super) async fn expire_sets_the_time_of_a_value(subject: &Subject) {
    let name = subject.name("expire");
    assert!(!subject.expire(&name, LONG).await, "expire finds no value where there is none");
    subject.put(&name, b"value", LONG).await;
    for millis in [4_321, 765_432] {
        let (ttl, asked) = (Duration::from_millis(millis), Instant::now());
        assert!(subject.expire(&name, ttl).await, "expire finds the value that was stored");
        let found = subject.fetch(&name, &[], None).await;
        assert_eq!(found.value.as_deref(), Some(&b"value"[..]), "expire must leave the value as it is");
        check_left(found.ttl, ttl, asked);
    }
    let ttl = Duration::from_millis(30);
    assert!(subject.expire(&name, ttl).await, "expire finds the value that was stored");
    let over = Instant::now() + ttl + ROUNDING;
    for look in subject.watch(&name, &[], over).await {
        assert!(!look.late || look.found.value.is_none(), "a value is found after the time that expire set");
    }
}
