//! The cache by hand, for who does not want to hear of its failures. The attributes need none of this: they never fail a call.

use std::time::Duration;

use larder::{Cache, Key, Value};

/// The value, or nothing: also if the store cannot be asked. Such failures are counted in the statistics.
pub(crate) async fn get<V: Value>(key: impl Into<Key>) -> Option<V> {
    Cache::global().get(key).await.ok().flatten()
}

/// Stores the value if that is possible; whether it was.
pub(crate) async fn set<V: Value>(key: impl Into<Key>, value: &V, ttl: Duration) -> bool {
    Cache::global().set(key, value, ttl).await.is_ok()
}
