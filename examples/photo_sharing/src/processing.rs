//! What happens to a photo after its upload, in the background: its faces are found, and then what shows them is
//! invalidated.

use std::time::Duration;

use larder::cache_invalidate;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::albums;
use crate::db::Db;
use crate::faces;
use crate::photos::{self, Photo};
use crate::refusal::Refusal;

/// How long what was found is kept: it does not change any more.
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// Photos that wait for their turn, by their ids.
pub(crate) type Queue = UnboundedSender<i64>;

/// Starts the task, with what a program that was killed has left undone. It ends when the queue is dropped and empty.
pub(crate) async fn start(db: Db) -> Result<(Queue, JoinHandle<()>), sqlx::Error> {
    let (queue, photos) = unbounded_channel();
    let undone = sqlx::query_scalar("SELECT id FROM photos WHERE status IN ('queued', 'processing')");
    for photo_id in undone.fetch_all(db.ask("undone photos")).await? {
        // The other end is below.
        let _ = queue.send(photo_id);
    }
    Ok((queue, tokio::spawn(work(db, photos))))
}

async fn work(db: Db, mut photos: UnboundedReceiver<i64>) {
    while let Some(photo_id) = photos.recv().await {
        if let Err(error) = process(&db, photo_id).await {
            eprintln!("photo {photo_id} could not be processed: {error:?}");
            if let Err(error) = set_status(&db, photo_id, "failed").await {
                eprintln!("and that could not be noted: {error}");
            }
        }
    }
}

async fn process(db: &Db, photo_id: i64) -> Result<(), Refusal> {
    set_status(db, photo_id, "processing").await?;
    // Its album may have been deleted since.
    let Some(photo) = photos::details(db, photo_id).await? else { return Ok(()) };
    let bytes = tokio::fs::read(db.file(photo_id)).await?;
    finish(db, &photo, &faces::detect(&bytes)).await
}

#[cache_invalidate(photos::status(photo_id))]
async fn set_status(db: &Db, photo_id: i64, status: &str) -> Result<(), sqlx::Error> {
    let set = sqlx::query("UPDATE photos SET status = ? WHERE id = ? AND status <> 'done'");
    set.bind(status).bind(photo_id).execute(db.ask("set status")).await.map(|_| ())
}

// Deferred invalidation: not the request that uploaded, but this task clears what shows faces, when they are there. Not
// `photo:<photo.id>:*`: that would take the counter of its downloads with it.
#[cache_invalidate(
    photos::status(photo.id),
    faces::of_album(photo.album_id),
    faces::clusters(photo.album_id),
    albums::summary(photo.album_id),
    tags = ["faces"],
)]
async fn finish(db: &Db, photo: &Photo, faces: &[Vec<f32>]) -> Result<(), Refusal> {
    let mut finishing = db.write("store faces").await?;
    // Another program that began while this one was at it may have done the same.
    let done =
        sqlx::query("UPDATE photos SET status = 'done' WHERE id = ? AND status <> 'done'").bind(photo.id);
    if done.execute(&mut *finishing).await?.rows_affected() == 0 {
        return Ok(());
    }
    for face in faces {
        sqlx::query("INSERT INTO faces (photo_id, album_id, embedding) VALUES (?, ?, ?)")
            .bind(photo.id)
            .bind(photo.album_id)
            .bind(serde_json::json!(face).to_string())
            .execute(&mut *finishing)
            .await?;
    }
    finishing.commit().await?;
    Ok(())
}
