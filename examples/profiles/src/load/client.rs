//! A connection of one reader, kept open.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::traffic::Wanted;
use super::{Failure, Lookups};
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
    /// What came of asking the cache, if it was asked.
    pub(super) fn lookup(&self) -> Lookups {
        match self.cache.as_deref() {
            None | Some("bypassed") => Lookups::default(),
            Some("local_hit" | "remote_hit" | "stale") => Lookups { asked: 1, hits: 1, joined: 0 },
            Some("joined") => Lookups { asked: 1, hits: 0, joined: 1 },
            Some(_) => Lookups { asked: 1, hits: 0, joined: 0 },
        }
    }
}
