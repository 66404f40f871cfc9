//! What a cache says of itself, as JSON. Times are in seconds, sizes in bytes.
//!
//! Names of functions and templates are as they are declared; values and arguments of keys are nowhere here. Of a failing
//! store only the kind of the failure is shown: its message may tell more about the network than a page should.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use cache_core::{
    Cache, Declared, ErrorKind, FunctionStats, Health, Hearing, Histogram, Invalidated, Invalidator, Means,
    RemoteHealth, Source,
};
use serde_json::{Value, json};

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `GET /stats`.
pub(super) async fn stats(cache: &Cache) -> Response {
    let health = cache.health().await;
    let stats = cache.stats();
    let requests = stats.hits + stats.misses;
    let recent: Vec<_> = cache.recent_invalidations().iter().map(invalidated).collect();
    let body = json!({
        "namespace": cache.namespace(),
        "enabled": cache.is_enabled(),
        "hits": stats.hits,
        "local_hits": stats.local_hits,
        "remote_hits": stats.remote_hits,
        "stale_hits": stats.stale_hits,
        "misses": stats.misses,
        "hit_ratio": stats.hit_ratio(),
        "loads": stats.loads,
        "load_errors": stats.load_errors,
        "load_seconds": stats.load_time.as_secs_f64(),
        "refreshes": stats.refreshes,
        "joins": stats.joins,
        "stores": stats.stores,
        "invalidations": stats.invalidations,
        "evictions": stats.evictions,
        "expirations": stats.expirations,
        "entries": stats.entries,
        "bytes": stats.bytes,
        "remote_errors": stats.remote_errors,
        "remote_timeouts": stats.remote_timeouts,
        "remote_skipped": stats.remote_skipped,
        "remote_slowdowns": stats.remote_slowdowns,
        "remote_refusals": stats.remote_refusals,
        "breaker_openings": stats.breaker_openings,
        "distrusts": stats.distrusts,
        "hit_times": with_buckets(&stats.hit_times),
        "load_times": with_buckets(&stats.load_times),
        "functions": stats.functions().iter().map(function).collect::<Vec<_>>(),
        "recent_invalidations": recent,
        // The names that caches elsewhere have for these.
        "total_requests": requests,
        "hit_rate": format!("{:.2}%", 100.0 * stats.hit_ratio()),
        "sets": stats.stores,
        "deletes": stats.invalidations,
        "errors": stats.remote_errors,
        "db_size": keys_of_server(&health).unwrap_or(stats.entries),
    });
    json(StatusCode::OK, &body)
}

fn function(function: &FunctionStats) -> Value {
    json!({
        "function": function.function,
        "module": function.module,
        "template": function.template,
        "hits": function.hits,
        "local_hits": function.local_hits,
        "remote_hits": function.remote_hits,
        "stale_hits": function.stale_hits,
        "misses": function.misses,
        "hit_ratio": function.hit_ratio(),
        "loads": function.loads,
        "load_errors": function.load_errors,
        "load_seconds": function.load_time.as_secs_f64(),
        "refreshes": function.refreshes,
        "joins": function.joins,
        "stores": function.stores,
        "time_saved_seconds": function.time_saved().as_secs_f64(),
        "hit_times": times(&function.hit_times),
        "load_times": times(&function.load_times),
    })
}

fn times(times: &Histogram) -> Value {
    json!({
        "count": times.count(),
        "mean_seconds": times.mean().as_secs_f64(),
        "p50_seconds": times.quantile(0.5).as_secs_f64(),
        "p99_seconds": times.quantile(0.99).as_secs_f64(),
    })
}

/// The same with the buckets: pairs of the longest time in one, and how many are in it alone. Whoever asks twice can tell
/// what came in between.
fn with_buckets(histogram: &Histogram) -> Value {
    let buckets: Vec<_> =
        histogram.buckets().map(|(bound, count)| json!([bound.as_secs_f64(), count])).collect();
    let mut said = times(histogram);
    if let Some(said) = said.as_object_mut() {
        said.insert("buckets".to_owned(), Value::from(buckets));
    }
    said
}

/// The keys that the server of a cache holds, where nothing is kept in this process.
fn keys_of_server(health: &Health) -> Option<u64> {
    let remote = health.remote.as_ref().filter(|remote| remote.hearing == Hearing::RemoteOnly)?;
    remote.server.as_ref().ok()?.keys
}

fn invalidated(invalidated: &Invalidated) -> Value {
    json!({
        "seconds_ago": invalidated.age.as_secs_f64(),
        "source": match invalidated.source {
            Source::Here => "here",
            _ => "elsewhere",
        },
        "scopes": invalidated.scopes,
        "reached": invalidated.reached,
    })
}

/// `GET /health`.
pub(super) async fn health(cache: &Cache) -> Response {
    let health = cache.health().await;
    let body = json!({
        "status": if health.is_well() { "well" } else { "degraded" },
        "healthy": health.is_well(),
        "enabled": health.enabled,
        "namespace": cache.namespace(),
        "remote": health.remote.as_ref().map(remote),
    });
    json(StatusCode::OK, &body)
}

fn remote(remote: &RemoteHealth) -> Value {
    let server = remote.server.as_ref();
    let answered = server.ok();
    let nodes = answered.map(|server| server.nodes.as_slice()).unwrap_or_default();
    let nodes: Vec<_> = nodes
        .iter()
        .map(|node| {
            json!({
                "address": without_password(&node.address),
                "reachable": node.trouble.is_none(),
                "breaker_open": node.breaker_open,
                "room": node.room,
            })
        })
        .collect();
    json!({
        "reachable": server.is_ok(),
        "trouble": server.err().map(|error| trouble(error.kind())),
        "round_trip_seconds": answered.map(|server| server.round_trip.as_secs_f64()),
        "server_version": answered.and_then(|server| server.server_version.as_deref()),
        "used_memory_bytes": answered.and_then(|server| server.used_memory),
        "keys": answered.and_then(|server| server.keys),
        "blind_to_restarts": answered.map(|server| server.blind_to_restarts),
        "nodes": nodes,
        "breaker_open": remote.breaker_open,
        "in_flight": remote.in_flight,
        "room": remote.room,
        "owed_invalidations": remote.owed_invalidations,
        "hearing": hearing(remote.hearing),
    })
}

fn hearing(hearing: Hearing) -> Value {
    match hearing {
        Hearing::RemoteOnly => json!({ "mode": "remote_only" }),
        Hearing::Feed { lag } => json!({ "mode": "feed", "lag_seconds": lag.as_secs_f64() }),
        _ => json!({ "mode": "floor_only" }),
    }
}

/// An address without what some put in front of it.
fn without_password(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, host)| host)
}

fn trouble(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Config => "config",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Denied => "denied",
        ErrorKind::Full => "full",
        ErrorKind::Unsupported => "unsupported",
        _ => "protocol",
    }
}

/// `GET /keys`.
pub(super) fn keys() -> Response {
    let keys: Vec<_> = cache_core::keys().iter().map(declared).collect();
    json(StatusCode::OK, &json!({ "keys": keys }))
}

fn declared(declared: &Declared) -> Value {
    let by: Vec<_> = declared.invalidated_by.iter().map(invalidator).collect();
    json!({
        "function": declared.function,
        "module": declared.module,
        "file": declared.file,
        "line": declared.line,
        "template": declared.template,
        "cache": declared.cache,
        "ttl_seconds": declared.ttl.map(|ttl: Duration| ttl.as_secs_f64()),
        "stale_seconds": declared.stale.map(|stale| stale.as_secs_f64()),
        "tags": declared.tags,
        "value_type": declared.value_type,
        "shared": declared.shared,
        "invalidated_by": by,
    })
}

fn invalidator(invalidator: &Invalidator) -> Value {
    json!({
        "function": invalidator.function,
        "module": invalidator.module,
        "file": invalidator.file,
        "line": invalidator.line,
        "target": invalidator.target,
        "by": match invalidator.by {
            Means::Key => "key",
            Means::Tag => "tag",
            _ => "function",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(without_password("127.0.0.1:6379"), "127.0.0.1:6379");
        assert_eq!(without_password("redis://user:p@ss@db:6379"), "db:6379");
    }
}
