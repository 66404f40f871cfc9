//! Looking at the cache, and dropping answers by hand: for what nobody could see, such as another program that has
//! written into the database.

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{delete, get};
use axum::{Json, Router};
use larder::{Cache, Outcome, Tag};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Service;
use crate::failure::Failure;
use crate::routes::Answer;

/// What can be dropped by name: tables.
const MODELS: [&str; 7] =
    ["user", "role", "permission", "user_role", "role_permission", "verification_code", "activity_log"];

/// What depends on what, and is no matter of a single statement: `family/user` stands for users and everything around
/// them, and `custom_model` for something that is in no table, such as a directory from which another program imports.
const DEPENDENCIES: [(&str, &[&str]); 4] = [
    ("family/user", &["user", "role", "user_role", "activity_log", "verification_code"]),
    ("family/role", &["role", "user", "permission", "role_permission", "user_role"]),
    ("family/permission", &["permission", "role", "role_permission"]),
    ("custom_model", &["user", "role", "permission"]),
];

/// Tells the cache, at the start.
pub(crate) fn register(cache: &Cache) {
    for (tag, dependents) in DEPENDENCIES {
        cache.depends(tag, dependents);
    }
}

pub(crate) fn routes() -> Router<Service> {
    Router::new()
        .route("/stats", get(stats))
        .route("/cache/dependencies", get(dependencies))
        .route("/cache/models/{model}", delete(drop_model))
        .route("/cache/models/{model}/{id}", delete(drop_item))
        .route("/cache/families/{model}", delete(drop_family))
        .route("/cache/custom_model", delete(drop_custom))
}

/// Says in a header of each answer where it came from: `cache: local_hit`, `remote_hit`, `loaded`, or `bypassed` if nothing
/// cached was asked.
pub(crate) async fn say_where_from(request: axum::extract::Request, next: Next) -> Response {
    let (mut response, outcome): (Response, Outcome) = larder::outcome(next.run(request)).await;
    let outcome = HeaderValue::from_static(outcome.as_str());
    response.headers_mut().insert(HeaderName::from_static("cache"), outcome);
    response
}

async fn dependencies() -> Json<Value> {
    Json(DEPENDENCIES.iter().map(|(tag, dependents)| ((*tag).to_owned(), json!(dependents))).collect())
}

/// Drops every answer that was made from the table.
async fn drop_model(State(service): State<Service>, Path(model): Path<String>) -> Answer<Value> {
    dropped(&service, known(&model)?.to_owned()).await
}

/// Drops every answer that may have been made from this row, named by its key: lists as well.
async fn drop_item(State(service): State<Service>, Path((model, id)): Path<(String, i64)>) -> Answer<Value> {
    dropped(&service, format!("{}:{id}", known(&model)?)).await
}

/// Drops every answer that was made from the table or from one around it.
async fn drop_family(State(service): State<Service>, Path(model): Path<String>) -> Answer<Value> {
    let family = format!("family/{model}");
    if DEPENDENCIES.iter().any(|(tag, _)| *tag == family) {
        dropped(&service, family).await
    } else {
        Err(Failure::Missing(format!("{model:?} has no family: ask for `user`, `role` or `permission`")))
    }
}

/// Drops every answer that depends on what is no table.
async fn drop_custom(State(service): State<Service>) -> Answer<Value> {
    dropped(&service, "custom_model".to_owned()).await
}

async fn dropped(service: &Service, tag: String) -> Answer<Value> {
    service.cache.invalidate(Tag::from(tag.as_str())).await?;
    Ok(Json(json!({ "dropped": tag })))
}

fn known(model: &str) -> Result<&str, Failure> {
    if MODELS.contains(&model) {
        Ok(model)
    } else {
        Err(Failure::Missing(format!("there is no model {model:?}: ask for one of {}", MODELS.join(", "))))
    }
}

/// What is worth watching.
#[derive(Debug, Serialize)]
struct Report {
    /// Statements that the database was given.
    database_queries: u64,
    hits: u64,
    misses: u64,
    hit_rate: f64,
    loads: u64,
    invalidations: u64,
    invalidations_per_minute: f64,
    /// How long an answer takes that the cache has, and one that it has not: means, in microseconds.
    microseconds_with_cache: u128,
    microseconds_without_cache: u128,
    entries: u64,
    /// What Redis says of itself; nothing without one.
    redis: Option<Value>,
}

async fn stats(State(service): State<Service>) -> Json<Report> {
    let stats = service.cache.stats();
    let remote = service.cache.health().await.remote;
    let redis = remote.map(|remote| match remote.server {
        Ok(server) => json!({
            "well": true,
            "used_memory": server.used_memory,
            "keys": server.keys,
            "version": server.server_version,
        }),
        Err(error) => json!({ "well": false, "why": error.to_string() }),
    });
    let minutes = service.began.elapsed().as_secs_f64() / 60.0;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let per_minute = stats.invalidations as f64 / minutes.max(1.0);
    Json(Report {
        database_queries: service.queries.count(),
        hits: stats.hits,
        misses: stats.misses,
        hit_rate: stats.hit_ratio(),
        loads: stats.loads,
        invalidations: stats.invalidations,
        invalidations_per_minute: per_minute,
        microseconds_with_cache: stats.hit_times.mean().as_micros(),
        microseconds_without_cache: stats.load_times.mean().as_micros(),
        entries: stats.entries,
        redis,
    })
}
