//! The lease of a load that other processes wait for, held by whoever runs it.

use std::sync::Weak;

use tokio::runtime::Handle;

use crate::cache::Inner;
use crate::store::Token;

/// A lease in the remote store. Unless its load is published it is given back when this is dropped, so that no other
/// process has to wait until it expires.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Not kept alive by its loads; dangling if there is nothing to give back.
    cache: Weak<Inner>,
    name: String,
    token: Token,
}

impl Lease {
    pub(crate) fn new(cache: Weak<Inner>, name: String, token: Token) -> Self {
        Self { cache, name, token }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn token(&self) -> Token {
        self.token
    }

    /// There is nothing to give back.
    pub(crate) fn forget(mut self) {
        self.cache = Weak::new();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(cache), Ok(runtime)) = (self.cache.upgrade(), Handle::try_current()) else { return };
        let (weak, name, token) = (Weak::clone(&self.cache), std::mem::take(&mut self.name), self.token);
        // Without room for it, or without an answer, the lease expires by itself.
        cache.background.spawn(&runtime, async move {
            let Some(cache) = weak.upgrade() else { return };
            if let Ok(Some(remote)) = cache.remote().await
                && let Err(error) = remote.abandon(&name, token).await
            {
                tracing::debug!(target: "larder", %error, "the lease of a load is left to expire");
            }
        });
    }
}
