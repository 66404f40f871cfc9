//! A local store that is a plain map: no lock of it is held while a visitor looks, and nothing in it is evicted.
//!
//! For the tests of schedules. A visitor asks the rule, which is a point at which another thread may run; were
//! that under a lock of the store, as in `Memory`, the one thread that plays all of them would wait for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cache_core::store::{LocalStore, Usage};
use cache_core::{Entry, KeyRef};

/// The map.
#[derive(Debug, Default)]
pub struct LocalMap {
    entries: Mutex<HashMap<String, Arc<Entry>>>,
}

impl LocalMap {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalStore for LocalMap {
    fn read(&self, key: KeyRef<'_>, visit: &mut dyn FnMut(&Arc<Entry>)) {
        let found = self.entries().get(&*key.text()).cloned();
        if let Some(entry) = &found {
            visit(entry);
        }
    }

    fn insert(&self, entry: Arc<Entry>) {
        let replaced = self.entries().insert(entry.key().whole().to_owned(), entry);
        drop(replaced);
    }

    fn remove(&self, key: KeyRef<'_>) {
        let removed = self.entries().remove(&*key.text());
        drop(removed);
    }

    fn clear(&self) {
        let removed = std::mem::take(&mut *self.entries());
        drop(removed);
    }

    fn is_weighed(&self) -> bool {
        false
    }

    fn usage(&self) -> Usage {
        Usage::new(self.entries().len() as u64, 0, 0)
    }
}
