//! What one would write by hand, with nothing but the map: no time to live, no counter, no invalidation.

use std::sync::{Arc, LazyLock};

use quick_cache::sync::Cache;

use crate::subject::{Subject, Value};
use crate::user::{User, load};

/// The name of the row that everything is compared to.
pub(super) const SHARED: &str = "by hand: key on the stack → quick_cache → Arc";
/// The same, where the value is cloned.
pub(super) const OWNED: &str = "by hand: key on the stack → quick_cache → clone";

type Map<V> = LazyLock<Cache<Box<[u8]>, V>>;

static SHARED_USERS: Map<Arc<User>> = LazyLock::new(|| Cache::new(1 << 18));
static OWNED_USERS: Map<User> = LazyLock::new(|| Cache::new(1 << 18));

async fn shared(id: u64) -> Arc<User> {
    let mut buffer = [0; 32];
    let key = write_key(&mut buffer, id);
    if let Some(user) = SHARED_USERS.get(key) {
        return user;
    }
    let user = Arc::new(load(id).await);
    SHARED_USERS.insert(key.into(), Arc::clone(&user));
    user
}

async fn owned(id: u64) -> User {
    let mut buffer = [0; 32];
    let key = write_key(&mut buffer, id);
    if let Some(user) = OWNED_USERS.get(key) {
        return user;
    }
    let user = load(id).await;
    OWNED_USERS.insert(key.into(), user.clone());
    user
}

/// `user:<id>`, in place.
fn write_key(buffer: &mut [u8; 32], id: u64) -> &[u8] {
    const HEAD: &[u8] = b"user:";
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(id).as_bytes();
    let len = HEAD.len() + digits.len();
    buffer[..HEAD.len()].copy_from_slice(HEAD);
    buffer[HEAD.len()..len].copy_from_slice(digits);
    &buffer[..len]
}

pub(super) fn subjects() -> [Subject; 2] {
    [Subject::new(SHARED, Value::Shared, shared), Subject::new(OWNED, Value::Owned, owned)]
}
