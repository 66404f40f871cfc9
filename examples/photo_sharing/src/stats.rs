//! What the cache and the database have done, and how an admin clears the cache.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::App;
use crate::refusal::Refusal;
use crate::users::{self, Caller};

/// The eight numbers, by the names that dashboards of the photo service know.
#[derive(Serialize)]
pub(crate) struct CacheStats {
    hits: u64,
    misses: u64,
    total_requests: u64,
    hit_rate: String,
    sets: u64,
    deletes: u64,
    errors: u64,
    db_size: u64,
}

pub(crate) async fn cache(State(app): State<App>) -> Json<CacheStats> {
    let (stats, health) = (app.cache.stats(), app.cache.health().await);
    let remote = health.remote.as_ref().and_then(|remote| remote.server.as_ref().ok()?.keys);
    Json(CacheStats {
        hits: stats.hits,
        misses: stats.misses,
        total_requests: stats.hits + stats.misses,
        hit_rate: format!("{:.2}%", 100.0 * stats.hit_ratio()),
        sets: stats.stores,
        deletes: stats.invalidations,
        errors: stats.remote_errors,
        db_size: remote.unwrap_or(stats.entries),
    })
}

/// What the database was asked by this program, in all and by the names of the queries.
#[derive(Serialize)]
pub(crate) struct Stats {
    database_queries: u64,
    queries: BTreeMap<&'static str, u64>,
    /// Calls that waited for the load of another.
    joins: u64,
    cache: CacheStats,
}

pub(crate) async fn all(State(app): State<App>) -> Json<Stats> {
    let (queries, joins) = (app.db.asked(), app.cache.stats().joins);
    let Json(cache) = cache(State(app)).await;
    Json(Stats { database_queries: queries.values().sum(), queries, joins, cache })
}

#[derive(Deserialize)]
pub(crate) struct Target {
    pattern: Option<String>,
}

pub(crate) async fn clear(
    State(app): State<App>,
    Query(Target { pattern }): Query<Target>,
    caller: Caller,
) -> Result<StatusCode, Refusal> {
    if !users::allowed(&app.db, caller).await?.may_change_all {
        return Err(Refusal::Forbidden("only admins clear the cache"));
    }
    if pattern.as_ref().is_some_and(String::is_empty) {
        let text = "say what to clear, as in `?pattern=search:*`; without `pattern` everything is cleared";
        return Err(Refusal::Bad(text.to_owned()));
    }
    // The counters may be among it.
    app.downloads.write_all().await?;
    let cleared = match pattern {
        Some(pattern) => app.cache.invalidate(pattern).await,
        None => app.cache.clear().await,
    };
    // On an error this process has forgotten it all the same, and the others are told later.
    Ok(if cleared.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::ACCEPTED })
}
