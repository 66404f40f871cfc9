//! How a cache is put together.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;
use crate::codec::Codec;
use crate::compress::{Compression, Threshold};
use crate::guard::Guard;
use crate::store::{Front, LocalStore, RemoteStore};

/// What a cache is made of. Fixed once it is built.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) namespace: Box<str>,
    pub(crate) local: Option<Box<dyn LocalStore>>,
    /// That of the local store, as is the next.
    pub(crate) front: Option<Arc<Front>>,
    pub(crate) time_to_idle: Option<Duration>,
    pub(crate) remote: Option<Guard>,
    pub(crate) default_ttl: Duration,
    pub(crate) jitter: f64,
    pub(crate) max_staleness: Duration,
    pub(crate) ack: Ack,
    pub(crate) load_limit: Duration,
    pub(crate) codec: Codec,
    pub(crate) compression: Threshold,
    pub(crate) enabled: bool,
}

/// What an invalidation waits for before it returns, where there is a remote store.
///
/// # Examples
///
/// ```
/// use cache_core::{Ack, Cache};
///
/// let cache = Cache::builder().ack(Ack::Fleet).build();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ack {
    /// The server that takes writes has it. Other processes hear of it soon, and go by it within their
    /// [`max_staleness`](CacheBuilder::max_staleness).
    #[default]
    Primary,
    /// So many replicas have it, too: a failover to one of them does not lose it. If fewer have it in time, the
    /// invalidation fails, and is kept until it does not.
    Replicas(u32),
    /// Every process of the namespace goes by it: nobody is served what is older. One that is cut off from the store is
    /// waited for until it trusts nothing that it heard before, and so is everybody when the store has only begun to note
    /// who there is, or has lost its notes. Storing by hand and `#[cache_put]` wait alike; a counter does not.
    ///
    /// Build every process so. One that is serves nothing from its own memory, and lets nobody wait for the load of
    /// another, once it has been cut off for [`max_staleness`](CacheBuilder::max_staleness). Built otherwise it serves
    /// what it loads itself for that long, and nobody can wait for that.
    Fleet,
}

/// Builds a [`Cache`]: local only, remote only, or a near cache over a shared one.
///
/// Without any store every call runs its body.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct CacheBuilder {
    settings: Settings,
    remote: Option<Arc<dyn RemoteStore>>,
}

impl CacheBuilder {
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings {
                namespace: "larder".into(),
                local: None,
                front: None,
                time_to_idle: None,
                remote: None,
                default_ttl: Duration::from_secs(300),
                jitter: 0.0,
                max_staleness: Duration::from_secs(2),
                ack: Ack::default(),
                load_limit: Duration::from_secs(30),
                codec: Codec::default(),
                compression: Compression::default().into(),
                enabled: true,
            },
            remote: None,
        }
    }

    /// The first part of every stored key: keeps applications apart that share a store. Default: `larder`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.settings.namespace = namespace.into().into_boxed_str();
        self
    }

    /// Keeps live values in this process.
    pub fn local(mut self, store: impl LocalStore) -> Self {
        self.settings.front = store.front();
        self.settings.time_to_idle = store.time_to_idle();
        self.settings.local = Some(Box::new(store));
        self
    }

    /// Shares values with other processes.
    pub fn remote(mut self, store: impl RemoteStore) -> Self {
        self.remote = Some(Arc::new(store));
        self
    }

    /// How long an entry is fresh whose function does not say. Default: 5 minutes.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.settings.default_ttl = ttl;
        self
    }

    /// Varies each time to live by up to this fraction, up and down, from 0 to 1, so that entries written
    /// together do not expire together. Default: 0.
    pub fn jitter(mut self, fraction: f64) -> Self {
        self.settings.jitter = fraction;
        self
    }

    /// How long after an invalidation elsewhere this process may still serve its local copy, where there is
    /// a remote store. Usually it hears of it long before. Give all processes that share a store the same. A function
    /// may have a shorter one. Default: 2 seconds.
    pub fn max_staleness(mut self, staleness: Duration) -> Self {
        self.settings.max_staleness = staleness;
        self
    }

    /// What an invalidation waits for before it returns. Default: [`Ack::Primary`].
    pub fn ack(mut self, ack: Ack) -> Self {
        self.settings.ack = ack;
        self
    }

    /// How long callers wait for the load of another before they start their own. Default: 30 seconds.
    pub fn load_limit(mut self, limit: Duration) -> Self {
        self.settings.load_limit = limit;
        self
    }

    /// The format in which values travel to the remote store. Default: JSON.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.settings.codec = codec;
        self
    }

    /// How values are made smaller on their way to the remote store, and from which size on. Default: not at
    /// all. Readers need no setting, only the Cargo feature of whatever writers use.
    pub fn compression(mut self, compression: impl Into<Threshold>) -> Self {
        self.settings.compression = compression.into();
        self
    }

    /// Whether the cache is in use; if not, every call runs its body until [`Cache::set_enabled`]. Default: true.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.settings.enabled = enabled;
        self
    }

    /// The cache. Contacts nobody.
    #[must_use]
    pub fn build(self) -> Cache {
        let Self { mut settings, remote } = self;
        settings.remote = remote.map(|store| Guard::new(store, &settings.namespace));
        Cache::new(settings)
    }
}
