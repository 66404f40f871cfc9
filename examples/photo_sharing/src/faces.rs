//! Faces: how they are found and compared, what is kept of each, and which are of one person.
//!
//! This is **not** a face recogniser. It takes pieces of the uploaded bytes for faces, and how often bytes occur in a
//! piece for how a face looks. That is computed from real uploads, the same for the same bytes and alike for similar
//! ones, which is what a cache of faces needs to be seen at work.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use larder::{Cache, cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::App;
use crate::albums;
use crate::db::Db;
use crate::processing::DAY;
use crate::refusal::Refusal;
use crate::users::Caller;

/// A piece of so many bytes is one face, and a photo has four at most.
const PIECE: usize = 4096;
const AT_MOST: usize = 4;
/// Less than that shows nobody.
const SMALLEST: usize = 64;

/// From which cosine on a face is called similar.
const SIMILAR: f32 = 0.8;

/// What never changes of a face once it is found.
#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Face {
    id: i64,
    photo_id: i64,
    pub(crate) album_id: i64,
}

/// A face in the list of an album: with the name that people gave it.
#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Named {
    id: i64,
    photo_id: i64,
    person: Option<String>,
}

/// A face, and the cosine of the angle between it and another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Similar {
    pub(crate) face_id: i64,
    pub(crate) likeness: f32,
}

/// The faces in a photo: for each, sixteen numbers whose squares add up to one.
pub(crate) fn detect(bytes: &[u8]) -> Vec<Vec<f32>> {
    bytes.chunks(PIECE).filter(|piece| piece.len() >= SMALLEST).take(AT_MOST).map(embed).collect()
}

fn embed(piece: &[u8]) -> Vec<f32> {
    let mut numbers = vec![0.0_f32; 16];
    for byte in piece {
        if let Some(number) = numbers.get_mut(usize::from(byte >> 4)) {
            *number += 1.0;
        }
    }
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    for number in &mut numbers {
        *number /= length;
    }
    numbers
}

/// The cosine of the angle between two embeddings: 1 for the same.
pub(crate) fn likeness(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

// The names are people's: who renames one clears the lists by their tag.
#[cached(key = "album:<album_id>:faces", ttl = "1h", tags = ["people"], skip(db))]
pub(crate) async fn of_album(db: &Db, album_id: i64) -> Result<Vec<Named>, sqlx::Error> {
    sqlx::query_as(
        "SELECT faces.id, photo_id, name AS person FROM faces LEFT JOIN people ON people.id = person_id
         WHERE faces.album_id = ? ORDER BY faces.id",
    )
    .bind(album_id)
    .fetch_all(db.ask("faces of an album"))
    .await
}

#[cached(key = "face:<face_id>:details", ttl = "24h", skip(db))]
pub(crate) async fn details(db: &Db, face_id: i64) -> Result<Option<Face>, sqlx::Error> {
    let face = sqlx::query_as("SELECT id, photo_id, album_id FROM faces WHERE id = ?");
    face.bind(face_id).fetch_optional(db.ask("face details")).await
}

#[cached(key = "face:<face_id>:embedding", ttl = "24h", skip(db))]
pub(crate) async fn embedding(db: &Db, face_id: i64) -> Result<Option<Vec<f32>>, sqlx::Error> {
    let text: Option<String> = sqlx::query_scalar("SELECT embedding FROM faces WHERE id = ?")
        .bind(face_id)
        .fetch_optional(db.ask("face embedding"))
        .await?;
    text.map(|text| parse(&text)).transpose()
}

// Which faces there are decides what is similar to one, so whatever finds faces or deletes them clears all of these lists.
#[cached(key = "face:<face_id>:similar", ttl = "10m", tags = ["faces"], skip(db, cache))]
pub(crate) async fn similar(
    db: &Db,
    cache: &Cache,
    face_id: i64,
) -> Result<Option<Vec<Similar>>, sqlx::Error> {
    let Some(face) = embedding(db, face_id).await? else { return Ok(None) };
    let mut similar = nearest(db, cache, &face).await?;
    similar.retain(|other| other.face_id != face_id);
    Ok(Some(similar))
}

/// The ten faces most like `face`, the nearest first.
pub(crate) async fn nearest(db: &Db, cache: &Cache, face: &[f32]) -> Result<Vec<Similar>, sqlx::Error> {
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM faces").fetch_all(db.ask("ids of faces")).await?;
    let others = embeddings(db, cache, &ids).await?;
    let others =
        others.into_iter().map(|(face_id, other)| Similar { face_id, likeness: likeness(face, &other) });
    let mut nearest: Vec<_> = others.filter(|other| other.likeness >= SIMILAR).collect();
    nearest
        .sort_by(|one, other| other.likeness.total_cmp(&one.likeness).then(one.face_id.cmp(&other.face_id)));
    nearest.truncate(10);
    Ok(nearest)
}

/// Many embeddings by hand: one question to the cache, one to the database for what it has not, and all of that
/// stored at once. They are the entries of [`embedding()`], under its keys.
async fn embeddings(db: &Db, cache: &Cache, ids: &[i64]) -> Result<HashMap<i64, Vec<f32>>, sqlx::Error> {
    let keys = ids.iter().map(embedding::key);
    // Without a cache, all of them are missing.
    let cached: Vec<Option<Vec<f32>>> = cache.get_many(keys).await.unwrap_or_else(|_| vec![None; ids.len()]);
    let missing: Vec<i64> =
        ids.iter().zip(&cached).filter(|(_, value)| value.is_none()).map(|(id, _)| *id).collect();
    let mut found: HashMap<i64, Vec<f32>> =
        ids.iter().zip(cached).filter_map(|(id, value)| Some((*id, value?))).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, embedding FROM faces WHERE id IN (SELECT value FROM json_each(?))")
            .bind(serde_json::json!(missing).to_string())
            .fetch_all(db.ask("embeddings"))
            .await?;
    let rows = rows.iter().map(|(id, text)| Ok((*id, parse(text)?)));
    let rows = rows.collect::<Result<Vec<(i64, Vec<f32>)>, sqlx::Error>>()?;
    // By hand nothing keeps a value out that was read before somebody changed it. An embedding never changes.
    let values = rows.iter().map(|(id, value)| (embedding::key(id), value));
    if let Err(error) = cache.set_many(values, DAY).await {
        eprintln!("the embeddings of {} faces are not cached: {error}", rows.len());
    }
    found.extend(rows);
    Ok(found)
}

// Faces of one cluster are likely of one person: each is as like the first of its cluster as the album asks for.
#[cached(key = "album:<album_id>:clusters", ttl = "1h", skip(db))]
pub(crate) async fn clusters(db: &Db, album_id: i64) -> Result<Vec<Vec<i64>>, sqlx::Error> {
    let faces: Vec<(i64, String, f32)> = sqlx::query_as(
        "SELECT faces.id, embedding, threshold FROM faces JOIN albums ON albums.id = album_id
         WHERE album_id = ? ORDER BY faces.id",
    )
    .bind(album_id)
    .fetch_all(db.ask("clusters of an album"))
    .await?;
    let mut clusters: Vec<(Vec<f32>, Vec<i64>)> = Vec::new();
    for (face_id, text, threshold) in faces {
        let face = parse(&text)?;
        match clusters.iter_mut().find(|(first, _)| likeness(first, &face) >= threshold) {
            Some((_, members)) => members.push(face_id),
            None => clusters.push((face, vec![face_id])),
        }
    }
    Ok(clusters.into_iter().map(|(_, members)| members).collect())
}

#[cache_invalidate(clusters(album_id), albums::details(album_id))]
async fn recluster(db: &Db, album_id: i64, threshold: f64) -> Result<(), sqlx::Error> {
    let changed = sqlx::query("UPDATE albums SET threshold = ? WHERE id = ?").bind(threshold).bind(album_id);
    changed.execute(db.ask("recluster")).await.map(|_| ())
}

fn parse(embedding: &str) -> Result<Vec<f32>, sqlx::Error> {
    serde_json::from_str(embedding).map_err(|error| sqlx::Error::Decode(error.into()))
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    person: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    Path(album_id): Path<i64>,
    Query(Filter { person }): Query<Filter>,
) -> Result<Json<Vec<Named>>, Refusal> {
    albums::existing(&app.db, album_id).await?;
    // One entry for an album, whatever is looked for in it.
    let mut faces = of_album(&app.db, album_id).await?;
    faces.retain(|face| person.is_none() || face.person == person);
    Ok(Json(faces))
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(face_id): Path<i64>,
) -> Result<impl IntoResponse, Refusal> {
    let face = details(&app.db, face_id).await?.ok_or(Refusal::Nowhere("face", face_id))?;
    Ok(([(CACHE_CONTROL, "max-age=3600, immutable")], Json(face)))
}

pub(crate) async fn get_embedding(
    State(app): State<App>,
    Path(face_id): Path<i64>,
) -> Result<Json<Vec<f32>>, Refusal> {
    Ok(Json(embedding(&app.db, face_id).await?.ok_or(Refusal::Nowhere("face", face_id))?))
}

pub(crate) async fn get_similar(
    State(app): State<App>,
    Path(face_id): Path<i64>,
) -> Result<Json<Vec<Similar>>, Refusal> {
    let similar = similar(&app.db, &app.cache, face_id).await?;
    Ok(Json(similar.ok_or(Refusal::Nowhere("face", face_id))?))
}

pub(crate) async fn get_clusters(
    State(app): State<App>,
    Path(album_id): Path<i64>,
) -> Result<Json<Vec<Vec<i64>>>, Refusal> {
    albums::existing(&app.db, album_id).await?;
    Ok(Json(clusters(&app.db, album_id).await?))
}

#[derive(Deserialize)]
pub(crate) struct Threshold {
    threshold: f64,
}

pub(crate) async fn put_clusters(
    State(app): State<App>,
    Path(album_id): Path<i64>,
    caller: Caller,
    Json(Threshold { threshold }): Json<Threshold>,
) -> Result<Json<Vec<Vec<i64>>>, Refusal> {
    if !(0.0..=1.0).contains(&threshold) {
        return Err(Refusal::Bad("`threshold` has to be from 0 to 1".to_owned()));
    }
    albums::changeable(&app.db, caller, album_id).await?;
    recluster(&app.db, album_id, threshold).await?;
    Ok(Json(clusters(&app.db, album_id).await?))
}
