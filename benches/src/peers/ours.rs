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

/// Sees to it that the global cache has room for all that is measured.
pub(super) fn install() {
    assert!(*INSTALLED, "only here is a global cache installed");
}

pub(super) fn subjects() -> [Subject; 2] {
    install();
    [
        Subject::new("larder #[cached(ttl, key = \"user:<id>\")]", Value::Shared, shared),
        Subject::new("larder #[cached(ttl, key = \"user:<id>\")]", Value::Owned, owned),
    ]
}
