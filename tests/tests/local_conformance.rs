//! The conformance suite of local stores: a store of another's passes, and every promise broken once is caught.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cache_core::store::conformance;
use cache_core::store::{Front, LocalStore, Usage};
use cache_core::{Entry, KeyRef};

/// A map behind a lock, which forgets nothing; and what it does wrong, if it does.
#[derive(Debug)]
struct Map {
    entries: Mutex<HashMap<String, Arc<Entry>>>,
    fault: Fault,
    reads: AtomicU64,
    kept: Mutex<Option<Arc<Entry>>>,
    front: Option<Arc<Front>>,
}

/// A promise to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    KeepsTheFirst,
    KeepsNothing,
    KeepsFew,
    IgnoresCase,
    CutsKeys,
    RemovesNothing,
    RemovesEverything,
    ClearsNothing,
    ShowsTwice,
    ShowsWhereNothingIs,
    ShowsACopy,
    ShowsTheOneBefore,
    ShowsWhatWasRemoved,
    FrontForgetsNothing,
    FrontForgetsTooLate,
    CountsTooMany,
    CountsTooFew,
    CountsNoBytes,
    CountsAfterClear,
}

const FAULTS: &[(Fault, &str)] = &[
    (Fault::KeepsTheFirst, "must see the last entry inserted"),
    (Fault::KeepsNothing, "must keep the first entry"),
    (Fault::KeepsFew, "must keep entries"),
    (Fault::IgnoresCase, "answered with another key's entry"),
    (Fault::CutsKeys, "answered with another key's entry"),
    (Fault::RemovesNothing, "after it was removed"),
    (Fault::RemovesEverything, "must leave other keys alone"),
    (Fault::ClearsNothing, "after the store was cleared"),
    (Fault::ShowsTwice, "must show its entry once"),
    (Fault::ShowsWhereNothingIs, "after it was removed"),
    (Fault::ShowsACopy, "the very entry that was inserted"),
    (Fault::ShowsTheOneBefore, "had replaced before it began"),
    (Fault::ShowsWhatWasRemoved, "was removed before it began"),
    (Fault::FrontForgetsNothing, "must see the last entry inserted"),
    (Fault::FrontForgetsTooLate, "must see the last entry inserted"),
    (Fault::CountsTooMany, "cannot make"),
    (Fault::CountsTooFew, "are counted"),
    (Fault::CountsNoBytes, "entries of 1000 bytes"),
    (Fault::CountsAfterClear, "a cleared store must count no bytes"),
];

#[test]
fn a_store_of_anothers_passes() {
    conformance::local(|| Arc::new(Map::new(Fault::None)));
    conformance::local(|| Arc::new(Map::with_front(Fault::None)));
}

#[test]
fn every_broken_promise_is_caught() {
    let mut wrong = Vec::new();
    for &(fault, expected) in FAULTS {
        let make = || if fault.is_of_the_front() { Map::with_front(fault) } else { Map::new(fault) };
        let run = AssertUnwindSafe(|| conformance::local(|| Arc::new(make())));
        match catch_unwind(run) {
            Ok(()) => wrong.push(format!("{fault:?} was not caught")),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
                let text = text.unwrap_or_default();
                if !text.contains(expected) {
                    wrong.push(format!("{fault:?} was caught with another's words: {text}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Fault {
    fn is_of_the_front(self) -> bool {
        matches!(self, Self::FrontForgetsNothing | Self::FrontForgetsTooLate)
    }
}

impl Map {
    fn new(fault: Fault) -> Self {
        Self {
            entries: Mutex::default(),
            fault,
            reads: AtomicU64::new(0),
            kept: Mutex::default(),
            front: None,
        }
    }

    fn with_front(fault: Fault) -> Self {
        Self { front: Some(Arc::new(Front::new(1_000))), ..Self::new(fault) }
    }

    /// Has the front forget what goes, unless the fault is that it does not.
    fn forget(&self, entry: Option<&Arc<Entry>>) {
        let before = match self.fault {
            Fault::FrontForgetsNothing => None,
            // What went the time before.
            Fault::FrontForgetsTooLate => self.keep(entry.cloned()),
            _ => entry.cloned(),
        };
        if let (Some(front), Some(entry)) = (&self.front, before) {
            front.forget(&entry);
        }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self, key: KeyRef<'_>) -> String {
        let text = key.text().into_owned();
        match self.fault {
            Fault::IgnoresCase => text.to_lowercase(),
            Fault::CutsKeys => text.chars().take(5_000).collect(),
            _ => text,
        }
    }

    fn keep(&self, entry: Option<Arc<Entry>>) -> Option<Arc<Entry>> {
        std::mem::replace(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner), entry)
    }
}

impl LocalStore for Map {
    fn read(&self, key: KeyRef<'_>, visit: &mut dyn FnMut(&Arc<Entry>)) {
        let name = self.name(key);
        // Held while the entry is shown, as the front demands.
        let entries = self.entries();
        let found = entries.get(&name).cloned();
        // Once in a while only, as a race would have it.
        let seldom = self.reads.fetch_add(1, Ordering::Relaxed) % 10_000 == 9_999;
        let before = if seldom { self.keep(None) } else { None };
        let found = match self.fault {
            Fault::ShowsTheOneBefore => before.or(found),
            Fault::ShowsWhatWasRemoved => found.or(before),
            Fault::ShowsWhereNothingIs => found.or_else(|| entries.values().next().cloned()),
            Fault::ShowsACopy => found.map(|entry| match conformance::value::<u64>(&entry) {
                Some(number) => conformance::entry(entry.key(), *number, 1),
                None => conformance::entry(entry.key(), "text".to_owned(), 4),
            }),
            _ => found,
        };
        if let Some(entry) = &found {
            visit(entry);
            if self.is(Fault::ShowsTwice) {
                visit(entry);
            }
        }
    }

    fn insert(&self, entry: Arc<Entry>) {
        let mut entries = self.entries();
        let full = match self.fault {
            Fault::KeepsNothing => 0,
            Fault::KeepsFew => 400,
            _ => usize::MAX,
        };
        let name = self.name(entry.key().borrow());
        let known = entries.contains_key(&name);
        let refused = if known { self.is(Fault::KeepsTheFirst) } else { entries.len() >= full };
        if refused {
            return;
        }
        let replaced = entries.insert(name, entry);
        self.forget(replaced.as_ref());
        if self.is(Fault::ShowsTheOneBefore) && replaced.is_some() {
            self.keep(replaced);
        }
    }

    fn remove(&self, key: KeyRef<'_>) {
        match self.fault {
            Fault::RemovesNothing => {}
            Fault::RemovesEverything => self.entries().clear(),
            _ => {
                let removed = self.entries().remove(&self.name(key));
                self.forget(removed.as_ref());
                if self.is(Fault::ShowsWhatWasRemoved) && removed.is_some() {
                    self.keep(removed);
                }
            }
        }
    }

    fn clear(&self) {
        if !self.is(Fault::ClearsNothing) {
            let removed = std::mem::take(&mut *self.entries());
            for entry in removed.values() {
                self.forget(Some(entry));
            }
        }
    }

    fn is_weighed(&self) -> bool {
        true
    }

    fn front(&self) -> Option<Arc<Front>> {
        self.front.clone()
    }

    fn usage(&self) -> Usage {
        let entries = self.entries();
        let count = entries.len() as u64;
        let bytes = entries.values().map(|entry| entry.weight()).sum();
        match self.fault {
            Fault::CountsTooMany => Usage::new(2 * count, bytes, 0),
            Fault::CountsTooFew => Usage::new(count / 2, bytes, 0),
            Fault::CountsNoBytes => Usage::new(count, 0, 0),
            Fault::CountsAfterClear => Usage::new(count, bytes.max(1), 0),
            _ => Usage::new(count, bytes, 0),
        }
    }
}
