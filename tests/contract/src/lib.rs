//! The shortest program: the user's card as it is written, with a database that counts.

pub mod db;
pub mod strict;

use db::DbError;
use larder::{cached, cache_invalidate};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub struct User { pub id: u64, pub name: String }

#[cached(ttl = 300, key = "user:<id>")]
pub async fn get_user(id: u64) -> Result<User, DbError> { db::load(id).await }

#[cache_invalidate("user:*")]
pub async fn import_users(rows: &[User]) -> Result<(), DbError> { db::replace(rows).await }
