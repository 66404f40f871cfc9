//! The cache's own operations over HTTP: what the original's `RedisCacheService` has as methods. Here a failure of the cache
//! is the answer, since there is nothing to fall back on.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use larder::{Cache, Key, LockGuard};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::keys;

/// Locks that clients hold, until they give them back or this program ends.
type Locks = Arc<Mutex<HashMap<String, LockGuard>>>;

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/keys/{key}", get(read).put(store).delete(remove))
        .route("/keys/{key}/exists", get(exists))
        .route("/keys/{key}/ttl", get(time_left).put(expire))
        .route("/many", get(read_many).put(store_many))
        .route("/counters/{key}", get(counter).post(increment))
        .route("/clear", post(clear))
        .route("/locks/{name}", put(lock).delete(unlock))
        .with_state(Locks::default())
}

async fn read(Path(key): Path<String>) -> Result<Json<Value>> {
    let value: Option<Value> = Cache::global().get(keys::key(&key)?).await?;
    value.map(Json).ok_or_else(|| Error::not_found("there is nothing under this key"))
}

#[derive(Deserialize)]
struct Store {
    /// Seconds.
    #[serde(default = "five_minutes")]
    ttl: u64,
    #[serde(default)]
    if_absent: bool,
}

fn five_minutes() -> u64 {
    300
}

async fn store(
    Path(key): Path<String>,
    Query(store): Query<Store>,
    Json(value): Json<Value>,
) -> Result<StatusCode> {
    let (cache, key, ttl) = (Cache::global(), keys::key(&key)?, seconds(store.ttl)?);
    if !store.if_absent {
        cache.set(key, &value, ttl).await?;
    } else if !cache.set_if_absent(key, &value, ttl).await? {
        return Err(Error::conflict("there is a value under this key; leave out `if_absent` to replace it"));
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(Path(key): Path<String>) -> Result<Json<Value>> {
    Ok(Json(json!({ "existed": Cache::global().delete(keys::key(&key)?).await? })))
}

async fn exists(Path(key): Path<String>) -> Result<Json<Value>> {
    Ok(Json(json!({ "exists": Cache::global().exists(keys::key(&key)?).await? })))
}

async fn time_left(Path(key): Path<String>) -> Result<Json<Value>> {
    let left = Cache::global().ttl(keys::key(&key)?).await?;
    Ok(Json(json!({ "seconds": left.map(|left| left.as_secs_f64()) })))
}

#[derive(Deserialize)]
struct Expire {
    seconds: u64,
}

async fn expire(Path(key): Path<String>, Query(expire): Query<Expire>) -> Result<Json<Value>> {
    let kept = Cache::global().expire(keys::key(&key)?, Duration::from_secs(expire.seconds)).await?;
    Ok(Json(json!({ "existed": kept })))
}

#[derive(Deserialize)]
struct Many {
    /// With commas between them.
    keys: String,
}

async fn read_many(Query(many): Query<Many>) -> Result<Json<Vec<Option<Value>>>> {
    let keys: Vec<Key> = many.keys.split(',').map(keys::key).collect::<Result<_>>()?;
    Ok(Json(Cache::global().get_many(keys).await?))
}

async fn store_many(
    Query(store): Query<Store>,
    Json(values): Json<BTreeMap<String, Value>>,
) -> Result<StatusCode> {
    let values: Vec<(Key, &Value)> =
        values.iter().map(|(key, value)| Ok((keys::key(key)?, value))).collect::<Result<_>>()?;
    Cache::global().set_many(values, seconds(store.ttl)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Increment {
    #[serde(default = "one")]
    by: i64,
}

fn one() -> i64 {
    1
}

async fn increment(Path(key): Path<String>, Query(increment): Query<Increment>) -> Result<Json<Value>> {
    Ok(Json(json!({ "value": Cache::global().increment(keys::key(&key)?, increment.by).await? })))
}

// A counter is a number, and not the JSON that `/keys` holds: what is read as another type is not there.
async fn counter(Path(key): Path<String>) -> Result<Json<Value>> {
    let value: Option<i64> = Cache::global().get(keys::key(&key)?).await?;
    value
        .map(|value| Json(json!({ "value": value })))
        .ok_or_else(|| Error::not_found("nobody has counted this yet"))
}

#[derive(Deserialize)]
struct Clear {
    pattern: String,
}

// For whoever runs the service: put it behind your authentication.
async fn clear(Json(clear): Json<Clear>) -> Result<Json<Value>> {
    let ticket = Cache::global().invalidate(keys::pattern(&clear.pattern)?).await?;
    Ok(Json(json!({ "ticket": ticket })))
}

#[derive(Deserialize)]
struct Lease {
    /// Seconds after which others get it if this program dies.
    #[serde(default = "ten")]
    lease: u64,
}

fn ten() -> u64 {
    10
}

async fn lock(
    State(locks): State<Locks>,
    Path(name): Path<String>,
    Query(lease): Query<Lease>,
) -> Result<Json<Value>> {
    let Some(guard) = Cache::global().try_lock(keys::lock(&name)?, seconds(lease.lease)?).await? else {
        return Err(Error::conflict(format!("somebody holds the lock `{name}`; try again later")));
    };
    let fence = guard.fence();
    locks.lock().unwrap_or_else(PoisonError::into_inner).insert(name, guard);
    Ok(Json(json!({ "fence": fence })))
}

async fn unlock(State(locks): State<Locks>, Path(name): Path<String>) -> Result<Json<Value>> {
    let guard = locks.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
    let guard = guard.ok_or_else(|| Error::not_found(format!("nobody holds the lock `{name}` here")))?;
    Ok(Json(json!({ "was_held": guard.release().await? })))
}

fn seconds(number: u64) -> Result<Duration> {
    match number {
        1..=604_800 => Ok(Duration::from_secs(number)),
        _ => Err(Error::bad_request("the time is seconds, from 1 to 604800, which is a week")),
    }
}
