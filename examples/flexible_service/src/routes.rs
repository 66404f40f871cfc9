//! The routes, but for those that look after the cache.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::db::Database;
use crate::jobs::{Dataset, Jobs, State as Job};
use crate::problem::Problem;
use crate::research::Request;
use crate::users::{Subscription, User, UserChange};
use crate::{api, research, sessions, upkeep, users};

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) db: Database,
    pub(crate) jobs: Jobs,
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/users/{id}", get(user).put(update))
        .route("/users/{id}/subscription", get(subscription))
        .route("/users/{id}/research", get(questions))
        .route("/sessions", post(log_in))
        .route("/sessions/me", get(me).delete(log_out))
        .route("/api/{endpoint}", get(answer))
        .route("/research", post(conduct))
        .route("/datasets/{dataset}", get(report).post(process))
        .route("/cache", delete(upkeep::clear))
        .route("/cache/values/{key}", get(upkeep::value).put(upkeep::set_value))
        .route("/cache/keys/{key}", delete(upkeep::delete))
        .route("/cache/delete", post(upkeep::delete_patterns))
        .route("/cache/hit-rate", get(upkeep::hit_rate))
        .route("/stats", get(upkeep::stats))
        .with_state(app)
}

const NO_USER: Problem = Problem::NotFound("there is no such user: take an id that exists, such as 1");

/// A value, and whether it was there.
#[derive(Debug, Serialize)]
struct Answer<T> {
    cached: bool,
    data: T,
}

/// Waits for a cached call and says whether it was a hit.
async fn answered<T>(call: impl Future<Output = Result<T, Problem>>) -> Result<Json<Answer<T>>, Problem> {
    let (data, outcome) = larder::outcome(call).await;
    Ok(Json(Answer { cached: outcome.is_hit(), data: data? }))
}

async fn user(State(app): State<App>, Path(id): Path<i64>) -> Result<Json<Answer<User>>, Problem> {
    answered(async { users::user(&app.db, id).await?.ok_or(NO_USER) }).await
}

async fn subscription(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<Json<Answer<Subscription>>, Problem> {
    answered(async { users::subscription(&app.db, id).await?.ok_or(NO_USER) }).await
}

async fn update(
    State(app): State<App>,
    Path(id): Path<i64>,
    Json(change): Json<UserChange>,
) -> Result<Json<User>, Problem> {
    users::update(&app.db, id, &change).await?.map(Json).ok_or(NO_USER)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pages {
    #[serde(default)]
    page: u16,
}

async fn questions(
    State(app): State<App>,
    Path(id): Path<i64>,
    Query(of): Query<Pages>,
) -> Result<Json<Answer<Vec<String>>>, Problem> {
    answered(research::questions(&app.db, id, of.page.into())).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    user: i64,
}

async fn log_in(
    State(app): State<App>,
    Json(who): Json<LogIn>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let token = sessions::log_in(&app.db, who.user).await?.ok_or(NO_USER)?;
    Ok((StatusCode::CREATED, Json(json!({ "token": token }))))
}

/// The token of a request, and whose it is.
async fn session(app: &App, headers: &HeaderMap) -> Result<(String, i64), Problem> {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let token = token.ok_or(Problem::NoSession)?;
    let user = sessions::user_of(&app.db, token).await?.ok_or(Problem::NoSession)?;
    Ok((token.to_owned(), user))
}

async fn me(State(app): State<App>, headers: HeaderMap) -> Result<Json<User>, Problem> {
    let (_, user) = session(&app, &headers).await?;
    users::user(&app.db, user).await?.map(Json).ok_or(NO_USER)
}

async fn log_out(State(app): State<App>, headers: HeaderMap) -> Result<StatusCode, Problem> {
    let (token, _) = session(&app, &headers).await?;
    sessions::log_out(&app.db, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn answer(
    State(app): State<App>,
    Path(endpoint): Path<api::Endpoint>,
    Query(parameters): Query<BTreeMap<String, String>>,
) -> Result<Json<Answer<Value>>, Problem> {
    api::checked(endpoint, &parameters)?;
    answered(api::answer(&app.db, endpoint, &parameters)).await
}

/// Who asks, if that is to be found again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    user: Option<i64>,
}

async fn conduct(
    State(app): State<App>,
    Query(by): Query<By>,
    Json(request): Json<Request>,
) -> Result<Json<Answer<research::Findings>>, Problem> {
    if request.question.trim().is_empty() || !(1..=100).contains(&request.limit) {
        return Err(Problem::Refused("research has a `question` with text, and a `limit` from 1 to 100"));
    }
    if let Some(user) = by.user {
        research::note(&app.db, user, &request.question).await?;
    }
    answered(research::conduct(&app.db, &request)).await
}

async fn report(
    State(app): State<App>,
    Path(dataset): Path<Dataset>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    told(app.jobs.state(dataset).await)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patience {
    #[serde(default)]
    wait: bool,
}

/// Starts the task and says so; with `?wait=true` the answer is its result, which needs no cache.
async fn process(
    State(app): State<App>,
    Path(dataset): Path<Dataset>,
    Query(patience): Query<Patience>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    if patience.wait {
        return told(Job::Done(app.jobs.process(&app.db, dataset).await?));
    }
    told(app.jobs.start(&app.db, dataset).await)
}

fn told(job: Job) -> Result<(StatusCode, Json<Value>), Problem> {
    match job {
        Job::Done(report) => Ok((StatusCode::OK, Json(serde_json::to_value(report)?))),
        Job::Running => Ok((StatusCode::ACCEPTED, Json(json!({ "state": "running" })))),
        Job::Unknown => Err(Problem::NotFound("there is no result: `POST` here starts the task")),
    }
}
