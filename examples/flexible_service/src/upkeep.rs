//! Looking after the cache: values by hand, what is deleted, and the figures.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use larder::{AsCache as _, Cache, Error, Scope, Stats};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::routes::App;
use crate::safe;
use crate::sessions::SESSIONS;

/// The family of keys that clients may write by hand: none of them is one of the program's own.
fn by_hand(key: &str) -> String {
    format!("value:{key}")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HowLong {
    ttl: Option<u64>,
}

pub(crate) async fn value(Path(key): Path<String>) -> Result<Json<Value>, Problem> {
    let value: Option<Value> = safe::get(by_hand(&key)).await;
    value.map(Json).ok_or(Problem::NotFound("there is no such value: `PUT` one with a JSON body"))
}

/// Keeps a value for `ttl` seconds, or for five minutes.
pub(crate) async fn set_value(
    Path(key): Path<String>,
    Query(how_long): Query<HowLong>,
    Json(value): Json<Value>,
) -> Result<Json<Value>, Problem> {
    let ttl = how_long.ttl.unwrap_or(300);
    if !(1..=86_400).contains(&ttl) {
        return Err(Problem::Refused("`ttl` is from 1 to 86400 seconds"));
    }
    let stored = safe::set(by_hand(&key), &value, Duration::from_secs(ttl)).await;
    Ok(Json(json!({ "stored": stored })))
}

/// Deletes one key, whatever it is.
pub(crate) async fn delete(Path(key): Path<String>) -> (StatusCode, Json<Value>) {
    match Cache::global().delete(key.as_str()).await {
        Ok(deleted) => (StatusCode::OK, Json(json!({ "deleted": deleted }))),
        Err(error) => owed(&error),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patterns {
    patterns: Vec<String>,
}

/// Deletes by several patterns at once: all of them, or the answer says that it is still to be done.
pub(crate) async fn delete_patterns(Json(of): Json<Patterns>) -> Result<(StatusCode, Json<Value>), Problem> {
    if of.patterns.is_empty() || of.patterns.iter().any(|pattern| pattern.trim().is_empty()) {
        return Err(Problem::Refused(
            "`patterns` lists keys or patterns, such as `[\"user:1\", \"research:*\"]`",
        ));
    }
    let batch = Cache::global().batch();
    for pattern in &of.patterns {
        batch.invalidate(Scope::from(pattern.as_str()));
    }
    Ok(match batch.flush().await {
        Ok(ticket) => {
            (StatusCode::OK, Json(json!({ "patterns": of.patterns, "ticket": ticket.to_string() })))
        }
        Err(error) => owed(&error),
    })
}

/// Deletes everything: the answers, and the sessions, which are read from the database again.
pub(crate) async fn clear() -> (StatusCode, Json<Value>) {
    let (answers, sessions) = (Cache::global(), sessions());
    let (answers, sessions) = tokio::join!(answers.clear(), sessions.clear());
    match answers.and(sessions) {
        Ok(_) => (StatusCode::OK, Json(json!({ "cleared": true }))),
        Err(error) => owed(&error),
    }
}

/// It holds in this process from now on, and the store is told as soon as it can be.
fn owed(error: &Error) -> (StatusCode, Json<Value>) {
    let owed = Cache::global().owed_invalidations() + sessions().owed_invalidations();
    (StatusCode::ACCEPTED, Json(json!({ "owed_invalidations": owed, "reason": error.to_string() })))
}

fn sessions() -> Cache {
    SESSIONS.with(Cache::clone)
}

/// Our figures, and what the program has done.
pub(crate) async fn stats(State(app): State<App>) -> Json<Value> {
    let cache = Cache::global();
    Json(json!({
        "queries": app.db.queries(),
        "jobs": app.jobs.runs(),
        "cache": figures(&cache.stats()),
        "sessions": figures(&sessions().stats()),
        "server": server().await,
    }))
}

/// The share of lookups that were hits, in percent: of this program, and of all that use its server.
pub(crate) async fn hit_rate() -> Json<Value> {
    let server = server().await;
    let figure = |name: &str| server[name].as_f64().unwrap_or(0.0);
    let (hits, misses) = (figure("keyspace_hits"), figure("keyspace_misses"));
    let of_server = if hits + misses > 0.0 { 100.0 * hits / (hits + misses) } else { 0.0 };
    Json(json!({ "hit_rate": 100.0 * Cache::global().stats().hit_ratio(), "hit_rate_of_server": of_server }))
}

fn figures(stats: &Stats) -> Value {
    json!({
        "hits": stats.hits,
        "local_hits": stats.local_hits,
        "remote_hits": stats.remote_hits,
        "misses": stats.misses,
        "hit_rate": 100.0 * stats.hit_ratio(),
        "loads": stats.loads,
        "entries": stats.entries,
        "remote_trouble": stats.remote_errors + stats.remote_skipped,
    })
}

/// What the server says of itself; nothing if values are in this process alone.
async fn server() -> Value {
    let health = Cache::global().health().await;
    let Some(remote) = health.remote else { return Value::Null };
    match remote.server {
        Ok(server) => json!({
            "version": server.server_version,
            "total_connections_received": server.connections_received,
            "total_commands_processed": server.commands_processed,
            "keyspace_hits": server.keyspace_hits,
            "keyspace_misses": server.keyspace_misses,
            "used_memory": server.used_memory,
            "connected_clients": server.connected_clients,
            "keys": server.keys,
            "breaker_open": remote.breaker_open,
        }),
        Err(error) => json!({ "error": error.to_string(), "breaker_open": remote.breaker_open }),
    }
}
