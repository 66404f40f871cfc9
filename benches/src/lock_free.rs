//! What would lift the limit of one hot key on two cores: a map that readers do not lock, with a mark on what was read.
//! An experiment, not a product: nothing expires, nothing is counted, and the hand that evicts is naive.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use itoa::Buffer;

use crate::subject::{Subject, Value};
use crate::user::{User, load};

struct Held<V> {
    value: V,
    read: AtomicBool,
    /// What the rule and the clock compare.
    confirmed: AtomicU64,
    fresh_until: AtomicU64,
}

/// A map of so many entries, of which the oldest without a mark goes first.
pub struct LockFree<V> {
    room: usize,
    entries: papaya::HashMap<Box<str>, Held<V>>,
    queue: Mutex<VecDeque<Box<str>>>,
}

impl<V> std::fmt::Debug for LockFree<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockFree").field("room", &self.room).finish_non_exhaustive()
    }
}

static MOVED: AtomicU64 = AtomicU64::new(1);
static NOW: AtomicU64 = AtomicU64::new(1);

impl<V: Clone + Send + Sync> LockFree<V> {
    /// An empty one.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self { room, entries: papaya::HashMap::new(), queue: Mutex::default() }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn get(&self, key: &str) -> Option<V> {
        let entries = self.entries.pin();
        let held = entries.get(key)?;
        // Two loads, as the real rule and a published clock cost.
        if held.confirmed.load(Ordering::Relaxed) != MOVED.load(Ordering::Acquire)
            || NOW.load(Ordering::Relaxed) >= held.fresh_until.load(Ordering::Relaxed)
        {
            return None;
        }
        // Written once in a while only, so that readers share the line.
        if !held.read.load(Ordering::Relaxed) {
            held.read.store(true, Ordering::Relaxed);
        }
        Some(held.value.clone())
    }

    /// Stores `value`, and lets others go for it.
    pub fn insert(&self, key: &str, value: V) {
        let entries = self.entries.pin();
        let held = Held {
            value,
            read: AtomicBool::new(false),
            confirmed: AtomicU64::new(1),
            fresh_until: AtomicU64::new(u64::MAX),
        };
        if entries.insert(key.into(), held).is_some() {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(key.into());
        while queue.len() > self.room {
            let Some(oldest) = queue.pop_front() else { return };
            match entries.get(&*oldest) {
                Some(held) if held.read.swap(false, Ordering::Relaxed) => queue.push_back(oldest),
                _ => drop(entries.remove(&*oldest)),
            }
        }
    }
}

static SHARED: LazyLock<LockFree<Arc<User>>> = LazyLock::new(|| LockFree::new(1 << 18));
static OWNED: LazyLock<LockFree<User>> = LazyLock::new(|| LockFree::new(1 << 18));

async fn shared(id: u64) -> Arc<User> {
    let (mut digits, mut key) = (Buffer::new(), arrayvec::ArrayString::<32>::new());
    write_key(&mut key, digits.format(id));
    if let Some(user) = SHARED.get(&key) {
        return user;
    }
    let user = Arc::new(load(id).await);
    SHARED.insert(&key, Arc::clone(&user));
    user
}

async fn owned(id: u64) -> User {
    let (mut digits, mut key) = (Buffer::new(), arrayvec::ArrayString::<32>::new());
    write_key(&mut key, digits.format(id));
    if let Some(user) = OWNED.get(&key) {
        return user;
    }
    let user = load(id).await;
    OWNED.insert(&key, user.clone());
    user
}

fn write_key(key: &mut arrayvec::ArrayString<32>, digits: &str) {
    key.push_str("user:");
    key.push_str(digits);
}

/// The hit of `user:<id>`.
#[must_use]
pub fn subjects() -> [Subject; 2] {
    const NAME: &str = "experiment: papaya, a mark on what was read";
    [Subject::new(NAME, Value::Shared, shared), Subject::new(NAME, Value::Owned, owned)]
}
