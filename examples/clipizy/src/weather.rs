//! The API service: answers of a service outside, kept so that it is asked seldom. What the original's `APICacheMixin` was for.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::HOST;
use axum::http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use larder::cached;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::error::{Error, Result};

/// The longest that the outside may take, and the most that it may say.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST: usize = 64 << 10;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Weather {
    pub place: String,
    pub celsius: i64,
    pub sky: String,
    /// The number of the answer at the service outside.
    pub reading: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct WeatherService {
    outside: SocketAddr,
}

impl WeatherService {
    /// `url` is `http://` and the address of the service.
    pub(crate) fn new(url: &str) -> Result<Self> {
        let address =
            url.strip_prefix("http://").and_then(|address| address.trim_end_matches('/').parse().ok());
        let outside = address.ok_or_else(|| {
            Error::bad_request(format!("`WEATHER_URL={url}` is not allowed: write `http://127.0.0.1:8080`"))
        })?;
        Ok(Self { outside })
    }

    // `stale`: if the outside is down when the half hour is over, its last answer does for six hours more.
    #[cached(key = "weather:<place:lower>", ttl = "30m", stale = "6h", none_ttl = "1m", skip(self))]
    pub(crate) async fn weather(&self, place: &str) -> Result<Option<Weather>> {
        match tokio::time::timeout(PATIENCE, self.fetch(place)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(Error::Outside(format!("the weather service took more than {PATIENCE:?}"))),
        }
    }

    async fn fetch(&self, place: &str) -> Result<Option<Weather>> {
        let path: Uri = format!("/weather/{}", in_path(place)).parse().map_err(outside)?;
        let request = Request::get(path).header(HOST, self.outside.to_string());
        let request = request.body(Empty::<Bytes>::new()).map_err(outside)?;
        let stream = TcpStream::connect(self.outside).await.map_err(outside)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(outside)?;
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.map_err(outside)?.into_parts();
        match head.status {
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::OK => {}
            status => return Err(Error::Outside(format!("the weather service answered {status}"))),
        }
        let body = Limited::new(body, MOST).collect().await.map_err(outside)?.to_bytes();
        serde_json::from_slice(&body).map(Some).map_err(outside)
    }
}

fn outside(error: impl std::fmt::Display) -> Error {
    Error::Outside(format!("the weather service cannot be asked: {error}"))
}

/// `text` as one segment of a path.
fn in_path(text: &str) -> String {
    use std::fmt::Write as _;

    let mut path = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}
