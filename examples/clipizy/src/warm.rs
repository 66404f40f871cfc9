//! What is loaded before anybody asks for it: active users, the system's settings, popular clips.

use std::collections::HashMap;

use larder::{Cache, Key, Warmed};
use serde::Serialize;

use crate::database::Database;
use crate::error::{Error, Result};

/// So many loads at once: the rest of the program needs the database, too.
const AT_ONCE: usize = 4;

/// How many users are active, and so worth it.
const ACTIVE: i64 = 20;

/// What was there, and what was not.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    loaded: usize,
    there_already: usize,
    failed: usize,
}

/// Loads what is missing.
pub(crate) async fn warm(database: &Database) -> Result<Report> {
    let cache = Cache::global();
    let mut report = Report::default();

    // The keys are those of the cached functions, so that these find what is stored.
    let users = database.active_users(ACTIVE).await?;
    let users: HashMap<Key, i64> = users.into_iter().map(|id| (database.user_key(id), id)).collect();
    let load = async |key: Key| {
        let id = users.get(&key).copied().unwrap_or_default();
        database.user_uncached(id).await?.ok_or_else(|| Error::not_found(format!("user {id} is gone")))
    };
    report.add(&cache.warm(users.keys(), AT_ONCE, load).ttl(super::HOUR).await);

    let popular = database.popular().await?;
    let clips: HashMap<Key, i64> = popular.iter().map(|clip| (database.clip_key(clip.id), clip.id)).collect();
    let load = async |key: Key| {
        let id = clips.get(&key).copied().unwrap_or_default();
        database.clip_uncached(id).await?.ok_or_else(|| Error::not_found(format!("clip {id} is gone")))
    };
    report.add(&cache.warm(clips.keys(), AT_ONCE, load).ttl(super::HOUR / 2).await);

    let load = |_| database.settings_uncached();
    report.add(&cache.warm([database.settings_key()], 1, load).await);
    Ok(report)
}

impl Report {
    fn add(&mut self, warmed: &Warmed<Error>) {
        self.loaded += warmed.loaded.len();
        self.there_already += warmed.hits.len();
        self.failed += warmed.failed.len();
    }
}
