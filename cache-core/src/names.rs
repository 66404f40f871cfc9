//! What keys, scopes, locks and leases are called in the remote store: under the namespace, apart from each other, and
//! all but the values in one slot of a cluster.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::builder::Settings;
use crate::cache::Inner;
use crate::key::{Key, hash_of};
use crate::scope::levels;
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
    prefix: Box<str>,
    tags: Box<[Tag]>,
    scopes: Arc<[String]>,
}

const PLACES: usize = 64;

impl Default for Lists {
    fn default() -> Self {
        Self { places: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Inner {
    /// The names of everything that covers `key` in the remote store.
    pub(crate) fn scopes_of(&self, key: &Key, tags: &[Tag]) -> Arc<[String]> {
        let prefix = levels(key.whole()).last().unwrap_or_default();
        let texts = tags.iter().map(Tag::as_str).chain([prefix]);
        let hash = texts.fold(0, |hash: u64, text| hash.rotate_left(5) ^ hash_of(text.as_bytes()));
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
        let key = key.as_str();
        let mut name = String::with_capacity(self.namespace.len() + 1 + key.len());
        name.push_str(&self.namespace);
        name.push(':');
        name.push_str(key);
        name
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
