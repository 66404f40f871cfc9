//! What can go wrong with a request, and how it is answered.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("there is no such user: take an id that exists, such as 1")]
    NoUser,
    #[error("{0}")]
    Refused(&'static str),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the request could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NoUser => StatusCode::NOT_FOUND,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
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
