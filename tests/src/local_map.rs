//! A local store that is a plain map, behind a lock and with the usual front; nothing in it is evicted.
//!
//! For the tests of schedules: its lock is one of theirs, so that what a visitor does under it, and what happens in
//! front of it meanwhile, is in any order that threads allow. The locks of `Memory` are not.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use cache_core::store::{Front, LocalStore, Usage};
use cache_core::{Entry, KeyRef};
#[cfg(shuttle)]
use shuttle::sync::{Mutex, MutexGuard};
#[cfg(not(shuttle))]
use std::sync::{Mutex, MutexGuard};

/// The map.
#[derive(Debug)]
pub struct LocalMap {
    entries: Mutex<HashMap<String, Arc<Entry>>>,
    front: Arc<Front>,
}

impl LocalMap {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LocalMap {
    fn default() -> Self {
        Self { entries: Mutex::default(), front: Arc::new(Front::new(1_000)) }
    }
}

impl LocalStore for LocalMap {
    fn read(&self, key: KeyRef<'_>, visit: &mut dyn FnMut(&Arc<Entry>)) {
        let name = key.text();
        if let Some(entry) = self.entries().get(&*name) {
            visit(entry);
        }
    }

    fn insert(&self, entry: Arc<Entry>) {
        let mut entries = self.entries();
        let replaced = entries.insert(entry.key().whole().to_owned(), entry);
        if let Some(replaced) = &replaced {
            self.front.forget(replaced);
        }
        drop(entries);
        drop(replaced);
    }

    fn remove(&self, key: KeyRef<'_>) {
        let removed = self.entries().remove(&*key.text());
        if let Some(removed) = &removed {
            self.front.forget(removed);
        }
    }

    fn clear(&self) {
        let removed = std::mem::take(&mut *self.entries());
        for entry in removed.values() {
            self.front.forget(entry);
        }
    }

    fn is_weighed(&self) -> bool {
        false
    }

    fn front(&self) -> Option<Arc<Front>> {
        Some(Arc::clone(&self.front))
    }

    fn usage(&self) -> Usage {
        Usage::new(self.entries().len() as u64, 0, 0)
    }
}
