//! This project, as its users write it: everything on that is on by default.

use std::sync::{Arc, LazyLock};

use larder::{Cache, Memory, cached};

use crate::subject::{Subject, Value};
use crate::user::{User, load};

/// Large enough for every trace: what is measured here is the hit.
static INSTALLED: LazyLock<bool> = LazyLock::new(|| {
    let cache = Cache::builder().namespace("benches").local(Memory::new(1 << 18)).build();
    cache.install().is_ok()
});

#[cached(ttl = 300, key = "user:<id>")]
async fn shared(id: u64) -> Arc<User> {
    Arc::new(load(id).await)
}

#[cached(ttl = 300, key = "owned:<id>")]
async fn owned(id: u64) -> User {
    load(id).await
}

pub(super) fn subjects() -> [Subject; 2] {
    assert!(*INSTALLED, "only here is a global cache installed");
    [
        Subject::new("larder #[cached(ttl, key = \"user:<id>\")]", Value::Shared, shared),
        Subject::new("larder #[cached(ttl, key = \"user:<id>\")]", Value::Owned, owned),
    ]
}
