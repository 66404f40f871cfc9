//! Albums: the list of a user's, and for each its details, its summary and its deletion with all that is in it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use larder::{Cache, Tag, cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::App;
use crate::db::Db;
use crate::refusal::{Refusal, checked};
use crate::users::{self, Caller};

/// What the page of an album says of itself.
#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Album {
    pub(crate) id: i64,
    pub(crate) user_id: i64,
    pub(crate) title: String,
    /// From which likeness on two faces are in one cluster.
    pub(crate) threshold: f64,
}

/// An album in a list.
#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Listed {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) photos: i64,
}

/// What a dashboard shows.
#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Summary {
    photos: i64,
    bytes: i64,
    processed: i64,
    faces: i64,
    people: i64,
}

// Pattern 1: the attribute. The list changes with every upload.
#[cached(key = "user:<user_id>:albums", ttl = "5m", skip(db))]
pub(crate) async fn of_user(db: &Db, user_id: i64) -> Result<Vec<Listed>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, title, (SELECT COUNT(*) FROM photos WHERE album_id = albums.id) AS photos
         FROM albums WHERE user_id = ? ORDER BY id",
    )
    .bind(user_id)
    .fetch_all(db.ask("albums of a user"))
    .await
}

// Pattern 3: the functions of an entity. Beside each stand `details::key(id)`, `details::uncached(db, id)` and so on, and what
// changes an album says `details(album_id)`: the compiler checks that there is such a function, with such an argument.
#[cached(key = "album:<album_id>:details", ttl = "30m", skip(db))]
pub(crate) async fn details(db: &Db, album_id: i64) -> Result<Option<Album>, sqlx::Error> {
    let album = sqlx::query_as("SELECT id, user_id, title, threshold FROM albums WHERE id = ?");
    album.bind(album_id).fetch_optional(db.ask("album details")).await
}

// Everybody who opens a dashboard asks for it, and it reads four tables: among all processes one does.
#[cached(key = "album:<album_id>:summary", ttl = "1h", lock = "20s", skip(db))]
pub(crate) async fn summary(db: &Db, album_id: i64) -> Result<Option<Summary>, sqlx::Error> {
    sqlx::query_as(
        "SELECT COUNT(photos.id) AS photos, COALESCE(SUM(size), 0) AS bytes,
                COUNT(CASE status WHEN 'done' THEN 1 END) AS processed,
                (SELECT COUNT(*) FROM faces WHERE album_id = albums.id) AS faces,
                (SELECT COUNT(*) FROM people WHERE album_id = albums.id) AS people
         FROM albums LEFT JOIN photos ON album_id = albums.id WHERE albums.id = ? GROUP BY albums.id",
    )
    .bind(album_id)
    .fetch_optional(db.ask("album summary"))
    .await
}

#[cache_invalidate(of_user(user_id))]
async fn create(db: &Db, user_id: i64, title: &str) -> Result<i64, sqlx::Error> {
    let created = sqlx::query_scalar("INSERT INTO albums (user_id, title) VALUES (?, ?) RETURNING id");
    created.bind(user_id).bind(title).fetch_one(db.ask("create album")).await
}

// Immediate invalidation: who has the answer never sees the old title again.
#[cache_invalidate(details(album_id), of_user(result.user_id), tags = ["search"])]
async fn rename(db: &Db, album_id: i64, title: &str) -> Result<Option<Album>, sqlx::Error> {
    let renamed =
        sqlx::query_as("UPDATE albums SET title = ? WHERE id = ? RETURNING id, user_id, title, threshold");
    renamed.bind(title).bind(album_id).fetch_optional(db.ask("rename album")).await
}

// Pattern 7: cascading. The attribute takes what its arguments name. What is found out on the way, the photos and the faces, is
// collected, and invalidated in one step when the transaction has committed.
#[cache_invalidate("album:<album_id>:*", of_user(result.user_id), tags = ["faces", "people", "search"])]
async fn delete(db: &Db, cache: &Cache, album_id: i64) -> Result<Option<Album>, Refusal> {
    let gone = cache.batch();
    let mut deleting = db.write("delete album").await?;
    let photos: Vec<i64> = sqlx::query_scalar("SELECT id FROM photos WHERE album_id = ?")
        .bind(album_id)
        .fetch_all(&mut *deleting)
        .await?;
    for photo in &photos {
        gone.invalidate(format!("photo:{photo}:*"));
        // The responses that show it.
        gone.invalidate(Tag::from(format!("photo:{photo}")));
    }
    let faces: Vec<i64> = sqlx::query_scalar("SELECT id FROM faces WHERE album_id = ?")
        .bind(album_id)
        .fetch_all(&mut *deleting)
        .await?;
    for face in faces {
        gone.invalidate(format!("face:{face}:*"));
        gone.invalidate(Tag::from(format!("face:{face}")));
    }
    gone.invalidate(format!("person_id:{album_id}:*"));
    // The rows of its photos, faces and people go with it.
    let album = sqlx::query_as("DELETE FROM albums WHERE id = ? RETURNING id, user_id, title, threshold")
        .bind(album_id)
        .fetch_optional(&mut *deleting)
        .await?;
    let committed = deleting.commit().await;
    // Also without an answer to that: it may have been committed.
    if let Err(error) = gone.flush().await {
        // It holds in this process, and is owed to the others.
        eprintln!("other programs learn later that album {album_id} is gone: {error}");
    }
    committed?;
    for photo in photos {
        // A file that stays behind takes room and is never served.
        let _ = tokio::fs::remove_file(db.file(photo)).await;
    }
    Ok(album)
}

/// The album, if it exists and the caller may change it.
pub(crate) async fn changeable(db: &Db, caller: Caller, album_id: i64) -> Result<Album, Refusal> {
    let album = existing(db, album_id).await?;
    if album.user_id == caller.0 || users::allowed(db, caller).await?.may_change_all {
        return Ok(album);
    }
    Err(Refusal::Forbidden("only its owner and admins may change an album"))
}

/// The album, if it exists.
pub(crate) async fn existing(db: &Db, album_id: i64) -> Result<Album, Refusal> {
    details(db, album_id).await?.ok_or(Refusal::Nowhere("album", album_id))
}

#[derive(Deserialize)]
pub(crate) struct Title {
    title: String,
}

pub(crate) async fn list(
    State(app): State<App>,
    Path(user_id): Path<i64>,
) -> Result<Json<Vec<Listed>>, Refusal> {
    users::existing(&app, user_id).await?;
    Ok(Json(of_user(&app.db, user_id).await?))
}

pub(crate) async fn post(
    State(app): State<App>,
    Path(user_id): Path<i64>,
    caller: Caller,
    Json(body): Json<Title>,
) -> Result<(StatusCode, Json<Album>), Refusal> {
    let title = checked("title", &body.title)?;
    users::same(caller, user_id)?;
    if !users::allowed(&app.db, caller).await?.may_upload {
        return Err(Refusal::Forbidden("guests have no albums: ask an admin for another role"));
    }
    let album_id = create(&app.db, user_id, title).await?;
    Ok((StatusCode::CREATED, Json(existing(&app.db, album_id).await?)))
}

pub(crate) async fn get(State(app): State<App>, Path(album_id): Path<i64>) -> Result<Json<Album>, Refusal> {
    Ok(Json(existing(&app.db, album_id).await?))
}

pub(crate) async fn put(
    State(app): State<App>,
    Path(album_id): Path<i64>,
    caller: Caller,
    Json(body): Json<Title>,
) -> Result<Json<Album>, Refusal> {
    let title = checked("title", &body.title)?;
    changeable(&app.db, caller, album_id).await?;
    let renamed = rename(&app.db, album_id, title).await?;
    Ok(Json(renamed.ok_or(Refusal::Nowhere("album", album_id))?))
}

pub(crate) async fn remove(
    State(app): State<App>,
    Path(album_id): Path<i64>,
    caller: Caller,
) -> Result<StatusCode, Refusal> {
    changeable(&app.db, caller, album_id).await?;
    // In a task of its own: a client that goes away does not end it between the commit and the flush.
    let deleted = tokio::spawn(async move { delete(&app.db, &app.cache, album_id).await }).await;
    let deleted = deleted.map_err(Refusal::Task)??;
    deleted.map(|_| StatusCode::NO_CONTENT).ok_or(Refusal::Nowhere("album", album_id))
}

pub(crate) async fn get_summary(
    State(app): State<App>,
    Path(album_id): Path<i64>,
) -> Result<Json<Summary>, Refusal> {
    Ok(Json(summary(&app.db, album_id).await?.ok_or(Refusal::Nowhere("album", album_id))?))
}
