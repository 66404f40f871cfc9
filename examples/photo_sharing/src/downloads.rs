//! Downloads, counted in the cache and written to the database every ten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder::Cache;

use crate::db::Db;

/// How many downloads are written as one.
const AT_ONCE: i64 = 10;

/// A counter stays until it has been written and then not been used for so long.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// Pattern 5: the counters. Each holds *all* downloads of its photo, so that writing one twice, or two programs
/// writing it in either order, does no harm: the database keeps the larger number.
#[derive(Clone, Debug)]
pub(crate) struct Downloads {
    db: Db,
    cache: Cache,
    /// The last count of each photo that this program has made and nobody has written yet.
    unwritten: Arc<Mutex<BTreeMap<i64, i64>>>,
}

impl Downloads {
    pub(crate) fn new(db: Db, cache: Cache) -> Self {
        Self { db, cache, unwritten: Arc::default() }
    }

    /// Counts one more.
    pub(crate) async fn count(&self, photo_id: i64) -> Result<(), sqlx::Error> {
        let count = match self.increment(photo_id).await? {
            Ok(count) => count,
            Err(error) => {
                eprintln!("a download is counted in the database, without the cache: {error}");
                return self.without_cache(photo_id).await;
            }
        };
        // Before it is written, so that it is known if that fails.
        self.remember(photo_id, count);
        if count % AT_ONCE == 0 {
            self.write(photo_id, count).await?;
            // A counter keeps the time that it has. If this fails it has at least some of its week left.
            let _ = self.cache.expire(key(photo_id), WEEK).await;
        }
        Ok(())
    }

    /// How many there are.
    pub(crate) async fn so_far(&self, photo_id: i64) -> Result<i64, sqlx::Error> {
        match self.cache.get::<i64>(key(photo_id)).await {
            Ok(Some(count)) => Ok(count),
            Ok(None) | Err(_) => Ok(self.written(photo_id).await?.max(self.remembered(photo_id))),
        }
    }

    /// Writes what is not yet: before the program ends, and before somebody clears the cache.
    pub(crate) async fn write_all(&self) -> Result<(), sqlx::Error> {
        let unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (photo_id, count) in unwritten {
            self.write(photo_id, count).await?;
        }
        Ok(())
    }

    async fn increment(&self, photo_id: i64) -> Result<larder::Result<i64>, sqlx::Error> {
        // Not `get`: of a counter that Redis has lost a near copy may be left, and the next would begin at one.
        match self.cache.exists(key(photo_id)).await {
            Ok(true) => {}
            Ok(false) => {
                let count = self.written(photo_id).await?.max(self.remembered(photo_id));
                // Of several programs that find none, the first sets where it begins.
                if let Err(error) = self.cache.set_if_absent(key(photo_id), &count, WEEK).await {
                    return Ok(Err(error));
                }
            }
            Err(error) => return Ok(Err(error)),
        }
        Ok(self.cache.increment(key(photo_id), 1).await)
    }

    async fn without_cache(&self, photo_id: i64) -> Result<(), sqlx::Error> {
        let count: Option<i64> = sqlx::query_scalar(
            "UPDATE photos SET downloads = MAX(downloads, ?) + 1 WHERE id = ? RETURNING downloads",
        )
        .bind(self.remembered(photo_id))
        .bind(photo_id)
        .fetch_optional(self.db.ask("write downloads"))
        .await?;
        self.forget(photo_id, count.unwrap_or(i64::MAX));
        // Owed until the cache can be reached: then the counter begins anew, from the database.
        let _ = self.cache.delete(key(photo_id)).await;
        Ok(())
    }

    async fn written(&self, photo_id: i64) -> Result<i64, sqlx::Error> {
        let count = sqlx::query_scalar("SELECT downloads FROM photos WHERE id = ?");
        let count = count.bind(photo_id).fetch_optional(self.db.ask("read downloads")).await?;
        Ok(count.unwrap_or_default())
    }

    async fn write(&self, photo_id: i64, count: i64) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE photos SET downloads = MAX(downloads, ?) WHERE id = ?")
            .bind(count)
            .bind(photo_id)
            .execute(self.db.ask("write downloads"))
            .await?;
        self.forget(photo_id, count);
        Ok(())
    }

    fn remember(&self, photo_id: i64, count: i64) {
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let last = unwritten.entry(photo_id).or_default();
        *last = count.max(*last);
    }

    fn remembered(&self, photo_id: i64) -> i64 {
        let unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        unwritten.get(&photo_id).copied().unwrap_or_default()
    }

    /// Unless more came meanwhile.
    fn forget(&self, photo_id: i64, written: i64) {
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        if unwritten.get(&photo_id).is_some_and(|count| *count <= written) {
            unwritten.remove(&photo_id);
        }
    }
}

fn key(photo_id: i64) -> String {
    format!("photo:{photo_id}:downloads")
}
