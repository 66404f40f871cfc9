//! Photos: uploaded bytes in a folder, what the database says of them, and how they are served.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use larder::{cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::App;
use crate::albums::{self, Album};
use crate::db::Db;
use crate::refusal::Refusal;
use crate::users::{self, Caller};

/// What never changes of a photo.
#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Photo {
    pub(crate) id: i64,
    pub(crate) album_id: i64,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) size: i64,
}

#[cached(key = "album:<album_id>:photos", ttl = "10m", skip(db))]
pub(crate) async fn of_album(db: &Db, album_id: i64) -> Result<Vec<Photo>, sqlx::Error> {
    let photos =
        sqlx::query_as("SELECT id, album_id, name, kind, size FROM photos WHERE album_id = ? ORDER BY id");
    photos.bind(album_id).fetch_all(db.ask("photos of an album")).await
}

#[cached(key = "photo:<photo_id>:details", ttl = "1h", skip(db))]
pub(crate) async fn details(db: &Db, photo_id: i64) -> Result<Option<Photo>, sqlx::Error> {
    let photo = sqlx::query_as("SELECT id, album_id, name, kind, size FROM photos WHERE id = ?");
    photo.bind(photo_id).fetch_optional(db.ask("photo details")).await
}

// `queued`, `processing`, `done` or `failed`.
#[cached(key = "photo:<photo_id>:status", ttl = "1m", skip(db))]
pub(crate) async fn status(db: &Db, photo_id: i64) -> Result<Option<String>, sqlx::Error> {
    let status = sqlx::query_scalar("SELECT status FROM photos WHERE id = ?");
    status.bind(photo_id).fetch_optional(db.ask("photo status")).await
}

// What an upload changes at once. What its faces change is invalidated when they have been found, in `processing`.
#[cache_invalidate(of_album(album.id), albums::summary(album.id), albums::of_user(album.user_id))]
async fn store(db: &Db, album: &Album, name: &str, kind: &str, bytes: &[u8]) -> Result<Photo, Refusal> {
    let mut storing = db.write("store photo").await?;
    let photo: Photo = sqlx::query_as(
        "INSERT INTO photos (album_id, name, kind, size) VALUES (?, ?, ?, ?)
         RETURNING id, album_id, name, kind, size",
    )
    .bind(album.id)
    .bind(name)
    .bind(kind)
    .bind(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
    .fetch_one(&mut *storing)
    .await?;
    // Before the commit: who knows of the photo can have its bytes.
    tokio::fs::write(db.file(photo.id), bytes).await?;
    storing.commit().await?;
    Ok(photo)
}

/// The photo, if it exists.
pub(crate) async fn existing(db: &Db, photo_id: i64) -> Result<Photo, Refusal> {
    details(db, photo_id).await?.ok_or(Refusal::Nowhere("photo", photo_id))
}

#[derive(Deserialize)]
pub(crate) struct Name {
    name: String,
}

pub(crate) async fn post(
    State(app): State<App>,
    Path(album_id): Path<i64>,
    Query(Name { name }): Query<Name>,
    caller: Caller,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Photo>), Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !matches!(kind, "image/jpeg" | "image/png" | "image/gif" | "image/webp") {
        return Err(Refusal::Kind);
    }
    // It is part of a header when the photo is downloaded.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(plain) {
        let text = "`name` has to have 1 to 100 letters, digits, dots, dashes and underscores, as in `?name=boat.jpg`";
        return Err(Refusal::Bad(text.to_owned()));
    }
    if bytes.is_empty() {
        return Err(Refusal::Bad("send the bytes of the photo as the body".to_owned()));
    }
    let album = albums::changeable(&app.db, caller, album_id).await?;
    if !users::allowed(&app.db, caller).await?.may_upload {
        return Err(Refusal::Forbidden("guests may not upload: ask an admin for another role"));
    }
    let photo = store(&app.db, &album, &name, kind, &bytes).await?;
    // It is found on the way out if the queue has ended: the program does, too.
    let _ = app.queue.send(photo.id);
    Ok((StatusCode::ACCEPTED, Json(photo)))
}

pub(crate) async fn list(
    State(app): State<App>,
    Path(album_id): Path<i64>,
) -> Result<Json<Vec<Photo>>, Refusal> {
    albums::existing(&app.db, album_id).await?;
    Ok(Json(of_album(&app.db, album_id).await?))
}

pub(crate) async fn get(State(app): State<App>, Path(photo_id): Path<i64>) -> Result<Json<Photo>, Refusal> {
    Ok(Json(existing(&app.db, photo_id).await?))
}

#[derive(Serialize)]
pub(crate) struct Status {
    status: String,
}

pub(crate) async fn get_status(
    State(app): State<App>,
    Path(photo_id): Path<i64>,
) -> Result<Json<Status>, Refusal> {
    let status = status(&app.db, photo_id).await?.ok_or(Refusal::Nowhere("photo", photo_id))?;
    Ok(Json(Status { status }))
}

// The bytes of a photo never change, so the layer around this route keeps the response, and clients may, too.
pub(crate) async fn file(State(app): State<App>, Path(photo_id): Path<i64>) -> Result<Response, Refusal> {
    let photo = existing(&app.db, photo_id).await?;
    let bytes = tokio::fs::read(app.db.file(photo_id)).await?;
    let headers = [
        (CONTENT_TYPE, photo.kind.as_str()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "max-age=3600, immutable"),
    ];
    Ok((headers, bytes).into_response())
}

pub(crate) async fn download(State(app): State<App>, Path(photo_id): Path<i64>) -> Result<Response, Refusal> {
    let photo = existing(&app.db, photo_id).await?;
    let bytes = tokio::fs::read(app.db.file(photo_id)).await?;
    app.downloads.count(photo_id).await?;
    let name = format!("attachment; filename=\"{}\"", photo.name);
    // Each is counted, so nobody on the way may answer it.
    let headers = [
        (CONTENT_TYPE, photo.kind.as_str()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_DISPOSITION, name.as_str()),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, bytes).into_response())
}

#[derive(Serialize)]
pub(crate) struct Count {
    downloads: i64,
}

pub(crate) async fn get_downloads(
    State(app): State<App>,
    Path(photo_id): Path<i64>,
) -> Result<Json<Count>, Refusal> {
    existing(&app.db, photo_id).await?;
    Ok(Json(Count { downloads: app.downloads.so_far(photo_id).await? }))
}
