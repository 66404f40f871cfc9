//! Users: who asks, what they may do, and what is fetched for them when they log in.
//!
//! There are no passwords: who somebody is, is not what this example is about.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use larder::{Cache, Key, cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::App;
use crate::albums;
use crate::db::Db;
use crate::refusal::{Refusal, checked};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Profile {
    id: i64,
    name: String,
    email: String,
    role: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Settings {
    theme: String,
    per_page: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Permissions {
    pub(crate) may_upload: bool,
    pub(crate) may_change_all: bool,
}

// Pattern 2: by hand. What also is in the database is read with `get_or_load`: between a `get` and a `set` of our own,
// the `delete` of somebody who changes it meanwhile would be lost.
async fn profile(db: &Db, cache: &Cache, user_id: i64) -> Result<Profile, Refusal> {
    cache.get_or_load(profile_key(user_id), HOUR, || load_profile(db, user_id)).await
}

async fn update_profile(
    db: &Db,
    cache: &Cache,
    user_id: i64,
    name: &str,
    email: &str,
) -> Result<(), Refusal> {
    let updated = sqlx::query("UPDATE users SET name = ?, email = ? WHERE id = ?");
    updated.bind(name).bind(email).bind(user_id).execute(db.ask("update profile")).await?;
    forget_profile(cache, user_id).await;
    Ok(())
}

// A value that only the cache has: here `get` and `set` are all there is to it.
pub(crate) async fn remember_search(cache: &Cache, user_id: i64, words: &str) -> larder::Result<()> {
    cache.set(format!("user:{user_id}:last-search"), &words.to_owned(), DAY).await
}

async fn last_search(cache: &Cache, user_id: i64) -> larder::Result<Option<String>> {
    cache.get(format!("user:{user_id}:last-search")).await
}

async fn forget_profile(cache: &Cache, user_id: i64) {
    if let Err(error) = cache.delete(profile_key(user_id)).await {
        // It is gone from this process, and the remote store is told as soon as it can be.
        eprintln!("other programs learn later that user {user_id} has changed: {error}");
    }
}

fn profile_key(user_id: i64) -> Key {
    Key::from(format!("user:{user_id}:profile"))
}

async fn load_profile(db: &Db, user_id: i64) -> Result<Profile, Refusal> {
    let profile = sqlx::query_as("SELECT id, name, email, role FROM users WHERE id = ?").bind(user_id);
    let profile = profile.fetch_optional(db.ask("user profile")).await?;
    profile.ok_or(Refusal::Nowhere("user", user_id))
}

#[cached(key = "user:<user_id>:settings", ttl = "1h", skip(db))]
async fn settings(db: &Db, user_id: i64) -> Result<Option<Settings>, sqlx::Error> {
    let settings = sqlx::query_as("SELECT theme, per_page FROM users WHERE id = ?").bind(user_id);
    settings.fetch_optional(db.ask("user settings")).await
}

#[cached(key = "user:<user_id>:permissions", ttl = "30m", skip(db))]
async fn permissions(db: &Db, user_id: i64) -> Result<Option<Permissions>, sqlx::Error> {
    sqlx::query_as(
        "SELECT may_upload, may_change_all FROM users JOIN roles ON roles.name = role WHERE users.id = ?",
    )
    .bind(user_id)
    .fetch_optional(db.ask("user permissions"))
    .await
}

#[cache_invalidate(settings(user_id))]
async fn update_settings(db: &Db, user_id: i64, new: &Settings) -> Result<(), sqlx::Error> {
    let update = sqlx::query("UPDATE users SET theme = ?, per_page = ? WHERE id = ?");
    let update = update.bind(&new.theme).bind(new.per_page).bind(user_id);
    update.execute(db.ask("update settings")).await.map(|_| ())
}

#[cache_invalidate(permissions(user_id))]
async fn update_role(db: &Db, cache: &Cache, user_id: i64, role: &str) -> Result<(), sqlx::Error> {
    let update = sqlx::query("UPDATE users SET role = ? WHERE id = ?").bind(role).bind(user_id);
    update.execute(db.ask("update role")).await?;
    // It shows the role, and what is kept by hand is forgotten by hand.
    forget_profile(cache, user_id).await;
    Ok(())
}

// Pattern 6: warming. What the first page after the login shows, fetched at once; what is there already is not.
async fn warm(db: &Db, cache: &Cache, user_id: i64) -> Result<usize, Refusal> {
    let profile = cache.warm([profile_key(user_id)], 1, |_| load_profile(db, user_id)).ttl(HOUR);
    let (profile, albums, ..) =
        tokio::join!(profile, albums::of_user(db, user_id), settings(db, user_id), permissions(db, user_id));
    // The summaries of all albums, four at a time. They are those of `albums::summary`, under its keys.
    let ids: HashMap<Key, i64> =
        albums?.iter().map(|album| (albums::summary::key(album.id), album.id)).collect();
    let summaries = cache
        .warm(ids.keys(), 4, |key| {
            let album_id = ids.get(&key).copied().unwrap_or_default();
            async move {
                let summary = albums::summary::uncached(db, album_id).await?;
                summary.ok_or(Refusal::Nowhere("album", album_id))
            }
        })
        .ttl(HOUR)
        .await;
    Ok(profile.loaded.len() + summaries.loaded.len())
}

/// What the caller may do.
pub(crate) async fn allowed(db: &Db, caller: Caller) -> Result<Permissions, Refusal> {
    permissions(db, caller.0).await?.ok_or(Refusal::Nobody)
}

/// Nobody acts for another user but admins, and they change what exists, not who somebody is.
pub(crate) fn same(caller: Caller, user_id: i64) -> Result<(), Refusal> {
    if caller.0 == user_id { Ok(()) } else { Err(Refusal::Forbidden("only users themselves may do that")) }
}

/// Whether there is such a user.
pub(crate) async fn existing(app: &App, user_id: i64) -> Result<Profile, Refusal> {
    profile(&app.db, &app.cache, user_id).await
}

/// The user who asks: the header `x-user`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) i64);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let id = parts.headers.get("x-user").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
        id.map(Self).ok_or(Refusal::Nobody)
    }
}

#[derive(Deserialize)]
pub(crate) struct Login {
    email: String,
}

#[derive(Serialize)]
pub(crate) struct LoggedIn {
    id: i64,
    warmed: usize,
}

pub(crate) async fn login(
    State(app): State<App>,
    Json(Login { email }): Json<Login>,
) -> Result<Json<LoggedIn>, Refusal> {
    let user = sqlx::query_scalar("SELECT id FROM users WHERE email = ?").bind(&email);
    let user: Option<i64> = user.fetch_optional(app.db.ask("login")).await?;
    let id = user.ok_or(Refusal::Bad("nobody has this address: try `ada@example.org`".to_owned()))?;
    Ok(Json(LoggedIn { id, warmed: warm(&app.db, &app.cache, id).await? }))
}

pub(crate) async fn get_profile(
    State(app): State<App>,
    Path(user_id): Path<i64>,
) -> Result<Json<Profile>, Refusal> {
    Ok(Json(profile(&app.db, &app.cache, user_id).await?))
}

#[derive(Deserialize)]
pub(crate) struct NewProfile {
    name: String,
    email: String,
}

pub(crate) async fn put_profile(
    State(app): State<App>,
    Path(user_id): Path<i64>,
    caller: Caller,
    Json(new): Json<NewProfile>,
) -> Result<Json<Profile>, Refusal> {
    same(caller, user_id)?;
    let (name, email) = (checked("name", &new.name)?, checked("email", &new.email)?);
    update_profile(&app.db, &app.cache, user_id, name, email).await?;
    get_profile(State(app), Path(user_id)).await
}

pub(crate) async fn get_settings(
    State(app): State<App>,
    Path(user_id): Path<i64>,
) -> Result<Json<Settings>, Refusal> {
    Ok(Json(settings(&app.db, user_id).await?.ok_or(Refusal::Nowhere("user", user_id))?))
}

pub(crate) async fn put_settings(
    State(app): State<App>,
    Path(user_id): Path<i64>,
    caller: Caller,
    Json(new): Json<Settings>,
) -> Result<Json<Settings>, Refusal> {
    same(caller, user_id)?;
    if !matches!(new.theme.as_str(), "light" | "dark") || !(1..=100).contains(&new.per_page) {
        return Err(Refusal::Bad("`theme` is `light` or `dark`, and `per_page` from 1 to 100".to_owned()));
    }
    update_settings(&app.db, user_id, &new).await?;
    get_settings(State(app), Path(user_id)).await
}

pub(crate) async fn get_permissions(
    State(app): State<App>,
    Path(user_id): Path<i64>,
) -> Result<Json<Permissions>, Refusal> {
    Ok(Json(permissions(&app.db, user_id).await?.ok_or(Refusal::Nowhere("user", user_id))?))
}

#[derive(Deserialize)]
pub(crate) struct Role {
    role: String,
}

pub(crate) async fn put_role(
    State(app): State<App>,
    Path(user_id): Path<i64>,
    caller: Caller,
    Json(Role { role }): Json<Role>,
) -> Result<Json<Permissions>, Refusal> {
    if !allowed(&app.db, caller).await?.may_change_all {
        return Err(Refusal::Forbidden("only admins give roles"));
    }
    if !matches!(role.as_str(), "admin" | "member" | "guest") {
        return Err(Refusal::Bad("`role` is `admin`, `member` or `guest`".to_owned()));
    }
    update_role(&app.db, &app.cache, user_id, &role).await?;
    get_permissions(State(app), Path(user_id)).await
}

#[derive(Serialize)]
pub(crate) struct LastSearch {
    words: Option<String>,
}

pub(crate) async fn get_last_search(State(app): State<App>, Path(user_id): Path<i64>) -> Json<LastSearch> {
    Json(LastSearch { words: last_search(&app.cache, user_id).await.unwrap_or_default() })
}
