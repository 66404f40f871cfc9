//! The session service. Sessions are rows, and their cached copies live as long as they do: nobody is logged out by a
//! cache that is away, and who logs out is out everywhere.
//!
//! A token is a secret: it is in no key, where its hash stands for it, and in no value.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder::{cache_invalidate, cache_put, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::database::Database;
use crate::error::{Error, Result};

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Session {
    /// Not stored: whoever asks for a session knows it.
    #[serde(skip)]
    pub token: String,
    pub user: i64,
    /// Milliseconds since 1970.
    pub expires_at: i64,
}

impl Session {
    /// How long it still is one.
    fn left(&self) -> Duration {
        let left = self.expires_at.saturating_sub(now());
        Duration::from_millis(u64::try_from(left).unwrap_or_default())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    database: Database,
}

impl Sessions {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    // The next request of the session finds it.
    #[cache_put(key = "session:<result.token:hash>", ttl = |session| session.left())]
    pub(crate) async fn create(&self, user: i64, lasts: Duration) -> Result<Session> {
        let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        let query = sqlx::query_as(
            "INSERT INTO sessions (token, user, expires_at) SELECT lower(hex(randomblob(16))), id, ? FROM users \
             WHERE id = ? RETURNING token, user, expires_at",
        );
        let query = query.bind(now().saturating_add(lasts)).bind(user);
        let session = query.fetch_optional(self.database.ask()).await?;
        session.ok_or_else(|| Error::not_found(format!("there is no user {user} to log in")))
    }

    #[cached(key = "session:<token:hash>", ttl = |session| session.left(), skip(self))]
    pub(crate) async fn get(&self, token: &str) -> Result<Option<Session>> {
        let query =
            sqlx::query_as("SELECT token, user, expires_at FROM sessions WHERE token = ? AND expires_at > ?");
        Ok(query.bind(token).bind(now()).fetch_optional(self.database.ask()).await?)
    }

    #[cache_invalidate(self.get(token))]
    pub(crate) async fn logout(&self, token: &str) -> Result<bool> {
        let query = sqlx::query("DELETE FROM sessions WHERE token = ?").bind(token);
        Ok(query.execute(self.database.ask()).await?.rows_affected() > 0)
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
