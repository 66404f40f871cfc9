//! Looking after the cache by hand: the endpoints that drop, warm, switch and count.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use larder::{Cache, Pattern};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::routes::App;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfUser {
    user: i64,
}

/// What was dropped, and the ticket by which another process can be asked whether it knows (`Cache::at_least`).
#[derive(Debug, Serialize)]
pub(crate) struct Dropped {
    pattern: String,
    ticket: Option<String>,
}

/// A store that cannot be told now is told later; that is logged, and no error of whoever asked.
async fn dropped(pattern: String) -> Json<Dropped> {
    let ticket = Cache::global().invalidate(Pattern::from(pattern.as_str())).await;
    Json(Dropped { pattern, ticket: ticket.ok().map(|ticket| ticket.to_string()) })
}

pub(crate) async fn invalidate_user(Json(of): Json<OfUser>) -> Json<Dropped> {
    dropped(format!("user:{}:*", of.user)).await
}

pub(crate) async fn invalidate_users() -> Json<Dropped> {
    dropped("user:*".to_owned()).await
}

pub(crate) async fn invalidate_achievements(Json(of): Json<OfUser>) -> Json<Dropped> {
    dropped(format!("achievements:{}:*", of.user)).await
}

pub(crate) async fn invalidate_boards() -> Json<Dropped> {
    dropped("achievements:global:*".to_owned()).await
}

pub(crate) async fn invalidate_everything() -> Json<Dropped> {
    let ticket = Cache::global().clear().await;
    Json(Dropped { pattern: "*".to_owned(), ticket: ticket.ok().map(|ticket| ticket.to_string()) })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leading {
    leaders: u32,
}

#[derive(Debug, Serialize)]
pub(crate) struct Warmed {
    loaded: usize,
}

/// Loads the pages of those who are first on the board.
pub(crate) async fn warm(
    State(app): State<App>,
    Json(leading): Json<Leading>,
) -> Result<Json<Warmed>, Problem> {
    if !(1..=100).contains(&leading.leaders) {
        return Err(Problem::Refused("`leaders` is from 1 to 100"));
    }
    let leaders = app.achievements.leaders(leading.leaders).await?;
    Ok(Json(Warmed { loaded: app.users.warm(leaders).await }))
}

#[derive(Debug, Serialize)]
pub(crate) struct CacheState {
    enabled: bool,
    users_percent: u8,
}

/// What is absent stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewState {
    enabled: Option<bool>,
    users_percent: Option<u8>,
}

pub(crate) async fn state(State(app): State<App>) -> Json<CacheState> {
    Json(CacheState { enabled: Cache::global().is_enabled(), users_percent: app.flags.percent() })
}

/// Turns the cache on and off, and says for how many users in a hundred it works: in this process, at once.
pub(crate) async fn set_state(
    State(app): State<App>,
    Json(new): Json<NewState>,
) -> Result<Json<CacheState>, Problem> {
    if new.users_percent.is_some_and(|percent| percent > 100) {
        return Err(Problem::Refused("`users_percent` is from 0 to 100"));
    }
    if let Some(percent) = new.users_percent {
        app.flags.set_percent(percent);
    }
    if let Some(enabled) = new.enabled {
        Cache::global().set_enabled(enabled);
    }
    Ok(state(State(app)).await)
}

#[derive(Debug, Serialize)]
pub(crate) struct Stats {
    /// Queries to the database since the program started.
    queries: u64,
    hits: u64,
    misses: u64,
    hit_ratio: f64,
    evictions: u64,
    /// What the remote store failed, did not answer in time, or was not asked because it was in trouble.
    remote_trouble: u64,
    owed_invalidations: usize,
    /// Hits, misses and hit ratio by the template of the key.
    functions: BTreeMap<&'static str, (u64, u64, f64)>,
}

pub(crate) async fn stats(State(app): State<App>) -> Json<Stats> {
    let cache = Cache::global();
    let stats = cache.stats();
    let mut functions = BTreeMap::new();
    for function in stats.functions() {
        let (hits, misses, ratio) = functions.entry(function.template).or_insert((0, 0, 0.0));
        *hits += function.hits;
        *misses += function.misses;
        *ratio = function.hit_ratio();
    }
    Json(Stats {
        queries: app.db.queries(),
        hits: stats.hits,
        misses: stats.misses,
        hit_ratio: stats.hit_ratio(),
        evictions: stats.evictions,
        remote_trouble: stats.remote_errors + stats.remote_skipped,
        owed_invalidations: cache.owed_invalidations(),
        functions,
    })
}
