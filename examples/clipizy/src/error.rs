//! What can go wrong in this program, and what a client is told of it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// It can be cloned, so that callers who wait for one load share its error.
#[derive(Clone, Debug)]
pub(crate) enum Error {
    /// The request is at fault: its status, and what to do instead.
    Refused(StatusCode, String),
    /// The cache was asked by hand, and could not answer. A cached function never says this.
    Cache(String),
    /// The service outside did not answer, or with nonsense.
    Outside(String),
    /// The database or the disk.
    Storage(String),
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn bad_request(what: impl Into<String>) -> Self {
        Self::Refused(StatusCode::BAD_REQUEST, what.into())
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::Refused(StatusCode::NOT_FOUND, what.into())
    }

    pub(crate) fn conflict(what: impl Into<String>) -> Self {
        Self::Refused(StatusCode::CONFLICT, what.into())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

// What the reports ask their own server, past the cache.
impl From<redis::RedisError> for Error {
    fn from(error: redis::RedisError) -> Self {
        Self::Cache(format!("redis-server: {error}"))
    }
}

impl From<larder::Error> for Error {
    fn from(error: larder::Error) -> Self {
        Self::Cache(error.to_string())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Refused(status, text) => (status, text),
            Self::Cache(text) => (StatusCode::SERVICE_UNAVAILABLE, text),
            Self::Outside(text) => (StatusCode::BAD_GATEWAY, text),
            Self::Storage(text) => {
                eprintln!("clipizy: {text}");
                (StatusCode::INTERNAL_SERVER_ERROR, "this is our fault; the log says more".to_owned())
            }
        };
        (status, Json(json!({ "error": text }))).into_response()
    }
}
