//! A connection of one reader, kept open.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Failure;
use super::traffic::Wanted;
use crate::routes::CACHE;

pub(super) struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    cache: Option<String>,
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender.
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string() })
    }

    /// Sends it, and reads the whole answer.
    pub(super) async fn ask(&mut self, wanted: &Wanted) -> Result<Answer, Failure> {
        let request = Request::builder()
            .method(wanted.method.clone())
            .uri(&wanted.path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(wanted.body.clone())))?;
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        body.collect().await?;
        let cache = head.headers.get(CACHE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Answer { status: head.status, cache })
    }
}

impl Answer {
    pub(super) fn is_hit(&self) -> bool {
        matches!(self.cache.as_deref(), Some("local_hit" | "remote_hit" | "stale"))
    }

    /// Whether the cache was asked at all.
    pub(super) fn is_asked(&self) -> bool {
        self.cache.as_deref().is_some_and(|cache| cache != "bypassed")
    }
}
