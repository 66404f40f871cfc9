//! Two processes over one server, as far as the protocol is concerned: caches with stores of their own.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Ack, Cache, Hearing, Memory, Redis};

use crate::until_async;

/// Δ of the cases.
pub const STALENESS: Duration = Duration::from_millis(400);

const TTL: Duration = Duration::from_secs(300);

/// A near cache over a shared store, and what it would cache: a number that others change.
#[derive(Clone, Debug)]
pub struct Process {
    /// The cache.
    pub cache: Cache,
    /// The database, which all processes of a test share.
    pub truth: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
}

impl Process {
    /// A process over `store`, that reads what `truth` is.
    #[must_use]
    pub fn new(store: Redis, truth: &Arc<AtomicU64>) -> Self {
        Self::with(Ack::Primary, store, truth)
    }

    /// One whose invalidations wait for `ack`.
    #[must_use]
    pub fn with(ack: Ack, store: Redis, truth: &Arc<AtomicU64>) -> Self {
        let cache = Cache::builder().namespace("shop").local(Memory::new(10_000)).remote(store).ack(ack);
        let cache = cache.max_staleness(STALENESS).load_limit(Duration::from_millis(500)).build();
        Self { cache, truth: Arc::clone(truth), loads: Arc::default() }
    }

    /// The loads that it has run.
    #[must_use]
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    /// What it finds under `key`: the truth, as of some time.
    pub async fn read(&self, key: &str) -> u64 {
        let Ok(found) = self
            .cache
            .get_or_load(key, TTL, async || {
                self.loads.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(self.truth.load(Ordering::SeqCst))
            })
            .await;
        found
    }

    /// What it holds of `key` itself, without asking anybody.
    pub async fn holds(&self, key: &str) -> bool {
        let before = self.cache.stats();
        self.read(key).await;
        self.cache.stats().local_hits > before.local_hits
    }

    /// Whether it hears of what others invalidate.
    pub async fn hears(&self) -> bool {
        let health = self.cache.health().await;
        health.remote.is_some_and(|remote| matches!(remote.hearing, Hearing::Feed { .. }))
    }

    /// Waits until it hears of what others invalidate, or does not.
    pub async fn until_it_hears(&self, hears: bool) {
        until_async(async || self.hears().await == hears).await;
    }
}
