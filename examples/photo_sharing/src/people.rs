//! People: who the faces of an album are.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use larder::{Cache, Key, cache_invalidate};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::App;
use crate::albums;
use crate::db::Db;
use crate::faces;
use crate::refusal::{Refusal, checked};
use crate::users::Caller;

const HOUR: Duration = Duration::from_hours(1);

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Person {
    id: i64,
    album_id: i64,
    name: String,
}

// Pattern 8: set only if absent. The id of a person under a name: many faces are given the same few names.
async fn get_or_create_person(db: &Db, cache: &Cache, album_id: i64, name: &str) -> Result<i64, sqlx::Error> {
    let key = person_id(album_id, name);
    if let Ok(Some(id)) = cache.get::<i64>(&key).await {
        return Ok(id);
    }
    // One statement, so that of two who give a new name at once both have the same person.
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO people (album_id, name) VALUES (?, ?) ON CONFLICT DO UPDATE SET name = name RETURNING id",
    )
    .bind(album_id)
    .bind(name)
    .fetch_one(db.ask("get or create person"))
    .await?;
    // Whoever was first has set the same. Without a cache the next caller asks the database.
    let _ = cache.set_if_absent(&key, &id, HOUR).await;
    Ok(id)
}

fn person_id(album_id: i64, name: &str) -> Key {
    Key::from(format!("person_id:{album_id}:{name}"))
}

#[cache_invalidate(faces::of_album(album_id), albums::summary(album_id), tags = ["people"])]
async fn name_face(
    db: &Db,
    cache: &Cache,
    album_id: i64,
    face_id: i64,
    name: &str,
) -> Result<Option<Person>, sqlx::Error> {
    for _ in 0..2 {
        let id = get_or_create_person(db, cache, album_id, name).await?;
        let named = sqlx::query(
            "UPDATE faces SET person_id = people.id FROM people
             WHERE faces.id = ? AND people.id = ? AND people.name = ? AND people.album_id = faces.album_id",
        );
        let named = named.bind(face_id).bind(id).bind(name).execute(db.ask("name face")).await?;
        if named.rows_affected() > 0 {
            return Ok(Some(Person { id, album_id, name: name.to_owned() }));
        }
        // Either the face is gone, or the id was put there while its person got another name.
        let _ = cache.delete(person_id(album_id, name)).await;
    }
    Ok(None)
}

// A cascade by tags: `main` has said that what was searched for depends on `people`.
#[cache_invalidate(tags = ["people"])]
async fn rename(db: &Db, cache: &Cache, person: i64, name: &str) -> Result<Option<Person>, sqlx::Error> {
    let mut renaming = db.write("rename person").await?;
    let before: Option<Person> = sqlx::query_as("SELECT id, album_id, name FROM people WHERE id = ?")
        .bind(person)
        .fetch_optional(&mut *renaming)
        .await?;
    let Some(before) = before else { return Ok(None) };
    let update = sqlx::query("UPDATE people SET name = ? WHERE id = ?").bind(name).bind(person);
    update.execute(&mut *renaming).await?;
    renaming.commit().await?;
    // If the store was not told it is owed, and `name_face` looks twice.
    let _ = cache.delete(person_id(before.album_id, &before.name)).await;
    Ok(Some(Person { name: name.to_owned(), ..before }))
}

async fn existing(db: &Db, id: i64) -> Result<Person, Refusal> {
    let person = sqlx::query_as("SELECT id, album_id, name FROM people WHERE id = ?").bind(id);
    person.fetch_optional(db.ask("person")).await?.ok_or(Refusal::Nowhere("person", id))
}

#[derive(Deserialize)]
pub(crate) struct Name {
    name: String,
}

pub(crate) async fn put(
    State(app): State<App>,
    Path(id): Path<i64>,
    caller: Caller,
    Json(body): Json<Name>,
) -> Result<Json<Person>, Refusal> {
    let name = checked("name", &body.name)?;
    let person = existing(&app.db, id).await?;
    albums::changeable(&app.db, caller, person.album_id).await?;
    let renamed = rename(&app.db, &app.cache, id, name).await?;
    Ok(Json(renamed.ok_or(Refusal::Nowhere("person", id))?))
}

pub(crate) async fn put_face(
    State(app): State<App>,
    Path(face_id): Path<i64>,
    caller: Caller,
    Json(body): Json<Name>,
) -> Result<Json<Person>, Refusal> {
    let name = checked("name", &body.name)?;
    let face = faces::details(&app.db, face_id).await?.ok_or(Refusal::Nowhere("face", face_id))?;
    albums::changeable(&app.db, caller, face.album_id).await?;
    let person = name_face(&app.db, &app.cache, face.album_id, face_id, name).await?;
    Ok(Json(person.ok_or(Refusal::Nowhere("face", face_id))?))
}
