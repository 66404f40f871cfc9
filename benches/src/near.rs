//! Designs of the near cache, side by side: what `benches/store.rs` compares before one of them is built.
//! Experiments, not products: each reads, inserts and evicts, and does nothing else.

mod held;
mod inline;
mod lock_free;
mod quick;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::KeyRef;

pub use held::{Held, ShortKey};
pub use inline::{Lock, Inline, OneLock, Striped};
pub use lock_free::LockFree;
pub use quick::{InPlace, Today};

use crate::subject::{Subject, Value};
use crate::user::{User, load};

/// A store of a bounded number of entries.
pub trait Near: Send + Sync + 'static {
    /// Shows the value under `key` to `visit`, if it is there and current.
    fn read(&self, key: Asked<'_>, visit: &mut dyn FnMut(&Shared));

    /// Stores `value` under `key`, and evicts what that has no room for.
    fn insert(&self, key: Asked<'_>, value: Shared);

    /// How many entries are held.
    fn len(&self) -> usize;

    /// Whether none is.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A value of any type.
pub type Shared = Arc<dyn Any + Send + Sync>;

/// The key that is asked for: its text and its hash.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    text: &'a str,
    hash: u64,
}

impl<'a> From<&'a str> for Asked<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, hash: KeyRef::from(text).hash64() }
    }
}

/// What the designs ask of every entry, as the real rule and a published clock do: two loads.
static MOVED: AtomicU64 = AtomicU64::new(1);
static NOW: AtomicU64 = AtomicU64::new(1);

/// Whether an entry that was confirmed up to some move, and is fresh until some time, may be served.
#[inline]
fn is_servable(confirmed: &AtomicU64, fresh_until: &AtomicU64) -> bool {
    confirmed.load(Ordering::Relaxed) == MOVED.load(Ordering::Acquire)
        && NOW.load(Ordering::Relaxed) < fresh_until.load(Ordering::Relaxed)
}

/// A hit of `user:<id>` in a store of this design, with the value shared and cloned.
pub fn subjects<N: Near>(name: &'static str, make: impl Fn() -> N) -> [Subject; 2] {
    let (shared, owned) = (Arc::new(make()), Arc::new(make()));
    [
        Subject::new(name, Value::Shared, move |id| {
            let store = Arc::clone(&shared);
            async move { shared_user(&*store, id).await }
        }),
        Subject::new(name, Value::Owned, move |id| {
            let store = Arc::clone(&owned);
            async move { owned_user(&*store, id).await }
        }),
    ]
}

async fn shared_user(store: &impl Near, id: u64) -> Arc<User> {
    let key = Written::new(id);
    let mut found = None;
    store.read(key.asked(), &mut |value| found = Arc::clone(value).downcast().ok());
    match found {
        Some(user) => user,
        None => {
            let user = Arc::new(load(id).await);
            store.insert(key.asked(), Arc::clone(&user) as Shared);
            user
        }
    }
}

async fn owned_user(store: &impl Near, id: u64) -> User {
    let key = Written::new(id);
    let mut found = None;
    store.read(key.asked(), &mut |value| found = value.downcast_ref::<User>().cloned());
    match found {
        Some(user) => user,
        None => {
            let user = load(id).await;
            store.insert(key.asked(), Arc::new(user.clone()));
            user
        }
    }
}
