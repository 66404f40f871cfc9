//! The services over HTTP. No handler knows of the cache, but for two: the one that loads by hand, and the one that reports.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use larder::Cache;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::database::{Change, Clip, Database, Place, User};
use crate::error::{Error, Result};
use crate::files::{About, Files};
use crate::render::{Rendered, Renderer};
use crate::sessions::Sessions;
use crate::weather::{Weather, WeatherService};
use crate::work::{Done, Work};
use crate::{HOUR, by_hand, health, warm};

/// The services that the handlers use.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub database: Database,
    pub weather: WeatherService,
    pub sessions: Sessions,
    pub files: Files,
    pub renderer: Renderer,
    pub work: Work,
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/users", get(users))
        .route("/users/{id}", get(user).put(update_user))
        .route("/users/{id}/clips", get(clips_of))
        .route("/users/{id}/summary", get(summary))
        .route("/clips", get(search))
        .route("/clips/popular", get(popular))
        .route("/clips/{id}", get(clip))
        .route("/clips/{id}/title", put(rename))
        .route("/clips/{id}/render", post(render))
        .route("/places/{country}", get(places))
        .route("/settings", get(settings))
        .route("/settings/{name}", put(set_setting))
        .route("/weather/{place}", get(weather))
        .route("/sessions", post(log_in))
        .route("/session", get(session).delete(log_out))
        .route("/files/{name}", get(text).put(write).delete(remove))
        .route("/files/{name}/about", get(about))
        .route("/warm", post(warm_up))
        .route("/health", get(async || Json(health::report().await)))
        .route("/stats", get(stats))
        .with_state(app)
        .nest("/cache", by_hand::routes())
}

#[derive(Deserialize)]
struct Ids {
    /// With commas between them.
    ids: String,
}

async fn users(State(app): State<App>, Query(ids): Query<Ids>) -> Result<Json<Vec<User>>> {
    let ids: Vec<i64> = ids.ids.split(',').map(number).collect::<Result<_>>()?;
    let mut users: Vec<User> = app.database.users(&ids).await?.into_values().collect();
    users.sort_unstable_by_key(|user| user.id);
    Ok(Json(users))
}

async fn user(State(app): State<App>, Path(id): Path<String>) -> Result<Json<User>> {
    found(app.database.user(number(&id)?).await?, "user")
}

async fn update_user(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Result<Json<User>> {
    if change.name.trim().is_empty() {
        return Err(Error::bad_request("`name` is empty; write one"));
    }
    found(app.database.update_user(number(&id)?, &change).await?, "user")
}

async fn clips_of(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Vec<Clip>>> {
    Ok(Json(app.database.clips_of(number(&id)?).await?))
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Summary {
    name: String,
    clips: usize,
    views: i64,
}

/// `get_or_set` of the original: a key and a loader, no attribute. The key begins like those that a change of the user
/// invalidates, so this goes with them.
async fn summary(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Summary>> {
    let id = number(&id)?;
    let load = async || {
        let user = app.database.user(id).await?.ok_or_else(|| Error::not_found("there is no such user"))?;
        let clips = app.database.clips_of(id).await?;
        let views = clips.iter().map(|clip| clip.views).sum();
        Ok::<_, Error>(Summary { name: user.name, clips: clips.len(), views })
    };
    Ok(Json(Cache::global().get_or_load(format!("user:{id}:summary"), HOUR, load).await?))
}

#[derive(Deserialize)]
struct Search {
    search: String,
}

async fn search(State(app): State<App>, Query(search): Query<Search>) -> Result<Json<Vec<Clip>>> {
    match search.search.trim() {
        "" => Err(Error::bad_request("`search` is empty; write a part of a title, such as `?search=night`")),
        text if text.len() > 100 => Err(Error::bad_request("`search` is too long; write 100 bytes at most")),
        text => Ok(Json(app.database.search(text).await?)),
    }
}

async fn popular(State(app): State<App>) -> Result<Json<Vec<Clip>>> {
    Ok(Json(app.database.popular().await?))
}

async fn clip(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Clip>> {
    found(app.database.clip(number(&id)?).await?, "clip")
}

#[derive(Deserialize)]
struct Title {
    title: String,
}

async fn rename(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(new): Json<Title>,
) -> Result<Json<Clip>> {
    if new.title.trim().is_empty() {
        return Err(Error::bad_request("`title` is empty; write one"));
    }
    found(app.database.rename_clip(number(&id)?, &new.title).await?, "clip")
}

#[derive(Deserialize)]
struct Wait {
    /// Seconds.
    wait: Option<u64>,
}

async fn render(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<Json<Rendered>> {
    let wait = wait.wait.map(|seconds| Duration::from_secs(seconds.min(60)));
    Ok(Json(app.renderer.render(number(&id)?, wait).await?))
}

async fn places(State(app): State<App>, Path(country): Path<String>) -> Result<Json<Vec<Place>>> {
    if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(Error::bad_request("a country is two letters, such as `/places/nz`"));
    }
    Ok(Json(app.database.places(&country).await?))
}

async fn settings(State(app): State<App>) -> Result<impl IntoResponse> {
    Ok(Json(app.database.settings().await?))
}

#[derive(Deserialize)]
struct Setting {
    value: String,
}

async fn set_setting(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(setting): Json<Setting>,
) -> Result<StatusCode> {
    app.database.set_setting(&name, &setting.value).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn weather(State(app): State<App>, Path(place): Path<String>) -> Result<Json<Weather>> {
    found(app.weather.weather(&place).await?, "weather for this place")
}

#[derive(Deserialize)]
struct LogIn {
    user: i64,
    #[serde(default = "an_hour")]
    seconds: u64,
}

fn an_hour() -> u64 {
    3600
}

async fn log_in(State(app): State<App>, Json(log_in): Json<LogIn>) -> Result<(StatusCode, Json<Value>)> {
    if !(1..=86_400).contains(&log_in.seconds) {
        return Err(Error::bad_request("`seconds` is how long the session lasts, from 1 to 86400"));
    }
    let session = app.sessions.create(log_in.user, Duration::from_secs(log_in.seconds)).await?;
    Ok((StatusCode::CREATED, Json(json!({ "token": session.token, "user": session.user }))))
}

async fn session(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>> {
    let session = app.sessions.get(token(&headers)?).await?;
    let session = session.ok_or_else(|| {
        Error::Refused(
            StatusCode::UNAUTHORIZED,
            "the session is over; log in with `POST /sessions`".to_owned(),
        )
    })?;
    Ok(Json(json!({ "user": session.user, "expires_at": session.expires_at })))
}

async fn log_out(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>> {
    Ok(Json(json!({ "was_logged_in": app.sessions.logout(token(&headers)?).await? })))
}

fn token(headers: &HeaderMap) -> Result<&str> {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    token.ok_or_else(|| {
        Error::Refused(StatusCode::UNAUTHORIZED, "send the header `authorization: Bearer <token>`".to_owned())
    })
}

async fn text(State(app): State<App>, Path(name): Path<String>) -> Result<impl IntoResponse> {
    let Json(text) = found(app.files.text(&name).await?, "file")?;
    let kind = if std::path::Path::new(&name).extension().is_some_and(|ending| ending == "svg") {
        "image/svg+xml"
    } else {
        "text/plain; charset=utf-8"
    };
    Ok(([(CONTENT_TYPE, kind)], text))
}

async fn about(State(app): State<App>, Path(name): Path<String>) -> Result<Json<About>> {
    found(app.files.about(&name).await?, "file")
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

async fn write(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(new): Json<Text>,
) -> Result<StatusCode> {
    app.files.write(&name, &new.text).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Value>> {
    Ok(Json(json!({ "existed": app.files.delete(&name).await? })))
}

async fn warm_up(State(app): State<App>) -> Result<Json<warm::Report>> {
    Ok(Json(warm::warm(&app.database).await?))
}

async fn stats(State(app): State<App>) -> Json<Done> {
    Json(app.work.done())
}

fn number(text: &str) -> Result<i64> {
    text.trim()
        .parse()
        .map_err(|_| Error::bad_request(format!("{text:?} is no id; write a number, such as `1`")))
}

fn found<T>(value: Option<T>, what: &str) -> Result<Json<T>> {
    value.map(Json).ok_or_else(|| Error::not_found(format!("there is no such {what}")))
}
