#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
// What is said goes to `tracing`, where whoever runs the program hears it and where tests look for secrets.
#![deny(clippy::dbg_macro, clippy::print_stderr, clippy::print_stdout)]

mod stores;

#[cfg(feature = "metrics")]
pub use cache_core::metrics;
#[cfg(feature = "testing")]
pub use cache_core::testing;
pub use cache_core::{
    Ack, AlreadyInstalled, Any, AsCache, Backend, Batch, Cache, CacheBuilder, Codec, Compression, Config,
    Declared, Error, ErrorKind, Findings, FunctionStats, Health, Hearing, Histogram, Invalidated,
    Invalidator, Key, KeyPart, KeyWriter, LockGuard, Means, Named, Outcome, Pattern, RedisAddress,
    RemoteHealth, Result, Scope, Source, Stats, Tag, Threshold, Ticket, Value, Warm, Warmed, check, keys,
    outcome, store, tag,
};
#[cfg(any(feature = "http", feature = "admin"))]
pub use cache_http as http;
pub use cache_macros::{KeyPart, cache_invalidate, cache_put, cached};
#[cfg(feature = "memory")]
pub use cache_memory::{Memory, MemoryBuilder};
#[cfg(feature = "redis")]
pub use cache_redis::{Redis, RedisBuilder};
#[cfg(feature = "sea-orm")]
pub use cache_sea_orm as sea_orm;
pub use stores::{from_env, from_env_with_prefix};

#[doc(hidden)]
pub use cache_core::private as __private;
