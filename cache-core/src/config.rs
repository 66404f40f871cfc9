//! Settings from the environment: read, checked, and never printed with a password.
//!
//! Which store answers to an address is the facade's business.

use std::fmt;
use std::time::Duration;

use crate::codec::Codec;
use crate::compress::Compression;
use crate::error::{Error, ErrorKind, Result};

/// Where the values of a cache are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// In this process.
    Memory,
    /// In Redis.
    Redis,
    /// In this process, near Redis.
    Tiered,
}

/// What the environment says about a cache.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// `CACHE_BACKEND`.
    pub backend: Option<Backend>,
    /// `REDIS_URL`, or the other `REDIS_…` variables.
    pub redis: Option<RedisAddress>,
    /// `REDIS_TIMEOUT`: the longest that reading, storing or invalidating there may take.
    pub redis_timeout: Option<Duration>,
    /// `CACHE_NAMESPACE`.
    pub namespace: Option<String>,
    /// `CACHE_DEFAULT_TTL`: seconds, or a duration such as `5m`.
    pub default_ttl: Option<Duration>,
    /// `CACHE_MAX_ENTRIES`.
    pub max_entries: Option<usize>,
    /// `CACHE_CODEC`.
    pub codec: Codec,
    /// `CACHE_COMPRESSION`.
    pub compression: Compression,
    /// `CACHE_ENABLED`.
    pub enabled: bool,
}

/// Where a Redis server is. Its `Debug` form hides the password.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisAddress {
    /// `REDIS_URL`.
    Url {
        /// The name of the variable, with its prefix.
        variable: String,
        /// Its value, which may hold a password.
        url: String,
    },
    /// `REDIS_HOST`, `REDIS_PORT`, `REDIS_DB`, `REDIS_PASSWORD`.
    Parts {
        /// The name or address of the server.
        host: String,
        /// Its port.
        port: u16,
        /// The number of the database.
        db: i64,
        /// The password, if it needs one.
        password: Option<String>,
    },
}

impl Config {
    /// Reads the environment of the process; with a prefix, `PREFIX_NAME` comes before `NAME`.
    ///
    /// A value that is not allowed is an [`ErrorKind::Config`] that names the variable and what is allowed.
    pub fn from_env(prefix: Option<&str>) -> Result<Self> {
        let prefix = prefix.map(|prefix| prefix.trim_end_matches('_').to_uppercase());
        Self::from_lookup(prefix.as_deref(), |name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), from anything that knows the value of a variable.
    pub fn from_lookup(prefix: Option<&str>, lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variables = Variables { prefix, lookup };
        let redis = variables.redis()?;
        let backend = variables.get("CACHE_BACKEND", |value| match value {
            "memory" | "local" => Ok(Backend::Memory),
            "redis" => Ok(Backend::Redis),
            "tiered" => Ok(Backend::Tiered),
            _ => Err("one of `memory` (or `local`), `redis`, `tiered`"),
        })?;
        // A cache with a name of its own has a namespace of its own, or their keys would meet.
        let namespace = variables.get("CACHE_NAMESPACE", |value| Ok(value.to_owned()))?;
        let namespace = match (prefix, namespace) {
            (Some(prefix), Some((name, namespace))) if name == "CACHE_NAMESPACE" => {
                Some(format!("{namespace}:{}", prefix.to_lowercase()))
            }
            (Some(prefix), None) => Some(prefix.to_lowercase()),
            (_, namespace) => namespace.map(|(_, namespace)| namespace),
        };
        Ok(Self {
            backend: backend.map(|(_, backend)| backend),
            redis,
            redis_timeout: variables.get("REDIS_TIMEOUT", duration)?.map(|(_, timeout)| timeout),
            namespace,
            default_ttl: variables.get("CACHE_DEFAULT_TTL", duration)?.map(|(_, ttl)| ttl),
            max_entries: variables
                .get("CACHE_MAX_ENTRIES", |value| match value.parse() {
                    Ok(entries) if entries > 0 => Ok(entries),
                    _ => Err("a number of entries, at least 1, such as `10000`"),
                })?
                .map(|(_, entries)| entries),
            codec: variables
                .get("CACHE_CODEC", Codec::named)?
                .map_or_else(Codec::default, |(_, codec)| codec),
            compression: variables
                .get("CACHE_COMPRESSION", Compression::named)?
                .map_or_else(Compression::default, |(_, compression)| compression),
            enabled: variables
                .get("CACHE_ENABLED", |value| match value.to_ascii_lowercase().as_str() {
                    "true" | "1" | "yes" | "on" => Ok(true),
                    "false" | "0" | "no" | "off" => Ok(false),
                    _ => Err("`true` or `false`"),
                })?
                .is_none_or(|(_, enabled)| enabled),
        })
    }
}

/// Seconds, or a number with a unit. Zero would mean "never cache", for which there is `CACHE_ENABLED`.
fn duration(value: &str) -> Result<Duration, &'static str> {
    let parsed = match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(value).ok(),
    };
    parsed
        .filter(|ttl| !ttl.is_zero())
        .ok_or("seconds such as `300`, or a duration such as `5m` or `1h 30m`, above zero")
}

struct Variables<'p, L> {
    prefix: Option<&'p str>,
    lookup: L,
}

impl<L: Fn(&str) -> Option<String>> Variables<'_, L> {
    /// The value of a variable that is set and not empty, parsed, with the name it was found under.
    fn get<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<Option<(String, T)>> {
        let prefixed = self.prefix.map(|prefix| format!("{prefix}_{name}"));
        let found = prefixed.into_iter().chain([name.to_owned()]).find_map(|name| {
            (self.lookup)(&name).filter(|value| !value.trim().is_empty()).map(|value| (name, value))
        });
        let Some((name, value)) = found else { return Ok(None) };
        match parse(value.trim()) {
            Ok(parsed) => Ok(Some((name, parsed))),
            // A password is never among the values that are parsed.
            Err(allowed) => Err(Error::new(
                ErrorKind::Config,
                format!("`{name}={}` is not allowed: set it to {allowed}", value.trim()),
            )),
        }
    }

    fn redis(&self) -> Result<Option<RedisAddress>> {
        if let Some((variable, url)) = self.get("REDIS_URL", |url| Ok(url.to_owned()))? {
            return Ok(Some(RedisAddress::Url { variable, url }));
        }
        let host = self.get("REDIS_HOST", |host| Ok(host.to_owned()))?;
        let port = self.get("REDIS_PORT", |port| match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err("a port from 1 to 65535, such as `6379`"),
        })?;
        let db = self.get("REDIS_DB", |db| match db.parse::<i64>() {
            Ok(db) if db >= 0 => Ok(db),
            _ => Err("the number of a database, such as `0`"),
        })?;
        let password = self.get("REDIS_PASSWORD", |password| Ok(password.to_owned()))?;
        if host.is_none() && port.is_none() && db.is_none() && password.is_none() {
            return Ok(None);
        }
        Ok(Some(RedisAddress::Parts {
            host: host.map_or_else(|| "127.0.0.1".to_owned(), |(_, host)| host),
            port: port.map_or(6379, |(_, port)| port),
            db: db.map_or(0, |(_, db)| db),
            password: password.map(|(_, password)| password),
        }))
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Whatever stands before an `@` may hold a password.
            Self::Url { url, .. } => match url.rsplit_once('@') {
                Some((_, host)) => write!(f, "Url(\"…@{host}\")"),
                None => write!(f, "Url({url:?})"),
            },
            Self::Parts { host, port, db, password } => f
                .debug_struct("Parts")
                .field("host", host)
                .field("port", port)
                .field("db", db)
                .field("password", &password.as_ref().map(|_| "…"))
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config> {
        prefixed(None, variables)
    }

    fn prefixed(prefix: Option<&str>, variables: &[(&str, &str)]) -> Result<Config> {
        Config::from_lookup(prefix, |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_leaves_every_choice_open() {
        let config = config(&[("CACHE_BACKEND", "")]).unwrap();
        assert_eq!((config.backend, config.redis, config.enabled), (None, None, true));
    }

    #[test]
    fn parts_of_an_address_make_one() {
        let parts = config(&[("REDIS_HOST", "cache"), ("CACHE_BACKEND", "redis")]).unwrap();
        assert_eq!(parts.backend, Some(Backend::Redis));
        let expected = RedisAddress::Parts { host: "cache".to_owned(), port: 6379, db: 0, password: None };
        assert_eq!(parts.redis, Some(expected));
    }

    #[test]
    fn a_bad_value_names_the_variable_and_what_is_allowed() {
        let cases = [
            ("CACHE_BACKEND", "memcached", "`redis`"),
            ("CACHE_DEFAULT_TTL", "soon", "`5m`"),
            ("CACHE_DEFAULT_TTL", "0", "above zero"),
            ("CACHE_MAX_ENTRIES", "-1", "at least 1"),
            ("CACHE_ENABLED", "maybe", "`true` or `false`"),
            ("CACHE_CODEC", "xml", "`json`"),
            ("CACHE_COMPRESSION", "rar", "`none`"),
            ("REDIS_PORT", "70000", "65535"),
            ("REDIS_DB", "first", "`0`"),
            ("REDIS_TIMEOUT", "0", "above zero"),
        ];
        for (name, value, allowed) in cases {
            let error = config(&[(name, value)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(value) && text.contains(allowed), "{text}");
        }
    }

    #[test]
    fn what_needs_a_cargo_feature_says_which() {
        for (name, value, built) in [
            ("CACHE_CODEC", "msgpack", cfg!(feature = "msgpack")),
            ("CACHE_COMPRESSION", "lz4", cfg!(feature = "lz4")),
            ("CACHE_COMPRESSION", "zstd", cfg!(feature = "zstd")),
        ] {
            match config(&[(name, value)]) {
                Ok(_) => assert!(built, "{value}"),
                Err(error) => {
                    assert!(!built && error.to_string().contains(&format!("feature `{value}`")), "{error}");
                }
            }
        }
    }

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        let ttl = |value| config(&[("CACHE_DEFAULT_TTL", value)]).unwrap().default_ttl.unwrap();
        assert_eq!(ttl("300"), Duration::from_secs(300));
        assert_eq!(ttl("5m"), Duration::from_secs(300));
        assert_eq!(ttl("1h 30m"), Duration::from_secs(5400));
        let timeout = config(&[("REDIS_TIMEOUT", "500ms")]).unwrap().redis_timeout;
        assert_eq!(timeout, Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_prefix_comes_first_and_gives_a_namespace() {
        let variables =
            [("SESSIONS_REDIS_URL", "redis://b"), ("REDIS_URL", "redis://a"), ("CACHE_NAMESPACE", "shop")];
        let config = prefixed(Some("SESSIONS"), &variables).unwrap();
        let (variable, url) = ("SESSIONS_REDIS_URL".to_owned(), "redis://b".to_owned());
        assert_eq!(config.redis, Some(RedisAddress::Url { variable, url }));
        assert_eq!(config.namespace.as_deref(), Some("shop:sessions"));
        assert_eq!(prefixed(Some("SESSIONS"), &[]).unwrap().namespace.as_deref(), Some("sessions"));
        let own = prefixed(Some("SESSIONS"), &[("SESSIONS_CACHE_NAMESPACE", "s")]).unwrap();
        assert_eq!(own.namespace.as_deref(), Some("s"));
    }

    #[test]
    fn passwords_are_not_printed() {
        let url = config(&[("REDIS_URL", "redis://me:hunter2@cache:6379")]).unwrap();
        let parts = config(&[("REDIS_PASSWORD", "hunter2")]).unwrap();
        let printed = format!("{url:?} {parts:?}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
