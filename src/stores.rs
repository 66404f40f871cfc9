//! The table from the names of backends to the stores that this build has.

use cache_core::private::Opener;
use cache_core::{Backend, Cache, CacheBuilder, Config, Error, ErrorKind, RedisAddress, Result};

inventory::submit! { Opener(open) }

/// What a backend needs, and the Cargo features without which it is not there.
struct Row {
    backend: Backend,
    name: &'static str,
    features: &'static [(&'static str, bool)],
}

const MEMORY: (&str, bool) = ("memory", cfg!(feature = "memory"));
const REDIS: (&str, bool) = ("redis", cfg!(feature = "redis"));

const TABLE: &[Row] = &[
    Row { backend: Backend::Memory, name: "memory", features: &[MEMORY] },
    Row { backend: Backend::Redis, name: "redis", features: &[REDIS] },
    Row { backend: Backend::Tiered, name: "tiered", features: &[MEMORY, REDIS] },
];

impl Row {
    fn is_built(&self) -> bool {
        self.features.iter().all(|(_, on)| *on)
    }
}

/// The backend where none is named: a near cache over Redis if there is an address, else memory, and in any
/// case one that this program was built with.
fn usual(address: bool) -> Backend {
    match (MEMORY.1, REDIS.1) {
        (true, true) if address => Backend::Tiered,
        (true, _) => Backend::Memory,
        (false, _) => Backend::Redis,
    }
}

/// The variable with an address of Redis that nothing is done with, since this program has no `redis`, and no backend is named.
fn unheard(config: &Config, redis: bool) -> Option<&str> {
    match (&config.redis, config.backend) {
        (Some(address), None) if !redis => Some(match address {
            RedisAddress::Url { variable, .. } => variable,
            _ => "REDIS_HOST",
        }),
        _ => None,
    }
}

/// The cache that the environment describes; without any variable, what [`Cache::global`] would be.
///
/// A value that is not allowed, or a backend whose Cargo feature is off, is an error that names it.
///
/// # Examples
///
/// ```no_run
/// larder::from_env()?.install()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn from_env() -> Result<Cache> {
    open(&Config::from_env(None)?)
}

/// As [`from_env`], where `PREFIX_NAME` comes before `NAME` for each variable: for a further cache.
///
/// Unless it is given its own, its namespace is the prefix, in lower case.
pub fn from_env_with_prefix(prefix: &str) -> Result<Cache> {
    open(&Config::from_env(Some(prefix))?)
}

fn open(config: &Config) -> Result<Cache> {
    if let Some(variable) = unheard(config, REDIS.1) {
        tracing::warn!(
            target: "larder",
            "`{variable}` is set, but this program was built without the Cargo feature `redis`: values stay in this process; \
             `CACHE_BACKEND=memory` says that this is meant"
        );
    }
    let backend = config.backend.unwrap_or_else(|| usual(config.redis.is_some()));
    let row = TABLE.iter().find(|row| row.backend == backend);
    let missing = row.and_then(|row| Some((row.name, row.features.iter().find(|(_, on)| !on)?.0)));
    if let Some((name, feature)) = missing {
        let built = TABLE.iter().filter(|row| row.is_built()).map(|row| format!("`{}`", row.name));
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "`CACHE_BACKEND={name}` needs the Cargo feature `{feature}`: write `larder = {{ version = \"…\", \
                 features = [\"{feature}\"] }}`, or set it to what this program was built with: {}",
                built.collect::<Vec<_>>().join(", "),
            ),
        ));
    }
    let mut builder =
        Cache::builder().codec(config.codec).compression(config.compression).enabled(config.enabled);
    if let Some(namespace) = &config.namespace {
        builder = builder.namespace(namespace);
    }
    if let Some(ttl) = config.default_ttl {
        builder = builder.default_ttl(ttl);
    }
    if backend != Backend::Redis {
        builder = with_memory(builder, config);
    }
    if backend != Backend::Memory {
        builder = with_redis(builder, config)?;
    }
    Ok(builder.build())
}

#[cfg(feature = "memory")]
fn with_memory(builder: CacheBuilder, config: &Config) -> CacheBuilder {
    builder.local(cache_memory::Memory::new(config.max_entries.unwrap_or(10_000)))
}

#[cfg(not(feature = "memory"))]
fn with_memory(builder: CacheBuilder, _: &Config) -> CacheBuilder {
    builder
}

#[cfg(feature = "redis")]
fn with_redis(builder: CacheBuilder, config: &Config) -> Result<CacheBuilder> {
    use cache_redis::Redis;

    let mut redis = Redis::builder();
    if let Some(timeout) = config.redis_timeout {
        redis = redis.read_deadline(timeout).write_deadline(timeout).invalidate_deadline(timeout);
    }
    let redis = match &config.redis {
        None => redis.build()?,
        Some(RedisAddress::Url { variable, url }) => redis
            .url(url)
            .build()
            .map_err(|error| Error::new(error.kind(), format!("`{variable}` is not allowed: {error}")))?,
        Some(RedisAddress::Parts { host, port, db, password }) => {
            let mut redis = redis.host(host).port(*port).db(*db);
            if let Some(password) = password {
                redis = redis.password(password);
            }
            redis.build()?
        }
        // The type may grow; this crate is released together with it.
        Some(_) => return Err(Error::new(ErrorKind::Config, "this kind of Redis address is not known here")),
    };
    Ok(builder.remote(redis))
}

#[cfg(not(feature = "redis"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature, an address can be wrong")]
fn with_redis(builder: CacheBuilder, _: &Config) -> Result<CacheBuilder> {
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_nothing_is_done_with_is_named() {
        let told = |variables: &[(&str, &str)], redis| {
            let lookup = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            let config = Config::from_lookup(None, lookup).unwrap();
            unheard(&config, redis).map(str::to_owned)
        };
        let url = ("REDIS_URL", "redis://127.0.0.1");
        assert_eq!(told(&[url], false).as_deref(), Some("REDIS_URL"));
        assert_eq!(told(&[("REDIS_HOST", "cache")], false).as_deref(), Some("REDIS_HOST"));
        assert_eq!(told(&[url], true), None);
        assert_eq!(told(&[url, ("CACHE_BACKEND", "memory")], false), None, "that is meant");
        assert_eq!(told(&[], false), None);
    }
}
