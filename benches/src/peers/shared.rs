//! Caches that are no attributes, called as their own documentation shows it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use moka::future::Cache as Moka;
use quick_cache::sync::Cache as Quick;

use crate::subject::{Subject, Value};
use crate::user::{User, load};

static MOKA: LazyLock<Moka<u64, Arc<User>>> = LazyLock::new(|| Moka::new(1 << 18));
static MOKA_WITH_TTL: LazyLock<Moka<String, Arc<User>>> =
    LazyLock::new(|| Moka::builder().max_capacity(1 << 18).time_to_live(Duration::from_secs(300)).build());
static QUICK: LazyLock<Quick<u64, Arc<User>>> = LazyLock::new(|| Quick::new(1 << 18));

async fn moka(id: u64) -> Arc<User> {
    if let Some(user) = MOKA.get(&id).await {
        return user;
    }
    MOKA.get_with(id, async { Arc::new(load(id).await) }).await
}

async fn moka_with_ttl(id: u64) -> Arc<User> {
    let key = format!("user:{id}");
    if let Some(user) = MOKA_WITH_TTL.get(&key).await {
        return user;
    }
    MOKA_WITH_TTL.get_with(key, async { Arc::new(load(id).await) }).await
}

async fn quick(id: u64) -> Arc<User> {
    if let Some(user) = QUICK.get(&id) {
        return user;
    }
    let user = Arc::new(load(id).await);
    QUICK.insert(id, Arc::clone(&user));
    user
}

pub(super) fn subjects() -> [Subject; 3] {
    [
        Subject::new("moka 0.12 future, u64 key", Value::Shared, moka),
        Subject::new("moka 0.12 future, String key, ttl", Value::Shared, moka_with_ttl),
        Subject::new("quick_cache 0.7, u64 key", Value::Shared, quick),
    ]
}
