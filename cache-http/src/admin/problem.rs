//! What is answered instead of what was asked for: a status, a word for programs and a sentence for people.
//!
//! Both are written here. Nothing of a request, of an error of the cache or of its stores is repeated.

use std::time::Duration;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::view::json;

/// A refused request.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    retry_after: Option<Duration>,
}

impl Problem {
    const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message, retry_after: None }
    }

    pub(super) fn unknown() -> Self {
        let message = "send a token that is known here: `Authorization: Bearer <token>`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(super) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "you may not do this")
    }

    pub(super) fn cross_origin() -> Self {
        let message = "changes are made from the origin of this router, or by a program that is no browser";
        Self::new(StatusCode::FORBIDDEN, "cross_origin", message)
    }

    pub(super) fn too_many(wait: Duration) -> Self {
        let message = "too many changes at once; ask again after `Retry-After` seconds";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message);
        Self { retry_after: Some(wait), ..problem }
    }

    pub(super) fn not_json() -> Self {
        let message = "send JSON, and say so: `Content-Type: application/json`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message)
    }

    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "send at most 16 KiB")
    }

    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "send the whole body within 10 seconds")
    }

    pub(super) fn malformed() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "the body is not JSON")
    }

    /// JSON that does not say what it has to.
    pub(super) fn senseless(message: &'static str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "senseless", message)
    }

    pub(super) fn method() -> Self {
        let message = "this can be asked with the methods in `Allow` only";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    pub(super) fn nowhere() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.code, "message": self.message });
        let mut response = json(self.status, &body);
        if self.status == StatusCode::UNAUTHORIZED {
            let asked = HeaderValue::from_static("Bearer realm=\"larder\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, asked);
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds, and not too few of them.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
