//! The remote store as everybody in this crate sees it: counted, bounded, and left alone while it is in trouble.
//! When that is, is decided in `breaker`; how long an operation may take is the store's own contract.
//!
//! A store that is left alone costs a call a look at the breaker. A task of the guard's asks in the callers'
//! stead, after pauses, until there is an answer.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::breaker::{Breaker, Change, Outcome, Passage, Refused};
use crate::error::{Error, ErrorKind, Result};
use crate::random;
use crate::stats::Stats;
use crate::store::{
    Append, Claim, Expect, Fence, Fetched, Glimpse, Health, News, Position, Put, Reader, Reading,
    RemoteStore, Token,
};
use crate::tally::Counter;

/// The longest pause before the first look whether a store is back; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// No pause is longer, so that a store that is back is noticed.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A remote store behind its breaker.
#[derive(Clone)]
pub(crate) struct Guard {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn RemoteStore>,
    /// The name that is claimed, for a millisecond, to see whether the store can be used.
    probe: String,
    breaker: Breaker,
    /// Whether a task looks whether the store is back.
    watched: AtomicBool,
    errors: Counter,
    timeouts: Counter,
    skipped: Counter,
}

impl Guard {
    /// Guards `store`, in which a cache uses the names that begin with `namespace`.
    pub(crate) fn new(store: Arc<dyn RemoteStore>, namespace: &str) -> Self {
        let shared = Shared {
            store,
            // Where the generations are, which every operation needs. None of them is called so.
            probe: format!("{{larder:{namespace}}}:%~probe"),
            breaker: Breaker::default(),
            watched: AtomicBool::new(false),
            errors: Counter::default(),
            timeouts: Counter::default(),
            skipped: Counter::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// An error while the store is left alone, for whoever would have to prepare a lot to ask it.
    pub(crate) fn ready(&self) -> Result<()> {
        if self.is_open() { Err(self.refuse(Refused::Open)) } else { Ok(()) }
    }

    /// Whether the store is left alone.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.breaker.is_open()
    }

    /// Operations under way, and how many may be.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.shared.breaker.in_flight(), self.shared.breaker.room())
    }

    /// Adds what was counted here.
    pub(crate) fn count_into(&self, stats: &mut Stats) {
        stats.remote_errors = self.shared.errors.get();
        stats.remote_timeouts = self.shared.timeouts.get();
        stats.remote_skipped = self.shared.skipped.get();
        stats.breaker_openings = self.shared.breaker.openings();
        stats.remote_slowdowns = self.shared.breaker.cuts();
    }

    /// Asks the store, if it may be asked. An operation that `matters` finds room when others do not.
    async fn ask<T>(&self, matters: bool, operation: impl Future<Output = Result<T>>) -> Result<T> {
        let passage = self.enter(matters)?;
        let result = operation.await;
        self.leave(passage, result.as_ref().err());
        result
    }

    fn enter(&self, matters: bool) -> Result<Passage<'_>> {
        self.shared.breaker.enter(matters).map_err(|why| self.refuse(why))
    }

    /// Counts an operation that has ended, with an error if that is how.
    fn leave(&self, passage: Passage<'_>, error: Option<&Error>) {
        let outcome = error.map_or(Outcome::Answered, |error| {
            self.shared.count(error);
            Outcome::from(error)
        });
        if let Some(change) = passage.end(outcome) {
            self.shared.note(change, error);
        }
    }

    #[cold]
    fn refuse(&self, why: Refused) -> Error {
        self.shared.skipped.increment();
        if why == Refused::Open {
            // The runtime that carried the task may have ended.
            Shared::watch(&self.shared);
        }
        Error::new(
            ErrorKind::Unavailable,
            match why {
                Refused::Open => "the remote store is left alone until it answers again",
                Refused::Full => "too many operations of the remote store are under way",
            },
        )
    }
}

impl Shared {
    #[cold]
    fn count(&self, error: &Error) {
        if error.is_unasked() {
            return self.skipped.increment();
        }
        self.errors.increment();
        if error.kind() == ErrorKind::Timeout {
            self.timeouts.increment();
        }
        tracing::debug!(target: "larder", %error, "the remote store failed an operation");
    }

    /// Says what is different from now on; sees to it that somebody looks whether the store is back.
    #[cold]
    fn note(self: &Arc<Self>, change: Change, reason: Option<&Error>) {
        match change {
            Change::Opened => {
                let reason = reason.map(tracing::field::display);
                tracing::warn!(target: "larder", reason, "the remote store is left alone until it answers again");
                Self::watch(self);
            }
            Change::Crowded => {
                tracing::warn!(target: "larder", "the remote store is asked for more than it does: some of it is skipped");
            }
            Change::Relieved => {
                tracing::info!(target: "larder", "the remote store is asked for everything again");
            }
        }
    }

    /// Looks whether the store is back, in a task of its own, unless that is being done.
    fn watch(this: &Arc<Self>) {
        if this.watched.load(Ordering::Relaxed) || this.watched.swap(true, Ordering::AcqRel) {
            return;
        }
        let watch = Watch(Arc::downgrade(this));
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(watch.run())),
            // Without tokio nobody can wait for the store; callers will find out.
            Err(_) => this.breaker.close(),
        }
    }

    /// Uses the store as a call does: reads, and claims what is not there.
    async fn is_back(&self) -> bool {
        let claim = Claim::new(random::token(), Duration::from_millis(1));
        match self.store.fetch(&self.probe, &[], Some(claim)).await {
            Ok(_) => true,
            Err(error) => Outcome::from(&error) == Outcome::Answered,
        }
    }
}

/// The task that waits for a store to come back, for as long as a cache needs it.
struct Watch(Weak<Shared>);

impl Watch {
    async fn run(self) {
        for attempt in 0.. {
            let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
            tokio::time::sleep(random::up_to(longest)).await;
            let Some(shared) = self.0.upgrade() else { return };
            if shared.is_back().await {
                shared.breaker.close();
                tracing::info!(target: "larder", "the remote store answers again");
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.watched.store(false, Ordering::Release);
        }
    }
}

/// The verbs of [`RemoteStore`]: each asks the store, if it may be asked. No implementation of the trait, whose boxed futures
/// a hit would pay for twice.
impl Guard {
    pub(crate) async fn fetch(
        &self,
        name: &str,
        scopes: &[String],
        claim: Option<Claim<'_>>,
    ) -> Result<Fetched> {
        self.ask(false, self.shared.store.fetch(name, scopes, claim)).await
    }

    /// Asked at once, so that little has to be kept until there is an answer.
    pub(crate) fn glance(&self, name: &str, scopes: &Arc<[String]>) -> Glancing<'_> {
        let state = match self.enter(false) {
            Ok(passage) => Glanced::Asked(passage, self.shared.store.glance(name, scopes)),
            Err(refused) => Glanced::Ended(Some(refused)),
        };
        Glancing { guard: self, state }
    }

    pub(crate) async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        self.ask(false, self.shared.store.fetch_many(names)).await
    }

    pub(crate) async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        self.ask(false, self.shared.store.publish(put, expect)).await
    }

    pub(crate) async fn invalidate(
        &self,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.ask(true, self.shared.store.invalidate(names, scopes, append)).await
    }

    pub(crate) async fn fence(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Fence,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.ask(true, self.shared.store.fence(names, scopes, fence, append)).await
    }

    /// Not counted, and asked whatever the breaker thinks: a feed is nobody's operation, and has pauses of its own.
    pub(crate) async fn await_news(&self, log: &str, after: Position, limit: Duration) -> Result<()> {
        self.shared.store.await_news(log, after, limit).await
    }

    pub(crate) async fn news(&self, log: &str, after: Option<Position>, reader: Reader) -> Result<News> {
        self.shared.store.news(log, after, reader).await
    }

    pub(crate) async fn is_heard(&self, log: &str, position: Position, trusted: Duration) -> Result<bool> {
        self.ask(true, self.shared.store.is_heard(log, position, trusted)).await
    }

    pub(crate) async fn abandon(&self, name: &str, token: Token) -> Result<()> {
        self.ask(false, self.shared.store.abandon(name, token)).await
    }

    pub(crate) async fn expire(&self, name: &str, ttl: Duration) -> Result<bool> {
        self.ask(false, self.shared.store.expire(name, ttl)).await
    }

    pub(crate) async fn lock(&self, name: &str, token: Token, lease: Duration) -> Result<Option<u64>> {
        self.ask(false, self.shared.store.lock(name, token, lease)).await
    }

    pub(crate) async fn extend_lock(&self, name: &str, token: Token, lease: Duration) -> Result<bool> {
        self.ask(false, self.shared.store.extend_lock(name, token, lease)).await
    }

    pub(crate) async fn unlock(&self, name: &str, token: Token) -> Result<bool> {
        self.ask(false, self.shared.store.unlock(name, token)).await
    }

    /// Whoever asks for its health wants to know, whatever the breaker thinks.
    pub(crate) async fn health(&self) -> Result<Health> {
        self.shared.store.health().await
    }
}

/// A glance that was asked for. By hand, since hundreds of callers wait with one of these.
pub(crate) struct Glancing<'g> {
    guard: &'g Guard,
    state: Glanced<'g>,
}

enum Glanced<'g> {
    Asked(Passage<'g>, Reading<'g>),
    /// Not asked, or answered already.
    Ended(Option<Error>),
}

impl Future for Glancing<'_> {
    type Output = Result<Option<Glimpse>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let reading = match &mut self.state {
            Glanced::Asked(_, reading) => reading,
            // Whoever asks again after the end waits for ever.
            Glanced::Ended(refused) => {
                return refused.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
            }
        };
        let result = ready!(Pin::new(reading).poll(context));
        if let Glanced::Asked(passage, _) = std::mem::replace(&mut self.state, Glanced::Ended(None)) {
            match &result {
                // Whoever finds nothing asks once more, and that says how the store is: one that still reads and takes no
                // writes would seem well half of the time.
                Ok(None) => drop(passage),
                result => self.guard.leave(passage, result.as_ref().err()),
            }
        }
        Poll::Ready(result)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("store", &self.shared.store)
            .field("breaker", &self.shared.breaker)
            .finish_non_exhaustive()
    }
}
