//! A remote store that a test can stop at its reads and invalidations, and that fails when it is told to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use larder::store::{
    Append, Claim, Expect, Fence, Fetched, Health, News, Position, Put, Reader, Reading, RemoteStore, Token,
};
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
    /// How everything fails, if it does.
    away: Arc<Mutex<Option<ErrorKind>>>,
    /// Where reads wait, if they do.
    reads: Arc<Mutex<Option<Gate>>>,
    /// Where conditional stores wait, if they do.
    stores: Arc<Mutex<Option<Gate>>>,
    /// How often it was asked for anything but its health.
    asked: Arc<AtomicU64>,
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
        self.fail_with(away.then_some(ErrorKind::Unavailable));
    }

    /// Makes everything fail in this way from now on, or work again.
    pub fn fail_with(&self, how: Option<ErrorKind>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = how;
    }

    /// Makes reads wait from now on, or lets them through, those that wait included.
    pub fn gate_reads(&self, wait: bool) {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = std::mem::replace(&mut *reads, wait.then(Gate::default)) {
            gate.open();
        }
    }

    /// Makes conditional stores wait at this gate from now on.
    pub fn gate_stores(&self, gate: &Gate) {
        *self.stores.lock().unwrap_or_else(PoisonError::into_inner) = Some(gate.clone());
    }

    /// How often it was asked for anything but its health.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    fn here(&self) -> Result<&MapStore> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.well()
    }

    fn well(&self) -> Result<&MapStore> {
        match *self.away.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(kind) => Err(Error::new(kind, "the store of this test is away")),
            None => Ok(&self.store),
        }
    }

    async fn readable(&self) -> Result<&MapStore> {
        let gate = self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        self.here()
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Unavailable, "the store of this test is away")
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RemoteStore for HeldStore {
    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        self.readable().await?.fetch(name, scopes, claim).await
    }

    fn glance(&self, name: &str, scopes: &Arc<[String]>) -> Reading<'_> {
        let (name, scopes) = (name.to_owned(), Arc::clone(scopes));
        Reading::alone(async move { self.readable().await?.glance(&name, &scopes).await })
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        self.readable().await?.fetch_many(names).await
    }

    async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        let gate = self.stores.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        self.here()?.publish(put, expect).await
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        self.here()?.put_many(puts).await
    }

    async fn invalidate(
        &self,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.gate.pass().await;
        if self.fails.load(Ordering::SeqCst) {
            return Err(gone());
        }
        self.here()?.invalidate(names, scopes, append).await
    }

    async fn fence(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Fence,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.gate.pass().await;
        if self.fails.load(Ordering::SeqCst) {
            return Err(gone());
        }
        self.here()?.fence(names, scopes, fence, append).await
    }

    async fn await_news(&self, log: &str, after: Position, limit: Duration) -> Result<()> {
        self.here()?.await_news(log, after, limit).await
    }

    async fn news(&self, log: &str, after: Option<Position>, reader: Reader) -> Result<News> {
        self.here()?.news(log, after, reader).await
    }

    async fn is_heard(&self, log: &str, position: Position, trusted: Duration) -> Result<bool> {
        self.here()?.is_heard(log, position, trusted).await
    }

    async fn abandon(&self, name: &str, token: Token) -> Result<()> {
        self.here()?.abandon(name, token).await
    }

    async fn expire(&self, name: &str, ttl: Duration) -> Result<bool> {
        self.here()?.expire(name, ttl).await
    }

    async fn lock(&self, name: &str, token: Token, lease: Duration) -> Result<Option<u64>> {
        self.here()?.lock(name, token, lease).await
    }

    async fn extend_lock(&self, name: &str, token: Token, lease: Duration) -> Result<bool> {
        self.here()?.extend_lock(name, token, lease).await
    }

    async fn unlock(&self, name: &str, token: Token) -> Result<bool> {
        self.here()?.unlock(name, token).await
    }

    async fn health(&self) -> Result<Health> {
        self.well()?.health().await
    }
}
