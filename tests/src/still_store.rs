//! A remote store in which nothing moves: one entry, whose bytes a test sees and sets, and generations that never
//! change. For what is on the wire, and what becomes of bytes that should not be there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use larder::Result;
use larder::store::{Append, Claim, Expect, Fetched, Generation, Health, Position, Put, RemoteStore, Token};

/// A [`RemoteStore`] of one entry.
#[derive(Clone, Debug, Default)]
pub struct StillStore {
    bytes: Arc<Mutex<Option<Vec<u8>>>>,
}

impl StillStore {
    /// The bytes of the entry.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the entry.
    pub fn set(&self, bytes: impl Into<Vec<u8>>) {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.into());
    }

    fn found(&self, scopes: &[String], claim: Option<Claim<'_>>) -> Fetched {
        let rejected = claim.and_then(|claim| claim.reject);
        let value = self.bytes().filter(|bytes| rejected.is_none_or(|reject| !bytes.starts_with(reject)));
        Fetched {
            value,
            ttl: Duration::from_secs(60),
            generations: vec![Generation(*b"12345678"); scopes.len()],
            ..Fetched::default()
        }
    }
}

#[async_trait]
impl RemoteStore for StillStore {
    async fn fetch(&self, _: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        Ok(self.found(scopes, claim))
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        Ok(names.iter().map(|(_, scopes)| self.found(scopes, None)).collect())
    }

    async fn publish(&self, put: Put<'_>, _: Expect<'_>) -> Result<bool> {
        self.set(put.value);
        Ok(true)
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        for put in puts {
            self.set(put.value);
        }
        Ok(())
    }

    async fn invalidate(
        &self,
        _: &[String],
        _: &[String],
        _: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        Ok(None)
    }

    async fn abandon(&self, _: &str, _: Token) -> Result<()> {
        Ok(())
    }

    async fn expire(&self, _: &str, _: Duration) -> Result<bool> {
        Ok(true)
    }

    async fn health(&self) -> Result<Health> {
        Ok(Health::default())
    }
}
