//! Futures that stop more often than they must: places for others to come between.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use larder::store::{
    Append, Claim, Expect, Fence, Fetched, Health, News, Position, Put, Reader, Reading, RemoteStore, Token,
};
use larder::{Error, ErrorKind, Result};
use tokio::task::yield_now;

use crate::random::Random;

/// Polls `future` once and `more` times again, then drops it if it has not ended.
pub async fn for_polls<F: Future>(more: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = more;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// A remote store that takes its time before and after each step, and now and then is not there.
#[derive(Debug)]
pub struct Yielding<S> {
    store: Arc<S>,
    seed: u64,
    /// One operation in so many fails, before or after it has taken effect; 0 for none.
    failures: u64,
    operations: AtomicU64,
}

impl<S> Yielding<S> {
    /// Makes `store` slower.
    pub fn new(store: Arc<S>, seed: u64, failures: u64) -> Self {
        Self { store, seed, failures, operations: AtomicU64::new(0) }
    }

    async fn around<T>(&self, step: impl Future<Output = Result<T>>) -> Result<T> {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        let mut random = Random::new(self.seed, number);
        let fails = self.failures > 0 && random.below(self.failures) == 0;
        self.pause(&mut random).await;
        if fails && random.below(2) == 0 {
            return Err(gone());
        }
        let result = step.await;
        self.pause(&mut random).await;
        if fails { Err(gone()) } else { result }
    }

    async fn pause(&self, random: &mut Random) {
        for _ in 0..random.below(3) {
            yield_now().await;
        }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Unavailable, "the store of this test is away")
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: RemoteStore> RemoteStore for Yielding<S> {
    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        self.around(self.store.fetch(name, scopes, claim)).await
    }

    fn glance(&self, name: &str, scopes: &Arc<[String]>) -> Reading<'_> {
        Reading::alone(self.around(self.store.glance(name, scopes)))
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        self.around(self.store.fetch_many(names)).await
    }

    async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        self.around(self.store.publish(put, expect)).await
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        self.around(self.store.put_many(puts)).await
    }

    async fn invalidate(
        &self,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.around(self.store.invalidate(names, scopes, append)).await
    }

    async fn fence(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Fence,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.around(self.store.fence(names, scopes, fence, append)).await
    }

    async fn await_news(&self, log: &str, after: Position, limit: Duration) -> Result<()> {
        self.around(self.store.await_news(log, after, limit)).await
    }

    async fn news(&self, log: &str, after: Option<Position>, reader: Reader) -> Result<News> {
        self.around(self.store.news(log, after, reader)).await
    }

    async fn is_heard(&self, log: &str, position: Position, trusted: Duration) -> Result<bool> {
        self.around(self.store.is_heard(log, position, trusted)).await
    }

    async fn abandon(&self, name: &str, token: Token) -> Result<()> {
        self.around(self.store.abandon(name, token)).await
    }

    async fn expire(&self, name: &str, ttl: Duration) -> Result<bool> {
        self.around(self.store.expire(name, ttl)).await
    }

    async fn lock(&self, name: &str, token: Token, lease: Duration) -> Result<Option<u64>> {
        self.around(self.store.lock(name, token, lease)).await
    }

    async fn extend_lock(&self, name: &str, token: Token, lease: Duration) -> Result<bool> {
        self.around(self.store.extend_lock(name, token, lease)).await
    }

    async fn unlock(&self, name: &str, token: Token) -> Result<bool> {
        self.around(self.store.unlock(name, token)).await
    }

    async fn health(&self) -> Result<Health> {
        self.around(self.store.health()).await
    }
}
