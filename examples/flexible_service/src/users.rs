//! Users, for an hour, and what a change of one drops.

use larder::{cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::db::Database;
use crate::problem::Problem;

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Subscription {
    pub(crate) plan: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    pub(crate) name: String,
    pub(crate) plan: String,
}

#[cached(key = "user:<id>", ttl = "1h", skip(db))]
pub(crate) async fn user(db: &Database, id: i64) -> Result<Option<User>, Problem> {
    Ok(sqlx::query_as("SELECT id, name FROM users WHERE id = ?").bind(id).fetch_optional(db.query()).await?)
}

#[cached(key = "user_subscription:<id>", ttl = "1h", skip(db))]
pub(crate) async fn subscription(db: &Database, id: i64) -> Result<Option<Subscription>, Problem> {
    Ok(sqlx::query_as("SELECT plan FROM users WHERE id = ?").bind(id).fetch_optional(db.query()).await?)
}

/// Changes a user, and drops what is known of that user in three families of keys.
#[cache_invalidate(user(id), subscription(id), "user_research:<id>:*")]
pub(crate) async fn update(db: &Database, id: i64, change: &UserChange) -> Result<Option<User>, Problem> {
    let update = "UPDATE users SET name = ?, plan = ? WHERE id = ? RETURNING id, name";
    let update = sqlx::query_as(update).bind(&change.name).bind(&change.plan).bind(id);
    Ok(update.fetch_optional(db.query()).await?)
}
