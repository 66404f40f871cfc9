//! Warming: many keys, loaded a few at a time before anybody asks for them.
//!
//! Each key goes the road of [`Cache::get_or_load`]: what happens to one load is in `call`. All of them run in the
//! caller's task, so that dropping it stops them.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::cache::{Cache, Value};
use crate::key::Key;

/// A warming that begins when it is awaited: made by [`Cache::warm`].
#[must_use = "nothing is loaded until it is awaited"]
pub struct Warm<'w, I, L, E> {
    cache: Cache,
    keys: I,
    concurrency: usize,
    loader: L,
    ttl: Duration,
    on_progress: OnProgress<'w, E>,
}

type OnProgress<'w, E> = Box<dyn FnMut(&Warmed<E>) + Send + 'w>;

/// What became of the keys of [`Cache::warm`], each list in the order in which they were dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warmed<E = crate::Error> {
    /// Keys that were loaded. One that was invalidated meanwhile has no value again.
    pub loaded: Vec<Key>,
    /// Keys that needed no load: they had a current value, or somebody else was loading it.
    pub hits: Vec<Key>,
    /// Keys whose load failed, with the loader's error.
    pub failed: Vec<(Key, E)>,
}

impl<E> Warmed<E> {
    const NOTHING: Self = Self { loaded: Vec::new(), hits: Vec::new(), failed: Vec::new() };

    /// How many keys have been dealt with.
    #[must_use]
    pub fn count(&self) -> usize {
        self.loaded.len() + self.hits.len() + self.failed.len()
    }
}

impl Cache {
    /// Loads what is missing under `keys`, no more than `concurrency` (at least 1) at a time, and stores it for the
    /// cache's default time to live, or for [`Warm::ttl`].
    ///
    /// Every key is treated as by [`get_or_load`](Self::get_or_load): what is current is not loaded again, callers
    /// of the key share the load, and an invalidation wins. A load that fails does not stop the others. Nothing is
    /// spawned: dropping the future stops it, and the same keys given again go on where it was. Keys are taken
    /// from their iterator when there is room for them.
    ///
    /// A key that comes up while the cache is off is not loaded, and in none of the lists.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # struct DbError;
    /// # async fn name_of(id: &str) -> Result<String, DbError> { Ok(format!("name {id}")) }
    /// # async fn at_start(cache: cache_core::Cache, ids: &[u64]) {
    /// let keys = ids.iter().map(|id| format!("name:{id}"));
    /// let warmed = cache
    ///     .warm(keys, 8, |key| async move { name_of(&key.as_str()["name:".len()..]).await })
    ///     .ttl(Duration::from_secs(300))
    ///     .on_progress(|so_far| println!("{} of {}", so_far.count(), ids.len()))
    ///     .await;
    /// let again = warmed.failed.into_iter().map(|(key, _)| key);
    /// # let _ = cache.warm(again, 1, |_| async { Ok::<_, DbError>(String::new()) });
    /// # }
    /// ```
    pub fn warm<'w, I, K, V, E, L, F>(&self, keys: I, concurrency: usize, loader: L) -> Warm<'w, I, L, E>
    where
        I: IntoIterator<Item = K>,
        K: Into<Key>,
        V: Value,
        L: Fn(Key) -> F,
        F: Future<Output = Result<V, E>>,
    {
        Warm {
            cache: self.clone(),
            keys,
            concurrency: concurrency.max(1),
            loader,
            ttl: self.inner().settings.default_ttl,
            on_progress: Box::new(|_| ()),
        }
    }
}

impl<'w, I, L, E> Warm<'w, I, L, E> {
    /// With this time to live of the values.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Calls `on_progress` after each key with what has been done so far.
    pub fn on_progress(mut self, on_progress: impl FnMut(&Warmed<E>) + Send + 'w) -> Self {
        self.on_progress = Box::new(on_progress);
        self
    }
}

impl<'w, I, K, V, E, L, F> IntoFuture for Warm<'w, I, L, E>
where
    I: IntoIterator<Item = K, IntoIter: Send> + Send + 'w,
    K: Into<Key> + 'w,
    V: Value,
    E: Send + 'w,
    L: Fn(Key) -> F + Send + Sync + 'w,
    F: Future<Output = Result<V, E>> + Send + 'w,
{
    type Output = Warmed<E>;
    type IntoFuture = Pin<Box<dyn Future<Output = Warmed<E>> + Send + 'w>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<I, L, E> Warm<'_, I, L, E> {
    async fn run<K, V, F>(self) -> Warmed<E>
    where
        I: IntoIterator<Item = K>,
        K: Into<Key>,
        V: Value,
        L: Fn(Key) -> F,
        F: Future<Output = Result<V, E>>,
    {
        let Self { cache, keys, concurrency, loader, ttl, mut on_progress } = self;
        let mut keys = keys.into_iter().fuse();
        let mut running = Vec::new();
        let mut warmed = Warmed::NOTHING;
        poll_fn(|task| {
            let room = concurrency - running.len();
            let begun = keys.by_ref().take(room).map(|key| Box::pin(one(&cache, key.into(), ttl, &loader)));
            running.extend(begun);
            if running.is_empty() {
                return Poll::Ready(());
            }
            let before = running.len();
            running.retain_mut(|key| match key.as_mut().poll(task) {
                Poll::Pending => true,
                Poll::Ready((key, end)) => {
                    match end {
                        End::Loaded => warmed.loaded.push(key),
                        End::Hit => warmed.hits.push(key),
                        End::Failed(error) => warmed.failed.push((key, error)),
                        End::Off => return false,
                    }
                    on_progress(&warmed);
                    false
                }
            });
            if running.len() < before {
                // There is room again. Other tasks have their turn first: keys that need no load never wait.
                task.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
        warmed
    }
}

/// What became of a key.
enum End<E> {
    Loaded,
    Hit,
    Failed(E),
    Off,
}

async fn one<V, E, L, F>(cache: &Cache, key: Key, ttl: Duration, loader: &L) -> (Key, End<E>)
where
    V: Value,
    L: Fn(Key) -> F,
    F: Future<Output = Result<V, E>>,
{
    if !cache.is_enabled() {
        return (key, End::Off);
    }
    let mut loads = false;
    let load = || {
        loads = true;
        loader(key.clone())
    };
    let end = match cache.get_or_load(key.clone(), ttl, load).await {
        Err(error) => End::Failed(error),
        Ok(_) if loads => End::Loaded,
        Ok(_) => End::Hit,
    };
    (key, end)
}

impl<I, L, E> fmt::Debug for Warm<'_, I, L, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warm")
            .field("concurrency", &self.concurrency)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
