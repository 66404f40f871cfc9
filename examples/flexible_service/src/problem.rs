//! What can go wrong with a request, and how it is answered.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    NotFound(&'static str),
    #[error("{0}")]
    Refused(&'static str),
    #[error("log in: `POST /sessions` gives a token, which goes into `Authorization: Bearer <token>`")]
    NoSession,
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the request could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::NoSession => StatusCode::UNAUTHORIZED,
            Self::Database(error) => {
                // For who runs the program; a client learns nothing of the database.
                eprintln!("{error}");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Json(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, format!("{self}\n")).into_response()
    }
}
