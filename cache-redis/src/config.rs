//! Where the server is and how long it may take: the builder, and what comes of it.
//! Nothing is connected here.

mod url;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};
use redis::{Client, Cmd, ConnectionAddr};

use crate::Redis;
use crate::sentinel::Sentinels;
use crate::slots::Node;
#[cfg(feature = "tls")]
use crate::tls::{Identity, Tls};
use url::Location;

/// Everything that is known before the first connection.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) address: Address,
    pub(crate) db: i64,
    pub(crate) login: Option<Login>,
    pub(crate) login_of_sentinels: Option<Login>,
    pub(crate) client_name: String,
    /// Whether the server is a node of a cluster.
    pub(crate) in_cluster: bool,
    pub(crate) deadlines: Deadlines,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}

/// Where the server listens.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
    /// Wherever the nodes of a cluster say, of which these are some.
    Cluster(Vec<Node>),
    /// Wherever sentinels say.
    Sentinel(Sentinels),
    /// Whatever a client of the `redis` crate was opened with.
    Given(ConnectionAddr),
}

/// What a server wants to know before it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Secret,
}

impl Login {
    pub(crate) fn command(&self) -> Cmd {
        let Self { user, password: Secret(password) } = self;
        let mut command = redis::cmd("AUTH");
        command.arg(user.as_deref()).arg(password);
        command
    }
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

/// How long an operation may take, queueing and connecting included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadlines {
    pub(crate) read: Duration,
    pub(crate) write: Duration,
    pub(crate) invalidate: Duration,
}

/// Sets up a [`Redis`].
///
/// What is set here goes before what the URL says.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use cache_redis::Redis;
///
/// let redis = Redis::builder()
///     .host("cache.internal")
///     .db(2)
///     .user("shop")
///     .password("from your secrets")
///     .read_deadline(Duration::from_millis(50))
///     .build()?;
/// # Ok::<(), cache_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` or `connect`"]
pub struct RedisBuilder {
    url: Option<Result<Location, String>>,
    host: Option<String>,
    port: Option<u16>,
    db: Option<i64>,
    user: Option<String>,
    password: Option<Secret>,
    sentinel_user: Option<String>,
    sentinel_password: Option<Secret>,
    client_name: Option<String>,
    #[cfg(feature = "tls")]
    tls: bool,
    #[cfg(feature = "tls")]
    roots: Vec<Vec<u8>>,
    #[cfg(feature = "tls")]
    identity: Option<Identity>,
    read: Option<Duration>,
    write: Option<Duration>,
    invalidate: Option<Duration>,
}

impl RedisBuilder {
    /// The server, database, user and password as one URL: see [`Redis::open`].
    pub fn url(mut self, url: impl AsRef<str>) -> Self {
        self.url = Some(url::parse(url.as_ref()));
        self
    }

    /// The name or address of the server; 127.0.0.1 if nothing says otherwise.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// The port of the server; 6379 if nothing says otherwise.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The number of the database; 0 if nothing says otherwise.
    pub fn db(mut self, db: impl Into<i64>) -> Self {
        self.db = Some(db.into());
        self
    }

    /// The ACL user; the server's default user if there is none.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The password; an empty one counts as none. It is shown in no error, log or `Debug`.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Secret(password.into()));
        self
    }

    /// The ACL user of the sentinels, whose users are not those of the servers that they watch.
    pub fn sentinel_user(mut self, user: impl Into<String>) -> Self {
        self.sentinel_user = Some(user.into());
        self
    }

    /// The password of the sentinels; an empty one counts as none. It is shown in no error, log or `Debug`.
    pub fn sentinel_password(mut self, password: impl Into<String>) -> Self {
        self.sentinel_password = Some(Secret(password.into()));
        self
    }

    /// The name under which `CLIENT LIST` shows the connection; `larder` if nothing says otherwise.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// Encrypts the connection, as `rediss://` does. Cargo feature `redis-tls`.
    #[cfg(feature = "tls")]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Trusts these certificates (PEM) in place of those that the system trusts, and encrypts the connection.
    /// Cargo feature `redis-tls`.
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self.tls()
    }

    /// Proves with this certificate (PEM, with those that lead to its issuer) and its private key (PEM) who we are, to servers that
    /// want to know it, and encrypts the connection. The key is shown in no error, log or `Debug`. Cargo feature `redis-tls`.
    #[cfg(feature = "tls")]
    pub fn client_certificate(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity { certificate: certificate.into(), key: key.into() });
        self.tls()
    }

    /// How long a read may take, connecting included; 100 ms if nothing says otherwise.
    pub fn read_deadline(mut self, deadline: Duration) -> Self {
        self.read = Some(deadline);
        self
    }

    /// How long storing a value may take, connecting included; 250 ms if nothing says otherwise.
    pub fn write_deadline(mut self, deadline: Duration) -> Self {
        self.write = Some(deadline);
        self
    }

    /// How long an invalidation may take, connecting included; 1 s if nothing says otherwise.
    pub fn invalidate_deadline(mut self, deadline: Duration) -> Self {
        self.invalidate = Some(deadline);
        self
    }

    /// A store that connects when it is first used.
    ///
    /// [`ErrorKind::Config`] says what cannot be meant.
    pub fn build(self) -> Result<Redis> {
        Ok(Redis::new(self.config()?))
    }

    /// A store that is connected; an error says why it cannot be.
    pub async fn connect(self) -> Result<Redis> {
        let redis = self.build()?;
        redis.check().await?;
        Ok(redis)
    }

    fn config(self) -> Result<Config> {
        let location = self.url.transpose().map_err(malformed)?.unwrap_or_default();
        let address = match (self.host, self.port, location.address) {
            (None, None, Some(address)) => address,
            (_, _, Some(Address::Cluster(_))) => {
                return Err(malformed("the URL says where the cluster is; leave `host` and `port` out"));
            }
            (_, _, Some(Address::Sentinel(_))) => {
                return Err(malformed("sentinels say where the server is; leave `host` and `port` out"));
            }
            (host, port, address) => {
                let (known_host, known_port) = match address {
                    Some(Address::Tcp { host, port }) => (Some(host), Some(port)),
                    _ => (None, None),
                };
                let host = host.or(known_host).unwrap_or_else(|| "127.0.0.1".to_owned());
                Address::Tcp { host, port: port.or(known_port).unwrap_or(DEFAULT_PORT) }
            }
        };
        if let Address::Tcp { host, .. } = &address
            && !url::is_host(host)
        {
            return Err(malformed("a host is a name or an address, without scheme, port or path"));
        }
        let login = login(self.user.or(location.user), self.password.or(location.password))?;
        let of_sentinels = login_of_sentinels(
            self.sentinel_user.or(location.sentinel_user),
            self.sentinel_password.or(location.sentinel_password),
            &address,
        )?;
        let client_name = self.client_name.unwrap_or_else(|| "larder".to_owned());
        if client_name.is_empty() || !client_name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(malformed("a client name is made of visible ASCII characters, without spaces"));
        }
        let usual = Deadlines::default();
        let deadlines = Deadlines {
            read: self.read.unwrap_or(usual.read).min(LONGEST_DEADLINE),
            write: self.write.unwrap_or(usual.write).min(LONGEST_DEADLINE),
            invalidate: self.invalidate.unwrap_or(usual.invalidate).min(LONGEST_DEADLINE),
        };
        if deadlines.shortest().is_zero() {
            return Err(malformed(
                "a deadline of zero leaves no time for an answer; give it some milliseconds",
            ));
        }
        let db = self.db.or(location.db).unwrap_or(0);
        if db < 0 {
            return Err(malformed(format!("a Redis database has a number from 0 up, not {db}")));
        }
        if db != 0 && matches!(address, Address::Cluster(_)) {
            return Err(malformed("a Redis cluster has database 0 and no other; leave the database out"));
        }
        #[cfg(feature = "tls")]
        let tls = match &address {
            Address::Tcp { .. } | Address::Cluster(_) | Address::Sentinel(_) if self.tls || location.tls => {
                Some(Tls::trusting(&self.roots, self.identity.as_ref()).map_err(malformed)?)
            }
            Address::Tcp { .. } | Address::Cluster(_) | Address::Sentinel(_) => None,
            _ if self.tls => {
                return Err(malformed(
                    "only a connection to a host and port can be encrypted; leave `tls` out",
                ));
            }
            _ => None,
        };
        Ok(Config {
            address,
            db,
            login,
            login_of_sentinels: of_sentinels,
            client_name,
            in_cluster: false,
            deadlines,
            #[cfg(feature = "tls")]
            tls,
        })
    }
}

const DEFAULT_PORT: u16 = 6379;

/// What is longer means "wait for ever", which is nothing a clock can be set to.
const LONGEST_DEADLINE: Duration = Duration::from_secs(24 * 3600);

fn login(user: Option<String>, password: Option<Secret>) -> Result<Option<Login>> {
    match (user, password.filter(|password| !password.0.is_empty())) {
        (user, Some(password)) => Ok(Some(Login { user, password })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(malformed("a Redis user needs a password; give both, or neither")),
    }
}

fn login_of_sentinels(
    user: Option<String>,
    password: Option<Secret>,
    address: &Address,
) -> Result<Option<Login>> {
    let login = login(user, password)?;
    if login.is_some() && !matches!(address, Address::Sentinel(_)) {
        return Err(malformed(
            "there are no sentinels; write \"redis+sentinel://\", or leave their login out",
        ));
    }
    Ok(login)
}

fn malformed(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, text)
}

impl Config {
    /// What `client` was opened with.
    pub(crate) fn of(client: &Client) -> Self {
        let info = client.get_connection_info();
        let settings = info.redis_settings();
        let login = settings.password().map(|password| Login {
            user: settings.username().map(str::to_owned),
            password: Secret(password.to_owned()),
        });
        Self {
            address: Address::Given(info.addr().clone()),
            db: settings.db(),
            login,
            login_of_sentinels: None,
            client_name: "larder".to_owned(),
            in_cluster: false,
            deadlines: Deadlines::default(),
            // What the client was opened with says it.
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// How one node of the cluster is reached.
    pub(crate) fn of_node(&self, node: &Node) -> Self {
        let Node { host, port } = node.clone();
        Self { address: Address::Tcp { host, port }, in_cluster: true, ..self.clone() }
    }

    /// Where the connection leads to; `primary` is where sentinels say that it is.
    pub(crate) fn target(&self, primary: Option<ConnectionAddr>) -> ConnectionAddr {
        match &self.address {
            Address::Tcp { host, port } => ConnectionAddr::Tcp(host.clone(), *port),
            Address::Unix(path) => ConnectionAddr::Unix(path.clone()),
            // A cluster is reached node by node; the first stands for it.
            Address::Cluster(nodes) => {
                let Node { host, port } = nodes.first().cloned().unwrap_or_default();
                ConnectionAddr::Tcp(host, port)
            }
            // Without them nobody knows; the name alone leads nowhere.
            Address::Sentinel(sentinels) => {
                primary.unwrap_or_else(|| ConnectionAddr::Tcp(sentinels.primary.clone(), 0))
            }
            Address::Given(address) => address.clone(),
        }
    }
}

impl Deadlines {
    pub(crate) fn longest(self) -> Duration {
        self.read.max(self.write).max(self.invalidate)
    }

    fn shortest(self) -> Duration {
        self.read.min(self.write).min(self.invalidate)
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            read: Duration::from_millis(100),
            write: Duration::from_millis(250),
            invalidate: Duration::from_secs(1),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
            Self::Cluster(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(Node::to_string).collect();
                f.write_str(&nodes.join(", "))
            }
            Self::Sentinel(Sentinels { hosts, primary }) => {
                let hosts: Vec<String> = hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
                write!(f, "{primary}, says {}", hosts.join(" or "))
            }
            Self::Given(address) => address.fmt(f),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_goes_before_the_url() {
        let builder = RedisBuilder::default().url("redis://shop:one@example.com:7000/3");
        let config = builder.clone().config().unwrap();
        assert_eq!(config.address.to_string(), "example.com:7000");
        assert_eq!((config.db, config.login.clone().unwrap().user.as_deref()), (3, Some("shop")));

        let config = builder.host("::1").db(4).user("admin").password("two").config().unwrap();
        assert_eq!((config.address.to_string().as_str(), config.db), ("[::1]:7000", 4));
        let login = Login { user: Some("admin".to_owned()), password: Secret("two".to_owned()) };
        assert_eq!(config.login, Some(login));
    }

    #[test]
    fn nothing_set_is_the_local_server() {
        let config = RedisBuilder::default().config().unwrap();
        assert_eq!((config.address.to_string().as_str(), config.db), ("127.0.0.1:6379", 0));
        assert_eq!(config.login, None);
        assert_eq!(RedisBuilder::default().password("").config().unwrap().login, None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_reason() {
        let usual = RedisBuilder::default;
        let refused = |builder: RedisBuilder, reason: &str| {
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(reason), "{error}");
        };
        refused(usual().host("redis://localhost"), "without scheme");
        refused(usual().host(""), "a name or an address");
        refused(usual().db(-1), "from 0 up, not -1");
        refused(usual().user("shop"), "needs a password");
        refused(usual().client_name("my shop"), "without spaces");
        refused(usual().read_deadline(Duration::ZERO), "a deadline of zero");
        refused(usual().url("http://localhost"), "\"http://\"");
    }

    #[test]
    fn no_deadline_is_longer_than_a_clock_can_tell() {
        let config = RedisBuilder::default().read_deadline(Duration::MAX).config().unwrap();
        assert_eq!(config.deadlines.longest(), LONGEST_DEADLINE);
    }

    #[test]
    fn no_debug_shows_the_password() {
        let builder = RedisBuilder::default().url("redis://shop:hunter2@example.com").password("hunter3");
        assert!(!format!("{builder:?}").contains("hunter"));
        assert!(!format!("{:?}", builder.clone().config().unwrap()).contains("hunter"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("hunter"));
    }
}
