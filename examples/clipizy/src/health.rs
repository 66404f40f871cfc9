//! How the cache is and what it has done: for whoever watches the service. The names are ours; the guide says which figure of
//! the original each one is.

use std::time::Duration;

use larder::{Cache, FunctionStats, Health, Hearing, Histogram, RemoteHealth, Stats};
use serde_json::{Value, json};

/// The report of `GET /health`.
pub(crate) async fn report() -> Value {
    let cache = Cache::global();
    let (health, stats) = (cache.health().await, cache.stats());
    json!({
        // The service answers in any case: this is about the cache.
        "healthy": health.is_well(),
        "enabled": health.enabled,
        "namespace": cache.namespace(),
        "redis": health.remote.as_ref().map(redis),
        "stats": figures(&stats),
        "functions": stats.functions().iter().map(function).collect::<Vec<_>>(),
    })
}

/// The breaker, in a word.
pub(crate) fn breaker(health: &Health) -> &'static str {
    match &health.remote {
        None => "-",
        Some(remote) if remote.breaker_open => "open",
        Some(_) => "closed",
    }
}

fn redis(remote: &RemoteHealth) -> Value {
    let (server, error) = match &remote.server {
        Ok(server) => (Some(server), None),
        Err(error) => (None, Some(error.to_string())),
    };
    json!({
        "connected": error.is_none(),
        "error": error,
        "version": server.and_then(|server| server.server_version.clone()),
        "used_memory": server.and_then(|server| server.used_memory),
        "keys": server.and_then(|server| server.keys),
        "round_trip_ms": server.map(|server| ms(server.round_trip)),
        "breaker": if remote.breaker_open { "open" } else { "closed" },
        "in_flight": remote.in_flight,
        "room": remote.room,
        "owed_invalidations": remote.owed_invalidations,
        "hearing": match remote.hearing {
            Hearing::RemoteOnly => "no near copies",
            Hearing::Feed { .. } => "feed",
            _ => "floor only",
        },
    })
}

fn figures(stats: &Stats) -> Value {
    json!({
        "hits": stats.hits,
        "local_hits": stats.local_hits,
        "remote_hits": stats.remote_hits,
        "misses": stats.misses,
        "hit_rate": stats.hit_ratio(),
        "loads": stats.loads,
        "stores": stats.stores,
        "invalidations": stats.invalidations,
        "evictions": stats.evictions,
        "errors": {
            "loads": stats.load_errors,
            "redis": stats.remote_errors,
            "timeouts": stats.remote_timeouts,
            "refused_values": stats.remote_refusals,
        },
        "skipped": stats.remote_skipped,
        "breaker_openings": stats.breaker_openings,
        "hit_times": times(&stats.hit_times),
        "load_times": times(&stats.load_times),
    })
}

fn function(stats: &FunctionStats) -> Value {
    json!({
        "function": stats.function,
        "key": stats.template,
        "hits": stats.hits,
        "misses": stats.misses,
        "hit_rate": stats.hit_ratio(),
        "saved_ms": ms(stats.time_saved()),
    })
}

fn times(times: &Histogram) -> Value {
    json!({ "median_ms": ms(times.quantile(0.5)), "p99_ms": ms(times.quantile(0.99)) })
}

fn ms(time: Duration) -> f64 {
    // To the nanosecond.
    (time.as_secs_f64() * 1e9).round() / 1e6
}
