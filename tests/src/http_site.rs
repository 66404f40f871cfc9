//! A small site for the tests of the HTTP layer: its pages say which state of the data they show, and stop at a gate.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use larder::http::{CacheLayer, CacheService};
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::Gate;

/// The headers of a response.
type Headers = Vec<(&'static str, String)>;

/// What the pages are made of, and how often one was made.
#[derive(Clone, Debug)]
pub struct Site {
    /// Each page stops here, after it has read the data.
    pub gate: Gate,
    /// A write counts it up; a page shows it as it was when its handler began.
    pub data: Arc<AtomicU64>,
    /// Calls of a handler that have begun.
    pub calls: Arc<AtomicU64>,
    /// What handlers say from now on.
    pub headers: Arc<Mutex<Headers>>,
}

/// What the site is as a service.
pub type Inner = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>;

impl Site {
    /// A site whose pages may be kept for a minute, with an open gate.
    #[must_use]
    pub fn new() -> Self {
        let site = Self {
            gate: Gate::default(),
            data: Arc::default(),
            calls: Arc::default(),
            headers: Arc::default(),
        };
        site.gate.open();
        site.says(&[("cache-control", "max-age=60")]);
        site
    }

    /// The same site, with a gate that is closed.
    #[must_use]
    pub fn held(&self) -> Self {
        Self { gate: Gate::default(), ..self.clone() }
    }

    /// Sets the headers of what is said from now on.
    ///
    /// # Panics
    ///
    /// If another test thread has panicked with them.
    pub fn says(&self, headers: &[(&'static str, &str)]) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        *self.headers.lock().unwrap() = headers;
    }

    /// Handlers that have begun.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Changes the data.
    pub fn write(&self) {
        self.data.fetch_add(1, Ordering::SeqCst);
    }

    async fn handle(self, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let headers = self.headers.lock().unwrap().clone();
        if *request.method() != Method::GET {
            self.write();
        }
        let data = self.data.load(Ordering::SeqCst);
        self.gate.pass().await;
        let mut response = Response::new(Full::from(data.to_string()));
        for (name, value) in headers {
            // Both are a test's own.
            response.headers_mut().append(name, value.parse().unwrap());
        }
        Ok(response)
    }

    /// The site behind `layer`.
    #[must_use]
    pub fn behind(&self, layer: &CacheLayer) -> CacheService<Inner> {
        let site = self.clone();
        let inner = service_fn(move |request| {
            let answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(site.clone().handle(request));
            answer
        });
        layer.layer(BoxCloneSyncService::new(inner))
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

/// A request for a page.
///
/// # Panics
///
/// If it is none.
#[must_use]
pub fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

/// What the site says to `request`, to its end.
///
/// # Panics
///
/// If it breaks off, or is no text.
pub async fn ask(service: &CacheService<Inner>, request: Request<Full<Bytes>>) -> Response<String> {
    let Ok(response) = service.clone().oneshot(request).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(head, String::from_utf8(body.to_vec()).unwrap())
}
