//! What goes wrong, as HTTP says it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sea_orm::{DbErr, SqlErr};
use serde_json::json;

#[derive(Debug)]
pub(crate) enum Failure {
    /// There is nothing of this name.
    Missing(String),
    /// The request cannot be meant like that; what to do.
    Refused(String),
    Database(DbErr),
    Cache(larder::Error),
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => {
                Self::Refused("there is one of that name already: choose another".to_owned())
            }
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => {
                Self::Refused("it names something that is not there: ask for the lists first".to_owned())
            }
            _ if matches!(error, DbErr::RecordNotUpdated) => Self::Missing("nothing has this id".to_owned()),
            _ => Self::Database(error),
        }
    }
}

impl From<larder::Error> for Failure {
    fn from(error: larder::Error) -> Self {
        Self::Cache(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Missing(text) => (StatusCode::NOT_FOUND, text),
            Self::Refused(text) => (StatusCode::BAD_REQUEST, text),
            Self::Database(error) => {
                eprintln!("the database: {error}");
                (StatusCode::INTERNAL_SERVER_ERROR, "the database failed".to_owned())
            }
            Self::Cache(error) => {
                eprintln!("the cache: {error}");
                (StatusCode::BAD_GATEWAY, "the cache failed".to_owned())
            }
        };
        (status, Json(json!({ "error": text }))).into_response()
    }
}
