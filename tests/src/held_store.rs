//! A remote store that a test can stop at its invalidations, and that can fail them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use larder::store::{Claim, Expect, Fetched, Health, Put, RemoteStore};
use larder::{Error, ErrorKind, Result};

use crate::Gate;
use crate::map_store::MapStore;

/// A [`MapStore`] whose invalidations wait at a gate, and fail if they are told to.
#[derive(Clone, Debug, Default)]
pub struct HeldStore {
    /// What is behind it.
    pub store: Arc<MapStore>,
    /// Where invalidations wait.
    pub gate: Gate,
    /// Whether they fail then, without effect.
    fails: Arc<AtomicBool>,
    /// Whether nothing works.
    away: Arc<AtomicBool>,
}

impl HeldStore {
    /// A store whose gate is open and that fails nothing.
    #[must_use]
    pub fn open() -> Self {
        let held = Self::default();
        held.gate.open();
        held
    }

    /// Makes invalidations fail from now on, or work again.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// Makes everything fail from now on, or work again.
    pub fn leave(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn here(&self) -> Result<&MapStore> {
        if self.away.load(Ordering::SeqCst) { Err(gone()) } else { Ok(&self.store) }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Unavailable, "the store of this test is away")
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RemoteStore for HeldStore {
    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        self.here()?.fetch(name, scopes, claim).await
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        self.here()?.fetch_many(names).await
    }

    async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        self.here()?.publish(put, expect).await
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        self.here()?.put_many(puts).await
    }

    async fn invalidate(&self, names: &[String], scopes: &[String]) -> Result<()> {
        self.gate.pass().await;
        if self.fails.load(Ordering::SeqCst) {
            return Err(gone());
        }
        self.here()?.invalidate(names, scopes).await
    }

    async fn expire(&self, name: &str, ttl: Duration) -> Result<bool> {
        self.here()?.expire(name, ttl).await
    }

    async fn health(&self) -> Result<Health> {
        self.here()?.health().await
    }
}
