//! What a request is refused with: a status, and a text that says what to do.

use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such thing.
    Nowhere(&'static str, i64),
    /// The request makes no sense.
    Bad(String),
    /// It does not say who asks.
    Nobody,
    /// Whoever asks may not.
    Forbidden(&'static str),
    /// Somebody else has that already.
    Taken(&'static str),
    /// The upload is of a kind that is not shown.
    Kind,
    /// The database is in trouble.
    Database(sqlx::Error),
    /// The folder of the photos is.
    Folder(std::io::Error),
    /// The task that was to answer has panicked.
    Task(tokio::task::JoinError),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(database) if database.is_unique_violation() => {
                Self::Taken("another one has this name or address already: choose another")
            }
            Some(database) if database.is_foreign_key_violation() => {
                Self::Bad("this refers to something that does not exist (any more)".to_owned())
            }
            _ => Self::Database(error),
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Folder(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Nowhere(what, id) => {
                (StatusCode::NOT_FOUND, format!("there is no {what} {id}: it may have been deleted"))
            }
            Self::Bad(text) => (StatusCode::BAD_REQUEST, text),
            Self::Nobody => (
                StatusCode::UNAUTHORIZED,
                "say who asks: send the header `x-user` with the id that `POST /login` returns".to_owned(),
            ),
            Self::Forbidden(text) => (StatusCode::FORBIDDEN, text.to_owned()),
            Self::Taken(text) => (StatusCode::CONFLICT, text.to_owned()),
            Self::Kind => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send the photo's bytes with `content-type: image/jpeg`, `image/png`, `image/gif` or `image/webp`"
                    .to_owned(),
            ),
            Self::Database(error) => internal(&error),
            Self::Folder(error) => internal(&error),
            Self::Task(error) => internal(&error),
        };
        (status, [(CACHE_CONTROL, "no-store")], text).into_response()
    }
}

fn internal(error: &dyn std::error::Error) -> (StatusCode, String) {
    eprintln!("a request has failed: {error}");
    (StatusCode::INTERNAL_SERVER_ERROR, "this is our fault, not yours: try again later".to_owned())
}

/// A text that people gave: not empty, and not longer than is shown.
pub(crate) fn checked<'t>(name: &str, text: &'t str) -> Result<&'t str, Refusal> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 100 {
        return Err(Refusal::Bad(format!("`{name}` has to have 1 to 100 characters")));
    }
    Ok(text)
}
