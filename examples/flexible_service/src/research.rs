//! Research: requests with many parts, which are the key as a hash, and the questions that a user has asked.

use larder::{cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::db::Database;
use crate::problem::Problem;

/// What is looked for. The order in which a client writes the fields does not matter.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) question: String,
    #[serde(default)]
    pub(crate) countries: Vec<String>,
    #[serde(default = "ten")]
    pub(crate) limit: u32,
}

const fn ten() -> u32 {
    10
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Findings {
    pub(crate) found: i64,
    pub(crate) places: Vec<Place>,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Place {
    pub(crate) code: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) country: String,
}

/// Looks for the question in the names of all subdivisions: of these countries, or of all.
/// Kept for as long as the environment says, `CACHE_DEFAULT_TTL`.
#[cached(key = "research:<request:hash>", skip(db))]
pub(crate) async fn conduct(db: &Database, request: &Request) -> Result<Findings, Problem> {
    let countries = serde_json::to_string(&request.countries)?;
    let places = "SELECT s.code, s.kind, s.name, c.name AS country FROM subdivisions s JOIN countries c ON c.code = s.country
                  WHERE instr(lower(s.name), lower(?1)) > 0
                    AND (json_array_length(?2) = 0 OR s.country IN (SELECT value FROM json_each(?2)))
                  ORDER BY s.code";
    let mut places: Vec<Place> =
        sqlx::query_as(places).bind(&request.question).bind(countries).fetch_all(db.query()).await?;
    let found = i64::try_from(places.len()).unwrap_or(i64::MAX);
    places.truncate(request.limit as usize);
    Ok(Findings { found, places })
}

/// What a user has asked, the newest first, in pages of ten.
#[cached(key = "user_research:<user>:<page>", ttl = "1h", skip(db))]
pub(crate) async fn questions(db: &Database, user: i64, page: u32) -> Result<Vec<String>, Problem> {
    let questions = "SELECT question FROM questions WHERE user = ? ORDER BY id DESC LIMIT 10 OFFSET ?";
    Ok(sqlx::query_scalar(questions).bind(user).bind(page * 10).fetch_all(db.query()).await?)
}

/// Notes a question of a user.
#[cache_invalidate(questions(user, _))]
pub(crate) async fn note(db: &Database, user: i64, question: &str) -> Result<(), Problem> {
    let note = "INSERT INTO questions (user, question) SELECT id, ? FROM users WHERE id = ?";
    sqlx::query(note).bind(question).bind(user).execute(db.query()).await?;
    Ok(())
}
