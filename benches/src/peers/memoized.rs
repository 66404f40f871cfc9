//! `cached`'s `#[cached]`: one map behind one lock.

use std::sync::Arc;

use cached::macros::cached;

use crate::subject::{Subject, Value};
use crate::user::{User, load};

#[cached]
async fn by_id(id: u64) -> Arc<User> {
    Arc::new(load(id).await)
}

#[cached(key = "String", convert = { format!("user:{id}") })]
async fn by_text(id: u64) -> Arc<User> {
    Arc::new(load(id).await)
}

#[cached(max_size = 262_144, ttl_secs = 300)]
async fn by_id_with_ttl(id: u64) -> Arc<User> {
    Arc::new(load(id).await)
}

#[cached]
async fn owned(id: u64) -> User {
    load(id).await
}

pub(super) fn subjects() -> [Subject; 4] {
    [
        Subject::new("cached 4.1 #[cached], u64 key", Value::Shared, by_id),
        Subject::new("cached 4.1 #[cached], String key", Value::Shared, by_text),
        Subject::new("cached 4.1 #[cached(max_size, ttl)], u64 key", Value::Shared, by_id_with_ttl),
        Subject::new("cached 4.1 #[cached], u64 key", Value::Owned, owned),
    ]
}
