//! The ways between processes and their store: each takes its time, and loses what it carries now and then.
//!
//! A request may be carried out after whoever asked has given up, and requests of one process may overtake each other:
//! worse than what one connection does, so what holds here holds there.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use larder::store::{
    Append, Claim, Expect, Fence, Fetched, Health, News, Position, Put, Reader, RemoteStore, Token,
};
use larder::{Error, ErrorKind, Result};
use tokio::time::sleep;

use crate::map_store::MapStore;
use crate::owned::{Hope, Parcel, Wish};
use crate::random::Random;

/// When whoever asked gives up.
const DEADLINE: Duration = Duration::from_millis(100);

/// A store, and the ways to it.
pub(super) struct Network {
    pub(super) store: MapStore,
    state: Mutex<State>,
}

struct State {
    random: Random,
    ways: Vec<Way>,
    /// Whether the store answers nobody.
    away: bool,
    lost: u64,
}

#[derive(Clone, Copy, Default)]
struct Way {
    cut: bool,
    slow: bool,
}

/// What becomes of a request.
enum Fate {
    /// It is refused at once.
    Refused,
    /// It never arrives.
    Lost,
    /// It is carried out when nobody waits for it any more, after so long.
    Late(Duration),
    /// It is carried out, and the answer never arrives.
    Unanswered(Duration),
    /// It takes so long to get there, and so long back.
    Carried(Duration, Duration),
}

impl Network {
    pub(super) fn new(seed: u64) -> Self {
        let random = Random::new(seed, 2);
        let state = State { random, ways: Vec::new(), away: false, lost: 0 };
        Self { store: MapStore::logged(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a way for another process.
    pub(super) fn another(&self) -> usize {
        let mut state = self.state();
        state.ways.push(Way::default());
        state.ways.len() - 1
    }

    /// Nothing gets through on one of the ways.
    pub(super) fn cut(&self, which: u64) {
        self.state().way(which).cut = true;
    }

    /// One of the ways is slow from now on.
    pub(super) fn slow(&self, which: u64) {
        self.state().way(which).slow = true;
    }

    /// One of the ways is as it should be.
    pub(super) fn heal(&self, which: u64) {
        *self.state().way(which) = Way::default();
    }

    /// The store answers nobody.
    pub(super) fn leave(&self) {
        self.state().away = true;
    }

    /// The store answers again.
    pub(super) fn come_back(&self) {
        self.state().away = false;
    }

    /// All is well from now on.
    pub(super) fn calm(&self) {
        let mut state = self.state();
        state.away = false;
        state.ways.fill(Way::default());
    }

    /// How many operations were not carried out and answered in time.
    pub(super) fn lost(&self) -> u64 {
        self.state().lost
    }

    fn is_cut(&self, way: usize) -> bool {
        let state = self.state();
        state.away || state.ways[way].cut
    }
}

impl State {
    fn way(&mut self, which: u64) -> &mut Way {
        let count = self.ways.len() as u64;
        &mut self.ways[usize::try_from(which % count).unwrap_or_default()]
    }

    fn fate(&mut self, way: usize) -> Fate {
        let Way { cut, slow } = self.ways[way];
        let (away, random) = (self.away, &mut self.random);
        let mut trip = |most| Duration::from_millis(random.below(most));
        let longest = if slow { 120 } else { 4 };
        let (there, back, late) = (trip(longest), trip(longest), DEADLINE + trip(1_000));
        let fate = match self.random.below(100) {
            0..50 if away => Fate::Refused,
            _ if cut || away => Fate::Lost,
            0 => Fate::Lost,
            1 => Fate::Late(late),
            2 => Fate::Unanswered(there),
            _ => Fate::Carried(there, back),
        };
        self.lost += u64::from(!matches!(fate, Fate::Carried(..)));
        fate
    }
}

/// The way of one process.
#[derive(Clone)]
pub(super) struct Link {
    network: Arc<Network>,
    way: usize,
}

impl Link {
    pub(super) fn new(network: &Arc<Network>, way: usize) -> Self {
        Self { network: Arc::clone(network), way }
    }

    async fn move_all(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Option<Fence>,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        let (names, scopes) = (names.to_vec(), scopes.to_vec());
        let append = append.map(|append| (append.log.to_owned(), append.records.to_vec(), append.replicas));
        self.ask(|store| async move {
            let append = append.as_ref();
            let append = append.map(|(log, records, replicas)| Append { log, records, replicas: *replicas });
            match fence {
                Some(fence) => store.fence(&names, &scopes, fence, append).await,
                None => store.invalidate(&names, &scopes, append).await,
            }
        })
        .await
    }

    /// Asks the store, as far as the way to it allows.
    async fn ask<T, F>(&self, step: impl FnOnce(MapStore) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let fate = self.network.state().fate(self.way);
        let step = step(self.network.store.clone());
        match fate {
            Fate::Refused => {
                return Err(Error::new(ErrorKind::Unavailable, "the store of this world is away"));
            }
            Fate::Lost => sleep(DEADLINE).await,
            Fate::Late(after) => {
                tokio::spawn(async move {
                    sleep(after).await;
                    step.await
                });
                sleep(DEADLINE).await;
            }
            Fate::Unanswered(there) => {
                sleep(there).await;
                let _ = step.await;
                sleep(DEADLINE).await;
            }
            Fate::Carried(there, back) => {
                sleep(there).await;
                let result = step.await;
                sleep(back).await;
                if !self.network.is_cut(self.way) {
                    return result;
                }
                sleep(DEADLINE).await;
            }
        }
        Err(Error::new(ErrorKind::Timeout, "the store of this world did not answer"))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("way", &self.way).finish_non_exhaustive()
    }
}

// What an operation is about goes with it, since it may outlive whoever asked.
#[async_trait]
impl RemoteStore for Link {
    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        let (name, scopes, wish) = (name.to_owned(), scopes.to_vec(), claim.map(Wish::of));
        let step = |store: MapStore| async move {
            store.fetch(&name, &scopes, wish.as_ref().map(Wish::claim)).await
        };
        self.ask(step).await
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        let names = names.to_vec();
        self.ask(|store| async move { store.fetch_many(&names).await }).await
    }

    async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        let (parcel, hope) = (Parcel::of(&put), Hope::of(expect));
        self.ask(|store| async move { store.publish(parcel.put(), hope.expect()).await }).await
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        let parcels: Vec<_> = puts.iter().map(Parcel::of).collect();
        self.ask(|store| async move {
            let puts: Vec<_> = parcels.iter().map(Parcel::put).collect();
            store.put_many(&puts).await
        })
        .await
    }

    async fn invalidate(
        &self,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.move_all(names, scopes, None, append).await
    }

    async fn fence(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Fence,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.move_all(names, scopes, Some(fence), append).await
    }

    async fn await_news(&self, log: &str, after: Position, limit: Duration) -> Result<()> {
        let log = log.to_owned();
        self.ask(|store| async move { store.await_news(&log, after, limit).await }).await
    }

    async fn news(&self, log: &str, after: Option<Position>, reader: Reader) -> Result<News> {
        let log = log.to_owned();
        self.ask(|store| async move { store.news(&log, after, reader).await }).await
    }

    async fn is_heard(&self, log: &str, position: Position, trusted: Duration) -> Result<bool> {
        let log = log.to_owned();
        self.ask(|store| async move { store.is_heard(&log, position, trusted).await }).await
    }

    async fn abandon(&self, name: &str, token: Token) -> Result<()> {
        let name = name.to_owned();
        self.ask(|store| async move { store.abandon(&name, token).await }).await
    }

    async fn expire(&self, name: &str, ttl: Duration) -> Result<bool> {
        let name = name.to_owned();
        self.ask(|store| async move { store.expire(&name, ttl).await }).await
    }

    async fn health(&self) -> Result<Health> {
        self.ask(|store| async move { store.health().await }).await
    }
}
