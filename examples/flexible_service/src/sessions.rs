//! Sessions, in a cache of their own: with its own namespace, and on its own server if the environment names one.

use larder::{Named, cache_invalidate, cached};

use crate::db::Database;
use crate::problem::Problem;

/// Told by `SESSIONS_CACHE_BACKEND`, `SESSIONS_REDIS_URL` …; where these say nothing, by the same names without `SESSIONS_`.
pub(crate) static SESSIONS: Named = Named::new("sessions");

/// Whose session it is. The token itself is in no key: whoever can list the keys can log in as nobody.
#[cached(key = "session:<token:hash>", ttl = "5m", cache = SESSIONS, skip(db))]
pub(crate) async fn user_of(db: &Database, token: &str) -> Result<Option<i64>, Problem> {
    let user = sqlx::query_scalar("SELECT user FROM sessions WHERE token = ?").bind(token);
    Ok(user.fetch_optional(db.query()).await?)
}

/// Begins a session: its token, if there is such a user.
pub(crate) async fn log_in(db: &Database, user: i64) -> Result<Option<String>, Problem> {
    let begin =
        "INSERT INTO sessions SELECT lower(hex(randomblob(16))), id FROM users WHERE id = ? RETURNING token";
    Ok(sqlx::query_scalar(begin).bind(user).fetch_optional(db.query()).await?)
}

/// Ends a session: from here on its token is worth nothing, whatever is going on at the time.
#[cache_invalidate(user_of(token), cache = SESSIONS)]
pub(crate) async fn log_out(db: &Database, token: &str) -> Result<(), Problem> {
    sqlx::query("DELETE FROM sessions WHERE token = ?").bind(token).execute(db.query()).await?;
    Ok(())
}
