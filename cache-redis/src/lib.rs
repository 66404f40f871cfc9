//! The Redis store of larder: bytes that processes share, on a Redis or Valkey server or cluster, version 7 or later.
//! Knows nothing of values, keys or types; how entries look and when they are current is `cache-core`'s.
//!
//! Every operation uses one shared connection (to each node of a cluster) and ends within its deadline, connecting
//! included, whatever the server does. Only what is waited for has connections of its own: news, and replicas. The connection is made when it is first needed and replaced when it
//! breaks or falls silent.
//!
//! ```text
//! lib         Redis: open, connect, from_client
//! config      the URL and the builder
//! supervisor  one connection, kept usable
//! link        what is sent over it
//! watch       that it still answers, and leads to the right server
//! dial        how it is made
//! sentinel    which server is the primary
//! script      calls of Lua scripts and of plain commands
//! cluster     which node is asked
//! shard       one of them, left alone while it is in trouble
//! crowd       reads of a cluster that leave together
//! slots       which node has what
//! remote      the verbs: what is asked, what the answers mean
//! apart       the verbs where a value and its scopes are on different nodes
//! read        how a name is read
//! log         the log of a namespace: its keys, its answers
//! incarnation which life of the server something was written in
//! asked       what reads ask together, and what the answer says to each
//! batch       reads that leave together
//! error       what a failure is called
//! tls         certificates and handshake (feature `tls`)
//! ```
//!
//! An ACL user needs `+eval +evalsha +mget +set +getrange +pttl +pexpire +unlink +hmget +hset +hdel
//! +hgetall +hvals +xadd +xread +xrange +time +wait` on the keys
//! `~<namespace>:*` and `~{larder:<namespace>}:*`; for the figures of `health` also `+ping +info +dbsize`,
//! `+select` for a database
//! other than 0, and `+cluster|slots +asking` in a cluster. Without `+info` a server that was restarted from an older copy
//! of its data is not recognised, and `health` says so.
//!
//! # Examples
//!
//! ```
//! use cache_redis::Redis;
//!
//! let redis = Redis::open("redis://127.0.0.1:6379/0")?;
//! # Ok::<(), cache_core::Error>(())
//! ```

// What is said goes to `tracing`, where whoever runs the program hears it and where tests look for secrets.
#![deny(clippy::dbg_macro, clippy::print_stderr, clippy::print_stdout)]

mod apart;
mod asked;
mod batch;
mod cluster;
mod config;
mod crowd;
mod dial;
mod error;
mod incarnation;
mod link;
mod log;
mod random;
mod read;
mod remote;
mod script;
mod sentinel;
mod shard;
mod slots;
mod supervisor;
mod time;
#[cfg(feature = "tls")]
mod tls;
mod together;
mod watch;

use std::fmt;
use std::sync::Arc;

use cache_core::Result;
use redis::Value;

use cluster::Cluster;
pub use config::RedisBuilder;
use config::{Address, Config};
use script::Call;
use supervisor::{Budget, Purpose, Supervisor};

/// A store on a Redis server. Clones share its connection.
///
/// Names and scopes are keys of the selected database as they are given; whoever uses the store keeps them
/// apart. What is stored carries a few bytes more: what tells a value from a lease, and the life of the server in
/// which it was written, since what another life has left behind is not read.
#[derive(Clone)]
pub struct Redis {
    server: Server,
    /// A second connection, to wait for news on, where nobody waits behind.
    bell: Server,
    /// A third one, for invalidations that replicas must have: whoever waits for those holds up what comes behind.
    witness: Server,
}

/// What is asked: one server, or one of many for each key.
#[derive(Clone)]
pub(crate) enum Server {
    One(Arc<Supervisor>),
    Cluster(Arc<Cluster>),
}

impl Redis {
    /// A store on the server that `url` names, connected when it is first used.
    ///
    /// `redis://[[user]:password@]host[:port][/db]`, or `unix:///path/of/socket[?db=…&user=…&pass=…]`;
    /// `valkey://` is the same as `redis://`. `rediss://` or `valkeys://` is the same over TLS, and
    /// needs the Cargo feature `redis-tls`.
    /// `redis+cluster://[[user]:password@]host[:port][,host[:port]…]` names some nodes of a cluster, whose other nodes are
    /// found through them; `rediss+cluster://` is the same over TLS.
    /// `redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/primary[/db][?sentinel_user=…&sentinel_pass=…]` names
    /// sentinels, at port 26379 unless they say otherwise, and the primary that they watch; user and password are those of the primary.
    /// `rediss+sentinel://` reaches both over TLS. Characters with a meaning in a URL are percent-encoded.
    /// [`ErrorKind::Config`](cache_core::ErrorKind::Config) says what a malformed URL lacks, without
    /// repeating what could be a password.
    ///
    /// # Examples
    ///
    /// ```
    /// use cache_redis::Redis;
    ///
    /// assert!(Redis::open("redis://shop:p%40ssword@cache.internal:6380/2").is_ok());
    /// assert!(Redis::open("unix:///run/redis/redis.sock").is_ok());
    /// let error = Redis::open("cache.internal").unwrap_err();
    /// assert!(error.to_string().starts_with("the Redis URL has no scheme"));
    /// ```
    pub fn open(url: impl AsRef<str>) -> Result<Self> {
        Self::builder().url(url).build()
    }

    /// A store on the server that `url` names, once it is connected.
    ///
    /// The server has logged us in, selected the database and run a script by then, or the error says which
    /// of these failed and what to do.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn run() -> cache_core::Result<()> {
    /// use cache_redis::Redis;
    ///
    /// let redis = Redis::connect("redis://127.0.0.1:6379").await?;
    /// # Ok(()) }
    /// ```
    pub async fn connect(url: impl AsRef<str>) -> Result<Self> {
        let builder = Self::builder().url(url);
        builder.connect().await
    }

    /// A store whose address, login and deadlines are set one by one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use cache_redis::Redis;
    ///
    /// let redis = Redis::builder()
    ///     .url("redis://127.0.0.1:6379")
    ///     .client_name("shop")
    ///     .write_deadline(Duration::from_millis(500))
    ///     .build()?;
    /// # Ok::<(), cache_core::Error>(())
    /// ```
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// A store on the server for which `client` was opened, with a connection and deadlines of its own.
    ///
    /// The one place where this crate's interface shows a type of the `redis` crate.
    #[must_use]
    pub fn from_client(client: &redis::Client) -> Self {
        Self::new(Config::of(client))
    }

    pub(crate) fn new(config: Config) -> Self {
        let [bell, witness] = [config.clone(), config.clone()].map(Server::new);
        Self { server: Server::new(config), bell, witness }
    }

    pub(crate) async fn check(&self) -> Result<()> {
        match &self.server {
            Server::One(supervisor) => Ok(supervisor.check().await?),
            Server::Cluster(cluster) => Ok(cluster.check().await?),
        }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn witness(&self) -> &Server {
        &self.witness
    }

    pub(crate) fn bell(&self) -> &Server {
        &self.bell
    }
}

impl Server {
    fn new(config: Config) -> Self {
        match &config.address {
            Address::Cluster(nodes) => {
                let nodes = nodes.clone();
                Self::Cluster(Arc::new(Cluster::new(config, nodes)))
            }
            _ => Self::One(Arc::new(Supervisor::new(config))),
        }
    }

    /// The time that an operation has, from now on.
    pub(crate) fn budget(&self, purpose: Purpose) -> Budget {
        match self {
            Self::One(supervisor) => supervisor.budget(purpose),
            Self::Cluster(cluster) => cluster.budget(purpose),
        }
    }

    /// Sends `calls`, in one round trip to each server that they concern.
    pub(crate) async fn ask(&self, budget: Budget, calls: Vec<Call<'_>>) -> Result<Vec<Value>> {
        match self {
            Self::One(supervisor) => Ok(supervisor.ask(budget, &calls).await?),
            Self::Cluster(cluster) => Ok(cluster.ask(budget, calls).await?),
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, state) = match &self.server {
            Server::One(supervisor) => (supervisor.server().to_owned(), supervisor.state()),
            Server::Cluster(cluster) => (cluster.name(), cluster.state()),
        };
        f.debug_struct("Redis").field("server", &name).field("state", &state).finish_non_exhaustive()
    }
}
