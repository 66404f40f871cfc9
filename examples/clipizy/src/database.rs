//! The database service: users, clips, places and the system's settings, in rows of SQLite. What the original's
//! `DatabaseCacheMixin` wrapped by hand are attributes here.

use std::collections::HashMap;

use larder::{cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqlitePool;
use sqlx::{FromRow, QueryBuilder, Sqlite};

use crate::error::Result;
use crate::work::Work;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromRow)]
pub(crate) struct User {
    pub id: i64,
    pub name: String,
    pub plan: String,
    /// Grows with each change.
    pub revision: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromRow)]
pub(crate) struct Clip {
    pub id: i64,
    pub owner: i64,
    pub title: String,
    pub style: String,
    pub views: i64,
    /// The name of its file, once it is rendered.
    pub rendered: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromRow)]
pub(crate) struct Place {
    pub code: String,
    pub kind: String,
    pub name: String,
}

/// What may be changed of a user.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    pub name: String,
    pub plan: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Database {
    rows: SqlitePool,
    work: Work,
}

impl Database {
    pub(crate) fn new(rows: SqlitePool, work: Work) -> Self {
        Self { rows, work }
    }

    /// The rows, for one statement, which is counted.
    pub(crate) fn ask(&self) -> &SqlitePool {
        self.work.queries.count();
        &self.rows
    }

    // `cached_query(f"user:{id}", …, ttl=3600)` of the original.
    #[cached(key = "user:<id>", ttl = "1h", none_ttl = "10s", skip(self))]
    pub(crate) async fn user(&self, id: i64) -> Result<Option<User>> {
        let query = sqlx::query_as("SELECT id, name, plan, revision FROM users WHERE id = ?");
        Ok(query.bind(id).fetch_optional(self.ask()).await?)
    }

    // Many of the same entries: one look-up for all, and one statement for those that are missing.
    #[cached(key = "user:<id>", ttl = "1h", none_ttl = "10s", each(id in ids), skip(self), shared)]
    pub(crate) async fn users(&self, ids: &[i64]) -> Result<HashMap<i64, User>> {
        let mut query =
            QueryBuilder::<Sqlite>::new("SELECT id, name, plan, revision FROM users WHERE id IN (");
        let mut list = query.separated(", ");
        for id in ids {
            list.push_bind(id);
        }
        query.push(")");
        let users: Vec<User> = query.build_query_as().fetch_all(self.ask()).await?;
        Ok(users.into_iter().map(|user| (user.id, user)).collect())
    }

    // `invalidate_query_cache("users")`: here only what this user is in.
    #[cache_invalidate(self.user(id), "user:<id>:*")]
    pub(crate) async fn update_user(&self, id: i64, change: &Change) -> Result<Option<User>> {
        let query = sqlx::query_as(
            "UPDATE users SET name = ?, plan = ?, revision = revision + 1 WHERE id = ? RETURNING id, name, plan, revision",
        );
        let query = query.bind(&change.name).bind(&change.plan).bind(id);
        Ok(query.fetch_optional(self.ask()).await?)
    }

    /// Users who were here last.
    pub(crate) async fn active_users(&self, count: i64) -> Result<Vec<i64>> {
        let query = sqlx::query_scalar("SELECT id FROM users ORDER BY last_seen DESC, id LIMIT ?");
        Ok(query.bind(count).fetch_all(self.ask()).await?)
    }

    #[cached(key = "clip:<id>", ttl = "30m", skip(self))]
    pub(crate) async fn clip(&self, id: i64) -> Result<Option<Clip>> {
        let query = sqlx::query_as("SELECT id, owner, title, style, views, rendered FROM clips WHERE id = ?");
        Ok(query.bind(id).fetch_optional(self.ask()).await?)
    }

    #[cached(key = "user:<owner>:clips", ttl = "10m", skip(self))]
    pub(crate) async fn clips_of(&self, owner: i64) -> Result<Vec<Clip>> {
        let query = sqlx::query_as(
            "SELECT id, owner, title, style, views, rendered FROM clips WHERE owner = ? ORDER BY id",
        );
        Ok(query.bind(owner).fetch_all(self.ask()).await?)
    }

    // What a user typed is a value in the key: `*` and `:` are escaped there, and ask for themselves.
    #[cached(key = "search:<text:lower>", ttl = "1m", tags = ["clips"], skip(self))]
    pub(crate) async fn search(&self, text: &str) -> Result<Vec<Clip>> {
        let query = sqlx::query_as(
            "SELECT id, owner, title, style, views, rendered FROM clips \
             WHERE instr(lower(title), lower(?)) > 0 ORDER BY id LIMIT 50",
        );
        Ok(query.bind(text).fetch_all(self.ask()).await?)
    }

    #[cached(key = "clips:popular", ttl = "5m", stale = "1m", tags = ["clips"], skip(self))]
    pub(crate) async fn popular(&self) -> Result<Vec<Clip>> {
        let query = sqlx::query_as(
            "SELECT id, owner, title, style, views, rendered FROM clips ORDER BY views DESC, id LIMIT 10",
        );
        Ok(query.fetch_all(self.ask()).await?)
    }

    #[cache_invalidate(self.clip(id), "user:<result.owner>:clips", tags = ["clips"])]
    pub(crate) async fn rename_clip(&self, id: i64, title: &str) -> Result<Option<Clip>> {
        let query = sqlx::query_as(
            "UPDATE clips SET title = ?, rendered = NULL WHERE id = ? \
             RETURNING id, owner, title, style, views, rendered",
        );
        Ok(query.bind(title).bind(id).fetch_optional(self.ask()).await?)
    }

    /// Says where the clip is, if nobody has said so before.
    #[cache_invalidate(self.clip(clip.id), "user:<clip.owner>:clips", tags = ["clips"])]
    pub(crate) async fn set_rendered(&self, clip: &Clip, file: &str) -> Result<bool> {
        let query = sqlx::query("UPDATE clips SET rendered = ? WHERE id = ? AND rendered IS NULL");
        Ok(query.bind(file).bind(clip.id).execute(self.ask()).await?.rows_affected() > 0)
    }

    // Large and nearly constant: this is what compression is for.
    #[cached(key = "places:<country:lower>", ttl = "1d", skip(self))]
    pub(crate) async fn places(&self, country: &str) -> Result<Vec<Place>> {
        let query =
            sqlx::query_as("SELECT code, kind, name FROM places WHERE country = upper(?) ORDER BY code");
        Ok(query.bind(country).fetch_all(self.ask()).await?)
    }

    // Without `ttl` it lives as long as `CACHE_DEFAULT_TTL` says.
    #[cached(key = "system:settings", skip(self))]
    pub(crate) async fn settings(&self) -> Result<HashMap<String, String>> {
        let query = sqlx::query_as("SELECT name, value FROM settings");
        let rows: Vec<(String, String)> = query.fetch_all(self.ask()).await?;
        Ok(rows.into_iter().collect())
    }

    #[cache_invalidate(self.settings())]
    pub(crate) async fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        let query = sqlx::query("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)");
        query.bind(name).bind(value).execute(self.ask()).await?;
        Ok(())
    }
}
