//! An admin router that is asked without a network, and the answers that it gives. None may show a secret.

use larder::http::axum::Router;
use larder::http::axum::body::{Body, to_bytes};
use larder::http::axum::http::{HeaderMap, Request, StatusCode};
use larder::http::{Bearer, admin};
use larder::{Cache, Memory};
use serde_json::Value;
use tower_service::Service as _;

use crate::secrets::{self, MARK};

/// The token that a [`Desk`] knows.
pub const TOKEN: &str = "a-token-of-sufficient-length";

/// What a request was answered with.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
}

impl Answer {
    /// Its body, which is JSON.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The header `name`.
    ///
    /// # Panics
    ///
    /// If it is not ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A router and its cache, asked without a network.
#[derive(Debug)]
pub struct Desk {
    /// The router.
    pub router: Router,
    /// The cache behind it.
    pub cache: Cache,
}

impl Desk {
    /// A router over `cache`.
    ///
    /// # Panics
    ///
    /// If its token is refused.
    #[must_use]
    pub fn over(cache: Cache) -> Self {
        secrets::watch();
        let router = admin(cache.clone(), Bearer::new("operations", TOKEN).unwrap());
        Self { router, cache }
    }

    /// A router over a cache of its own, whose namespace is `shop`.
    #[must_use]
    pub fn shop() -> Self {
        Self::over(Cache::builder().namespace("shop").local(Memory::new(1_000)).build())
    }

    /// The answer to `request`.
    ///
    /// # Panics
    ///
    /// If it shows a secret, or may be kept by somebody.
    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        let shown = format!("{:?}{text}", parts.headers);
        assert!(!shown.contains(MARK), "a secret is shown: {shown}");
        for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")] {
            assert_eq!(parts.headers[name], value, "{shown}");
        }
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// The answer to who has the token and looks at `path`.
    ///
    /// # Panics
    ///
    /// As [`ask`](Self::ask).
    pub async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header("authorization", format!("Bearer {TOKEN}"));
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    /// The answer to who has the token and sends JSON to `path`.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.post_with(path, body, &[]).await
    }

    /// The same with more headers, or with another content type.
    ///
    /// # Panics
    ///
    /// As [`ask`](Self::ask).
    pub async fn post_with(&self, path: &str, body: impl Into<Body>, more: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header("authorization", format!("Bearer {TOKEN}"));
        if !more.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        self.ask(request.body(body.into()).unwrap()).await
    }
}
