//! Search: by words, by a selfie, by what somebody begins to type, and in one's own albums.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use larder::{Cache, KeyPart, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::App;
use crate::albums::Listed;
use crate::db::Db;
use crate::faces;
use crate::refusal::{Refusal, checked};
use crate::users::{self, Caller};

/// How long results are kept: told by `SEARCH_TTL`, in seconds.
pub(crate) static TTL: OnceLock<Duration> = OnceLock::new();

pub(crate) fn ttl() -> Duration {
    TTL.get().copied().unwrap_or(Duration::from_mins(10))
}

/// What is searched for: all of it decides the answer, so all of it is in the hash.
#[derive(Debug, Serialize)]
enum Request<'r> {
    Words(&'r str),
    Selfie(&'r [u8]),
}

/// Something that was found.
#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Found {
    what: String,
    id: i64,
    name: String,
}

// Pattern 4: results by the hash of the request, for a short time. New photos are found when it is over; what was deleted
// or renamed is gone at once, by the tag.
#[cached(key = "search:<request:hash>:results", ttl = ttl(), tags = ["search"], skip(db, cache))]
async fn results(db: &Db, cache: &Cache, request: &Request<'_>) -> Result<Vec<Found>, sqlx::Error> {
    match request {
        Request::Words(words) => sqlx::query_as(
            "SELECT 'album' AS what, id, title AS name FROM albums WHERE instr(lower(title), lower(?1)) > 0
                 UNION ALL SELECT 'photo', id, name FROM photos WHERE instr(lower(name), lower(?1)) > 0
                 UNION ALL SELECT 'person', id, name FROM people WHERE instr(lower(name), lower(?1)) > 0
                 ORDER BY what, id LIMIT 50",
        )
        .bind(*words)
        .fetch_all(db.ask("search"))
        .await,
        Request::Selfie(bytes) => {
            let Some(face) = faces::detect(bytes).into_iter().next() else { return Ok(Vec::new()) };
            let near = faces::nearest(db, cache, &face).await?;
            let found = |face: faces::Similar| Found {
                what: "face".to_owned(),
                id: face.face_id,
                name: format!("{:.3}", face.likeness),
            };
            Ok(near.into_iter().map(found).collect())
        }
    }
}

#[cached(key = "search:<prefix:hash>:suggestions", ttl = "1h", tags = ["search"], skip(db))]
async fn suggestions(db: &Db, prefix: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT title FROM albums WHERE instr(lower(title), lower(?1)) = 1
         UNION SELECT name FROM people WHERE instr(lower(name), lower(?1)) = 1 ORDER BY 1 LIMIT 10",
    )
    .bind(prefix)
    .fetch_all(db.ask("suggestions"))
    .await
}

/// What albums are looked for: a type of its own that writes itself into the key, in place of a function that builds one.
#[derive(Debug, Deserialize, KeyPart)]
pub(crate) struct Filters {
    title: Option<String>,
    min_photos: Option<u32>,
}

#[cached(key = "search:albums:<user_id>:<filters>", ttl = ttl(), tags = ["search"], skip(db))]
async fn search_albums(db: &Db, user_id: i64, filters: &Filters) -> Result<Vec<Listed>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, title, (SELECT COUNT(*) FROM photos WHERE album_id = albums.id) AS photos FROM albums
         WHERE user_id = ? AND instr(lower(title), lower(?)) > 0 AND photos >= ? ORDER BY id",
    )
    .bind(user_id)
    .bind(filters.title.as_deref().unwrap_or_default())
    .bind(filters.min_photos.unwrap_or_default())
    .fetch_all(db.ask("search albums"))
    .await
}

#[derive(Deserialize)]
pub(crate) struct Words {
    q: String,
}

pub(crate) async fn get(
    State(app): State<App>,
    Query(Words { q }): Query<Words>,
    caller: Result<Caller, Refusal>,
) -> Result<Json<Vec<Found>>, Refusal> {
    let words = checked("q", &q)?;
    if let Ok(Caller(user_id)) = caller {
        // If that fails, there is none to show.
        let _ = users::remember_search(&app.cache, user_id, words).await;
    }
    Ok(Json(results(&app.db, &app.cache, &Request::Words(words)).await?))
}

pub(crate) async fn by_selfie(State(app): State<App>, selfie: Bytes) -> Result<Json<Vec<Found>>, Refusal> {
    if selfie.is_empty() {
        return Err(Refusal::Bad("send the bytes of the selfie as the body".to_owned()));
    }
    Ok(Json(results(&app.db, &app.cache, &Request::Selfie(&selfie)).await?))
}

pub(crate) async fn get_suggestions(
    State(app): State<App>,
    Query(Words { q }): Query<Words>,
) -> Result<Json<Vec<String>>, Refusal> {
    Ok(Json(suggestions(&app.db, checked("q", &q)?).await?))
}

pub(crate) async fn get_albums(
    State(app): State<App>,
    Path(user_id): Path<i64>,
    Query(filters): Query<Filters>,
) -> Result<Json<Vec<Listed>>, Refusal> {
    users::existing(&app, user_id).await?;
    Ok(Json(search_albums(&app.db, user_id, &filters).await?))
}
