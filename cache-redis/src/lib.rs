//! The Redis store of larder: bytes that processes share, on one Redis or Valkey server, version 7 or later.
//! Knows nothing of values, keys or types; how entries look and when they are current is `cache-core`'s.
//!
//! Every operation uses one shared connection and ends within its deadline, connecting
//! included, whatever the server does. The connection is made when it is first needed and replaced when it
//! breaks or falls silent.
//!
//! ```text
//! lib         Redis: open, connect, from_client
//! config      the URL and the builder
//! supervisor  one connection, kept usable
//! link        what is sent over it
//! sentinel    which server is the primary
//! script      calls of Lua scripts and of plain commands
//! remote      the verbs: what is asked, what the answers mean
//! read        how a name is read
//! error       what a failure is called
//! tls         certificates and handshake (feature `tls`)
//! ```
//!
//! An ACL user needs `+eval +evalsha +mget +set +getrange +pttl +pexpire +unlink` on the keys
//! `~<namespace>:*` and `~{larder:<namespace>}:*`, and `+time` for locks; for the figures of `health` also `+ping +info +dbsize`,
//! and `+select` for a database other than 0.
//!
//! # Examples
//!
//! ```
//! use cache_redis::Redis;
//!
//! let redis = Redis::open("redis://127.0.0.1:6379/0")?;
//! # Ok::<(), cache_core::Error>(())
//! ```

mod config;
mod error;
mod link;
mod random;
mod read;
mod remote;
mod script;
mod sentinel;
mod supervisor;
mod time;
#[cfg(feature = "tls")]
mod tls;
mod together;

use std::fmt;
use std::sync::Arc;

use cache_core::Result;

use config::Config;
pub use config::RedisBuilder;
use supervisor::Supervisor;

/// A store on a Redis server. Clones share its connection.
///
/// Names and scopes are keys of the selected database as they are given; whoever uses the store keeps them
/// apart. What is stored under a name carries one byte more, which tells a value from a lease.
#[derive(Clone)]
pub struct Redis {
    supervisor: Arc<Supervisor>,
}

impl Redis {
    /// A store on the server that `url` names, connected when it is first used.
    ///
    /// `redis://[[user]:password@]host[:port][/db]`, or `unix:///path/of/socket[?db=…&user=…&pass=…]`;
    /// `valkey://` is the same as `redis://`. `rediss://` or `valkeys://` is the same over TLS, and
    /// needs the Cargo feature `redis-tls`.
    /// `redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/primary[/db]` names sentinels, at port 26379
    /// unless they say otherwise, and the primary that they watch; user and password are those of the primary. Characters with a meaning in a URL are percent-encoded.
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
        Self { supervisor: Arc::new(Supervisor::new(config)) }
    }

    pub(crate) async fn check(&self) -> Result<()> {
        self.supervisor.check().await
    }

    pub(crate) fn supervisor(&self) -> &Arc<Supervisor> {
        &self.supervisor
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("server", &self.supervisor.server())
            .field("state", &self.supervisor.state())
            .finish()
    }
}
