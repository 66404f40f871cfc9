//! The contract of a local store, sentence by sentence.
//! A store may forget any entry at any time, so an answer of "nothing" breaks no promise by itself.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::{entry, value};
use crate::key::{Key, KeyRef};
use crate::store::{AskStore, LocalStore};

/// Checks that the stores `make` returns keep the contract of [`LocalStore`].
///
/// Each check asks for a store of its own: `make` must return an empty one that has room for 1 000 small
/// entries. That a read allocates nothing and holds no lock while it waits cannot be seen from outside.
///
/// # Panics
///
/// With the promise that was broken, if one was.
///
/// # Examples
///
/// ```no_run
/// # fn my_store() -> std::sync::Arc<dyn cache_core::store::LocalStore> { unimplemented!() }
/// cache_core::store::conformance::local(my_store);
/// ```
pub fn local(make: impl Fn() -> Arc<dyn LocalStore>) {
    a_read_sees_the_last_insert(&*make());
    a_removed_entry_is_gone(&*make());
    a_cleared_store_is_empty(&*make());
    keys_are_told_apart(&*make());
    an_entry_is_shown_as_it_was_given(&*make());
    usage_follows_the_entries(&*make());
    no_thread_sees_what_was_replaced(&*make());
    no_thread_sees_what_was_removed(&*make());
}

fn a_read_sees_the_last_insert(store: &dyn LocalStore) {
    let mut kept = 0;
    for id in 0..1_000 {
        store.insert(entry(key(id), id, 1));
        store.insert(entry(key(id), id + 1_000_000, 1));
        for number in [id + 1_000_000, id + 2_000_000] {
            // What is asked for again may then be in front.
            let asked = [(); 3].map(|()| read(store, &key(id)));
            assert!(
                id > 0 || asked[0].is_some(),
                "an empty store must keep the first entry, or nothing can be checked"
            );
            for found in asked.into_iter().flatten() {
                assert_eq!(found, number, "a read must see the last entry inserted under its key");
            }
            kept += u64::from(asked[0].is_some());
            store.insert(entry(key(id), id + 2_000_000, 1));
        }
    }
    assert!(kept > 1_000, "a store with room must keep entries: only {kept} of 2000 were there to be read");
}

fn a_removed_entry_is_gone(store: &dyn LocalStore) {
    store.remove(KeyRef::from("never inserted"));
    for id in 0..100 {
        store.insert(entry(key(id), id, 1));
    }
    for id in (0..100).step_by(2) {
        store.remove(key(id).borrow());
        assert_eq!(read(store, &key(id)), None, "an entry must not be seen after it was removed");
    }
    let kept = (0..100).filter(|id| read(store, &key(*id)) == Some(*id)).count();
    assert!(kept > 0, "removing a key must leave other keys alone");
    store.insert(entry(key(0), 7_u64, 1));
    assert!(matches!(read(store, &key(0)), None | Some(7)), "a removed key can be inserted again");
}

fn a_cleared_store_is_empty(store: &dyn LocalStore) {
    for id in 0..100 {
        store.insert(entry(key(id), id, 1));
    }
    store.clear();
    for id in 0..100 {
        assert_eq!(read(store, &key(id)), None, "no entry must be seen after the store was cleared");
    }
    store.insert(entry(key(1), 1_u64, 1));
    assert!(matches!(read(store, &key(1)), None | Some(1)), "a cleared store can be used again");
}

fn keys_are_told_apart(store: &dyn LocalStore) {
    let long = "x".repeat(5_000);
    let keys = ["", "a", "A", "a:", "a:b", "ä", "a\0", &long, &format!("{long}y"), "a%3Ab"].map(Key::from);
    for (number, key) in (0_u64..).zip(&keys) {
        store.insert(entry(key.clone(), number, 1));
    }
    for (number, key) in (0_u64..).zip(&keys) {
        let found = read(store, key);
        assert!(found.is_none_or(|found| found == number), "`{key}` was answered with another key's entry");
    }
}

fn an_entry_is_shown_as_it_was_given(store: &dyn LocalStore) {
    let given = entry(key(1), "text".to_owned(), 4);
    store.insert(Arc::clone(&given));
    let mut shown = 0;
    store.read(key(1).borrow(), &mut |found| {
        shown += 1;
        assert!(Arc::ptr_eq(found, &given), "a read must show the very entry that was inserted");
    });
    assert!(shown <= 1, "a read must show its entry once");
    store.read(key(2).borrow(), &mut |_| panic!("a read must not show an entry for a key without one"));
}

fn usage_follows_the_entries(store: &dyn LocalStore) {
    assert_eq!(store.usage().entries, 0, "an empty store must count no entries");
    for id in 0..100 {
        store.insert(entry(key(id), id, 10));
    }
    let usage = store.usage();
    assert!(usage.entries <= 100, "100 insertions cannot make {} entries", usage.entries);
    let readable = (0..100).filter(|id| read(store, &key(*id)).is_some()).count();
    let readable = u64::try_from(readable).unwrap_or(u64::MAX);
    assert!(usage.entries >= readable, "{readable} entries can be read, {} are counted", usage.entries);
    if store.is_weighed() {
        let least = readable * 10;
        assert!(usage.bytes >= least, "entries of {least} bytes can be read, {} are counted", usage.bytes);
    }
    store.clear();
    assert_eq!(store.usage().entries, 0, "a cleared store must count no entries");
    assert_eq!(store.usage().bytes, 0, "a cleared store must count no bytes");
}

/// One writer counts up under a key; what a reader sees is never older than what it knows was inserted.
fn no_thread_sees_what_was_replaced(store: &dyn LocalStore) {
    let (key, inserted) = (key(1), AtomicU64::new(0));
    let write = |number| {
        store.insert(entry(key.clone(), number, 1));
        inserted.store(number, Ordering::Release);
    };
    let read = || {
        let known = inserted.load(Ordering::Acquire);
        if let Some(found) = read(store, &key) {
            assert!(found >= known, "a read saw {found}, which {known} had replaced before it began");
        }
        known
    };
    write_and_read(write, read);
}

/// One writer inserts and removes in turn; a reader that starts after a removal sees only what came later.
fn no_thread_sees_what_was_removed(store: &dyn LocalStore) {
    let (key, removed) = (key(1), AtomicU64::new(0));
    let write = |number| {
        store.insert(entry(key.clone(), number, 1));
        if number % 64 == 0 {
            store.clear();
        } else {
            store.remove(key.borrow());
        }
        removed.store(number, Ordering::Release);
    };
    let read = || {
        let known = removed.load(Ordering::Acquire);
        if let Some(found) = read(store, &key) {
            assert!(found > known, "a read saw {found}, which was removed before it began");
        }
        known
    };
    write_and_read(write, read);
}

/// Writes every number once, while two others read until they know of the last.
fn write_and_read(write: impl Fn(u64) + Sync, read: impl Fn() -> u64 + Sync) {
    thread::scope(|scope| {
        let reader = || scope.spawn(|| while read() < ROUNDS {});
        let readers = [reader(), reader()];
        (1..=ROUNDS).for_each(write);
        for reader in readers {
            if let Err(panic) = reader.join() {
                // With the words of the check that failed, not of the thread that waits for it.
                resume_unwind(panic);
            }
        }
    });
}

const ROUNDS: u64 = 20_000;

fn key(id: u64) -> Key {
    Key::from(format!("conformance:{id}"))
}

/// As a cache reads: from the front of the store, if it has one that has the entry.
fn read(store: &dyn LocalStore, key: &Key) -> Option<u64> {
    let (front, key) = (store.front(), key.borrow());
    let ask = match front.as_ref().map_or(Err(AskStore::Only), |front| front.read(key)) {
        Ok(found) => return found.entry().and_then(|entry| value::<u64>(entry).copied()),
        Err(ask) => ask,
    };
    let (mut found, mut displaced) = (None, None);
    store.read(key, &mut |entry| {
        found = value::<u64>(entry).copied();
        if let (Some(front), AskStore::AndKeep) = (&front, ask) {
            displaced = front.keep(entry);
        }
    });
    drop(displaced);
    found
}
