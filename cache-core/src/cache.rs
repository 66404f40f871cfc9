//! The cache that users hold: its parts, and the operations with keys given by hand.
//!
//! The life of a cached call is in `call`, that of an invalidation in `invalidate`.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::background::Background;
use crate::batch::Batch;
use crate::builder::{CacheBuilder, Settings};
use crate::call::{self, Miss};
use crate::clock;
use crate::codec::{Serde, Typed, Wire};
use crate::context;
use crate::counter::Turns;
use crate::debts::Debts;
use crate::entry::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::feed::Feed;
use crate::flight::Flights;
use crate::global::{self, AlreadyInstalled, AsCache, Global, Named};
use crate::health::{Health, RemoteHealth};
use crate::key::Key;
use crate::lock::Locks;
use crate::names::Lists;
use crate::outcome::{self, Outcome};
use crate::random;
use crate::recent::Recent;
use crate::scope::{Scope, Scopes};
use crate::settling::Settling;
use crate::shape::{Okay, Single};
use crate::site::BY_HAND;
use crate::stats::Stats;
use crate::store::Token;
use crate::tag::{Dependencies, Tag};
use crate::tally::{Count, Counters};
use crate::ticket::Ticket;
use crate::tiers::{Found, Wanted};

/// What a value needs to be stored by hand: it can be copied, sent to other threads and serialised.
///
/// Implemented for every type that qualifies.
pub trait Value: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Value for V {}

/// A cache: a namespace over a local store, a remote store, or both.
///
/// Clones are cheap and share everything. Keys given by hand are literal and share the key space with the
/// attributes: `get("user:42")` sees what `#[cached(key = "user:<id>")]` stored for `id = 42`.
///
/// Operations fail with an [`Error`] only for the remote store's sake; without one they always succeed.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

/// What the clones of a cache share.
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) scopes: Scopes,
    pub(crate) flights: Arc<Flights>,
    pub(crate) counters: Counters,
    pub(crate) debts: Debts,
    pub(crate) feed: Feed,
    /// For work that is not to keep the cache alive.
    pub(crate) this: Weak<Self>,
    pub(crate) background: Background,
    pub(crate) dependencies: Dependencies,
    pub(crate) settling: Settling,
    pub(crate) turns: Turns,
    pub(crate) lists: Lists,
    pub(crate) locks: Locks,
    pub(crate) recent: Recent,
    /// Tells its invalidations from those of others.
    pub(crate) sender: Token,
    #[cfg(feature = "metrics")]
    pub(crate) published: crate::metrics::Published,
    enabled: AtomicBool,
}

impl Cache {
    /// Starts building a cache.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::new()
    }

    pub(crate) fn new(settings: Settings) -> Self {
        let inner = Arc::new_cyclic(|this| Inner {
            enabled: AtomicBool::new(settings.enabled),
            scopes: Scopes::noting_use(settings.time_to_idle.is_some()),
            settings,
            flights: Arc::default(),
            counters: Counters::default(),
            debts: Debts::default(),
            feed: Feed::default(),
            this: Weak::clone(this),
            background: Background::default(),
            dependencies: Dependencies::default(),
            settling: Settling::default(),
            turns: Turns::default(),
            lists: Lists::default(),
            locks: Locks::default(),
            recent: Recent::default(),
            sender: random::token(),
            #[cfg(feature = "metrics")]
            published: crate::metrics::Published::default(),
        });
        Self { inner }
    }

    /// The cache that functions use which name none: that of the task ([`scope`](Self::scope)), else the
    /// installed one, else one that the environment describes.
    #[must_use]
    pub fn global() -> Self {
        Global.with(Self::clone)
    }

    /// Makes this the global cache; gives it back if there is one already.
    pub fn install(self) -> Result<(), AlreadyInstalled> {
        global::install(self)
    }

    /// Makes this the cache called `name`; gives it back if there is one already.
    pub fn install_as(self, name: &Named) -> Result<(), AlreadyInstalled> {
        name.install(self)
    }

    /// Runs `future` with this as the global cache: for tests that run beside each other.
    ///
    /// Tasks that `future` spawns do not inherit it.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        global::scope(self.clone(), future).await
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.inner.settings.namespace
    }

    /// Turns the cache on or off: while it is off, cached functions run their bodies and nothing is stored.
    ///
    /// Invalidations and the operations with keys given by hand work all the same.
    pub fn set_enabled(&self, enabled: bool) {
        self.inner.enabled.store(enabled, Ordering::Relaxed);
    }

    /// Whether cached functions use this cache.
    #[must_use]
    #[inline]
    pub fn is_enabled(&self) -> bool {
        self.inner.is_enabled()
    }

    /// What the cache has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// How the cache and its remote store are. The store is asked, within its deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn report(cache: &cache_core::Cache) {
    /// let health = cache.health().await;
    /// if let Some(Err(error)) = health.remote.as_ref().map(|remote| &remote.server) {
    ///     println!("values are not shared at the moment: {error}");
    /// }
    /// # }
    /// ```
    pub async fn health(&self) -> Health {
        let remote = match &self.inner.settings.remote {
            Some(remote) => {
                let server = remote.health().await;
                let (in_flight, room) = remote.load();
                Some(RemoteHealth {
                    server,
                    breaker_open: remote.is_open(),
                    in_flight,
                    room,
                    owed_invalidations: self.owed_invalidations(),
                    hearing: self.inner.hearing(),
                })
            }
            None => None,
        };
        Health { enabled: self.is_enabled(), remote }
    }

    /// Invalidations that the remote store could not be told of yet.
    #[must_use]
    pub fn owed_invalidations(&self) -> usize {
        self.inner.debts.len()
    }

    /// The value under `key`: nothing if there is none that is current and a `V`.
    pub async fn get<V: Value>(&self, key: impl Into<Key>) -> Result<Option<V>> {
        let key = key.into();
        let entry = self.inner.find(&key, wanted::<V>()).await?;
        Ok(entry.and_then(|entry| entry.value::<V>().cloned()))
    }

    /// The values under `keys`, in their order, in one round trip at most.
    pub async fn get_many<V: Value>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key>>,
    ) -> Result<Vec<Option<V>>> {
        let keys: Vec<Key> = keys.into_iter().map(Into::into).collect();
        let entries = self.inner.find_many(&keys, wanted::<V>()).await?;
        Ok(entries.into_iter().map(|entry| entry?.value::<V>().cloned()).collect())
    }

    /// Stores `value` under `key` for `ttl`. A load of the key that is under way is not stored over it.
    ///
    /// To load what is missing, take [`get_or_load`](Self::get_or_load): between a `get` and a `set` others may change the
    /// source and delete the key, and what was read before that is then kept for the whole `ttl`.
    ///
    /// While a mutation with a `fence` around the key is under way in some process, or the key settles, nothing is stored
    /// in the remote store, this value neither: it may be older than what the mutation changes.
    pub async fn set<V: Value>(&self, key: impl Into<Key>, value: &V, ttl: Duration) -> Result<()> {
        self.set_many([(key, value)], ttl).await
    }

    /// Stores each value under its key for `ttl`, in five round trips at most, unless others change a key meanwhile.
    pub async fn set_many<'v, K: Into<Key>, V: Value>(
        &self,
        values: impl IntoIterator<Item = (K, &'v V)>,
        ttl: Duration,
    ) -> Result<()> {
        let values: Vec<_> = values.into_iter().map(|(key, value)| (key.into(), value)).collect();
        self.inner.store_all(&values, ttl).await
    }

    /// Stores `value` under `key` for `ttl` if there is no current value of any type; whether it did.
    pub async fn set_if_absent<V: Value>(
        &self,
        key: impl Into<Key>,
        value: &V,
        ttl: Duration,
    ) -> Result<bool> {
        self.inner.store_if_absent(&key.into(), value, ttl).await
    }

    /// Whether there is a current value of any type under `key`.
    pub async fn exists(&self, key: impl Into<Key>) -> Result<bool> {
        Ok(self.ttl(key).await?.is_some())
    }

    /// Removes what is under `key`; whether there was a current value. Loads under way are not stored.
    ///
    /// On an error this process has removed it all the same, and tells the remote store as soon as that can be reached: log it,
    /// and let the request succeed.
    pub async fn delete(&self, key: impl Into<Key>) -> Result<bool> {
        let key = key.into();
        let existed = self.exists(&key).await;
        // Even if there was no answer: it is removed from this process, and owed to the remote store.
        self.inner.invalidate(vec![key.into()]).await?;
        existed
    }

    /// How much longer the value under `key` is kept; nothing if there is none.
    pub async fn ttl(&self, key: impl Into<Key>) -> Result<Option<Duration>> {
        let key = key.into();
        let as_of = self.inner.as_of_now(&key, &[]);
        if self.inner.settings.remote.is_some() {
            return match self.inner.fetch(&key, ANY, &as_of, None, false).await? {
                Found::Value(_, left, _) => Ok(Some(left.fresh)),
                Found::Stale(..) | Found::Nothing(_) | Found::Leased | Found::Fenced | Found::Unavailable => {
                    Ok(None)
                }
            };
        }
        let until = self.inner.peek(key.borrow(), |entry| Some(entry.fresh_until()));
        Ok(until.map(|until| until.since(clock::now())))
    }

    /// Keeps the value under `key` for `ttl` from now; whether there is one. Zero removes it.
    pub async fn expire(&self, key: impl Into<Key>, ttl: Duration) -> Result<bool> {
        let key = key.into();
        if ttl.is_zero() {
            return self.delete(key).await;
        }
        self.inner.expire(&key, ttl).await
    }

    /// The value under `key`, or that of `loader`, which is then stored for `ttl`.
    ///
    /// Calls of one key that overlap share one load. An `Err` is the loader's own: it is not stored, and
    /// a caller that waited for it loads for itself. A failure of the cache runs the loader.
    pub async fn get_or_load<V, E, F>(
        &self,
        key: impl Into<Key>,
        ttl: Duration,
        loader: impl FnOnce() -> F,
    ) -> Result<V, E>
    where
        V: Value,
        F: Future<Output = Result<V, E>>,
    {
        let (key, shape) = (key.into(), Okay::<V, E, Single>::default());
        if !self.is_enabled() {
            let output = loader().await;
            outcome::note(Outcome::Bypassed);
            return output;
        }
        if let Some(hit) = call::local_hit_by_hand(&self.inner, shape, key.borrow()) {
            return hit;
        }
        let miss = Miss::manual(&BY_HAND, shape, <Serde as Wire<V>>::TYPED, self, key);
        miss.ttl(ttl).load(async { loader().await }).await
    }

    /// Invalidates `target`: a [`Key`], a pattern, a tag, or text (a pattern if it holds `*`, else a key).
    ///
    /// When it returns, no value whose load began before is served by this process. On an error that still
    /// holds; the remote store is told as soon as it can be reached, and not used before.
    pub async fn invalidate(&self, target: impl Into<Scope>) -> Result<Ticket> {
        self.inner.invalidate(vec![target.into()]).await
    }

    /// Invalidates everything in this namespace, at a cost that does not depend on how much there is.
    pub async fn clear(&self) -> Result<Ticket> {
        self.invalidate(Scope::Everything).await
    }

    /// Waits until this process knows of the invalidation of `ticket`, wherever that was made: what is read afterwards
    /// is not older.
    ///
    /// Usually it knows, or asks the remote store once. An error says that the store could not be asked within its
    /// deadlines. A ticket is one of its namespace in its remote store; anywhere else it is taken for one of long ago.
    pub async fn at_least(&self, ticket: &Ticket) -> Result<()> {
        match ticket.position() {
            Some(position) => self.inner.hear_of(position).await,
            None => Ok(()),
        }
    }

    /// Collects invalidations, to be carried out together once a transaction has committed.
    pub fn batch(&self) -> Batch {
        Batch::new(self)
    }

    /// Invalidates `dependents` whenever `tag` is invalidated, and what depends on them in turn.
    ///
    /// # Examples
    ///
    /// ```
    /// # let cache = cache_core::Cache::builder().build();
    /// cache.depends("role", &["user", "permission"]);
    /// cache.depends("user", &["activity"]);
    /// ```
    pub fn depends(&self, tag: impl Into<Tag>, dependents: &[&str]) {
        self.inner.dependencies.add(tag.into(), dependents.iter().map(|dependent| Tag::from(*dependent)));
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// What its clones share, for work that is to stop with the last of them.
    pub(crate) fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.inner)
    }
}

/// What a manual read of a `V` takes: any version of it.
pub(crate) fn wanted<V: Value>() -> Wanted<'static> {
    Wanted {
        site: &BY_HAND,
        typed: <Serde as Wire<V>>::TYPED,
        type_matters: true,
        version: None,
        stale: false,
        lock: None,
        staleness: None,
        tags: &[],
    }
}

/// What a question about a key takes, whatever the type of its value.
pub(crate) static ANY: Wanted<'static> = Wanted {
    site: &BY_HAND,
    typed: Typed::ANY,
    type_matters: false,
    version: None,
    stale: false,
    lock: None,
    staleness: None,
    tags: &[],
};

impl Inner {
    /// Tells this cache from others while it lives.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// How long a load may take before its remote lease expires.
    pub(crate) fn lease(&self) -> Duration {
        self.settings.load_limit + Duration::from_secs(1)
    }

    pub(crate) fn stats(&self) -> Stats {
        let usage = self.settings.local.as_ref().map(|local| local.usage()).unwrap_or_default();
        let mut stats = self.counters.snapshot();
        (stats.entries, stats.bytes, stats.evictions) = (usage.entries, usage.bytes, usage.evictions);
        if let Some(remote) = &self.settings.remote {
            remote.count_into(&mut stats);
        }
        stats
    }

    #[inline]
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    async fn find(&self, key: &Key, wanted: Wanted<'_>) -> Result<Option<Arc<Entry>>> {
        let mut found = self.find_many(std::slice::from_ref(key), wanted).await?;
        Ok(found.pop().flatten())
    }

    /// Looks in both stores and counts what was there.
    async fn find_many(&self, keys: &[Key], wanted: Wanted<'_>) -> Result<Vec<Option<Arc<Entry>>>> {
        let mut entries: Vec<_> = keys
            .iter()
            .map(|key| self.peek(key.borrow(), |entry| wanted.accepts(entry).then(|| Arc::clone(entry))))
            .collect();
        let missing: Vec<usize> = (0..keys.len()).filter(|&at| entries[at].is_none()).collect();
        let tally = self.tally(wanted.site);
        tally.add(Count::LocalHits, (keys.len() - missing.len()) as u64);
        for entry in entries.iter().flatten() {
            context::inherit(self.id(), entry.stamp().tags());
        }
        if missing.is_empty() {
            return Ok(entries);
        }
        self.listen().await;
        let asked: Vec<Key> = missing.iter().map(|&at| keys[at].clone()).collect();
        let as_of: Vec<_> = asked.iter().map(|key| self.as_of_now(key, wanted.tags)).collect();
        let began = clock::now();
        let fetched = self.fetch_many(&asked, wanted, &as_of).await?;
        for ((at, key), entry) in missing.into_iter().zip(&asked).zip(fetched) {
            match &entry {
                Some(entry) => {
                    tally.remote_hit(Some(began));
                    self.flights.exclusively(key, || self.keep(key, entry, wanted.site));
                }
                None => self.missed(wanted.site),
            }
            entries[at] = entry;
        }
        Ok(entries)
    }

    async fn expire(&self, key: &Key, ttl: Duration) -> Result<bool> {
        let known = self.peek(key.borrow(), |entry| Some(Arc::clone(entry)));
        if let Some(remote) = self.remote().await? {
            let as_of = self.as_of_now(key, &[]);
            let Found::Value(_, left, _) = self.fetch(key, ANY, &as_of, None, false).await? else {
                return Ok(false);
            };
            // The stale window stays at the end of the time.
            let kept = ttl.saturating_add(left.aging.stale);
            let there = remote.expire(&self.settings.name_of(key), kept).await?;
            self.announce(vec![Scope::Key(key.clone())]).await?;
            // The near copy is fetched anew: it must not outlive the remote one.
            if let Some(local) = &self.settings.local {
                local.remove(key.borrow());
            }
            return Ok(there);
        }
        if let Some(entry) = &known {
            entry.set_fresh_until(clock::now() + ttl);
        }
        Ok(known.is_some())
    }

    pub(crate) fn encode<V: 'static>(&self, typed: &Typed, value: &V) -> Result<Vec<u8>> {
        match typed.bytes {
            Some(bytes) => (bytes.encode)(value, self.settings.codec),
            None => Err(Error::new(ErrorKind::Unsupported, "a `local` value is not stored remotely")),
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("settings", &self.inner.settings)
            .field("enabled", &self.is_enabled())
            .field("scopes", &self.inner.scopes)
            .field("flights", &self.inner.flights)
            .finish_non_exhaustive()
    }
}
