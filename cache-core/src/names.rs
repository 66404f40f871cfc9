//! What keys, scopes, locks and leases are called in the remote store: under the namespace, apart from each other, and
//! all but the values in one slot of a cluster.

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::builder::Settings;
use crate::cache::Inner;
use crate::key::{Key, hash_of};
use crate::scope::{last_level, levels};
use crate::tag::Tag;

/// The longest prefix or tag whose generation is kept under its own text.
const MAX_SCOPE_LEN: usize = 200;

/// Lists of scopes that were lately asked for: the keys of one function share theirs, and need not make it again.
#[derive(Debug)]
pub(crate) struct Lists {
    /// Each list has one place where it can be.
    places: [Mutex<Option<List>>; PLACES],
}

#[derive(Debug)]
struct List {
    /// All of the key up to its last level.
    prefix: Box<[u8]>,
    tags: Box<[Tag]>,
    scopes: Arc<[String]>,
}

const PLACES: usize = 64;

thread_local! {
    /// Memory for the next name.
    static NAME: Cell<String> = const { Cell::new(String::new()) };
}

impl Default for Lists {
    fn default() -> Self {
        Self { places: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Inner {
    /// The names of everything that covers `key` in the remote store.
    pub(crate) fn scopes_of(&self, key: &Key, tags: &[Tag]) -> Arc<[String]> {
        let prefix = last_level(key.bytes());
        let mut hash = hash_of(prefix);
        for tag in tags {
            hash = hash.rotate_left(5) ^ hash_of(tag.as_str().as_bytes());
        }
        let place = usize::try_from(hash % PLACES as u64).unwrap_or_default();
        let mut place = self.lists.places[place].lock();
        if let Some(list) = &*place
            && *list.prefix == *prefix
            && *list.tags == *tags
        {
            return Arc::clone(&list.scopes);
        }
        let scopes: Arc<[String]> = self.settings.scopes_of(key, tags).into();
        if prefix.len() <= MAX_SCOPE_LEN {
            *place = Some(List { prefix: prefix.into(), tags: tags.into(), scopes: Arc::clone(&scopes) });
        }
        scopes
    }
}

impl Settings {
    /// The name of `key` in the remote store.
    pub(crate) fn name_of(&self, key: &Key) -> String {
        let mut name = String::with_capacity(self.namespace.len() + 1 + key.as_str().len());
        self.write_name(key, &mut name);
        name
    }

    /// Has the name of `key` read, in memory that this thread keeps for it.
    pub(crate) fn with_name_of<R>(&self, key: &Key, read: impl FnOnce(&str) -> R) -> R {
        let mut name = NAME.try_with(Cell::take).unwrap_or_default();
        name.clear();
        self.write_name(key, &mut name);
        let result = read(&name);
        // A thread that is ending keeps nothing.
        let _ = NAME.try_with(|kept| kept.set(name));
        result
    }

    fn write_name(&self, key: &Key, name: &mut String) {
        name.push_str(&self.namespace);
        name.push(':');
        name.push_str(key.as_str());
    }

    /// The names of everything that covers `key` in the remote store.
    pub(crate) fn scopes_of(&self, key: &Key, tags: &[Tag]) -> Vec<String> {
        let everything = std::iter::once(self.scope_everything());
        let prefixes = levels(key.whole()).map(|prefix| self.scope_prefix(prefix));
        everything.chain(prefixes).chain(tags.iter().map(|tag| self.scope_tag(tag))).collect()
    }

    /// Moves with every invalidation of the namespace, whatever that covers.
    pub(crate) fn scope_any(&self) -> String {
        format!("{{larder:{}}}:g:#", self.namespace)
    }

    /// The log of the namespace's invalidations. What a store keeps beside it begins with this name, and no scope does.
    pub(crate) fn log(&self) -> String {
        format!("{{larder:{}}}", self.namespace)
    }

    pub(crate) fn scope_everything(&self) -> String {
        ["{larder:", &self.namespace, "}:g:*"].concat()
    }

    pub(crate) fn scope_prefix(&self, prefix: &str) -> String {
        ["{larder:", &self.namespace, "}:g:p:", &shortened(prefix)].concat()
    }

    pub(crate) fn scope_tag(&self, tag: &Tag) -> String {
        ["{larder:", &self.namespace, "}:g:t:", &shortened(tag.as_str())].concat()
    }

    /// The name of the lease of a refresh of `key`.
    pub(crate) fn refresh_of(&self, key: &Key) -> String {
        format!("{{larder:{}}}:r:{}", self.namespace, shortened(key.as_str()))
    }

    pub(crate) fn scope_lock(&self, name: &str) -> String {
        format!("{{larder:{}}}:l:{}", self.namespace, shortened(name))
    }
}

/// A long text by its digest, which no short text equals: it holds a `%~`.
fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_SCOPE_LEN {
        text.into()
    } else {
        format!("%~{}", crate::key::digest(text.as_bytes())).into()
    }
}
