//! The program under test with its database, and the few ways in which tests talk to it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use axum::http::{Method, StatusCode};
use serde_json::Value;
use tests::program::{Backend, Database, Program, Reply};
use tests::until_async;

const BINARY: &str = env!("CARGO_BIN_EXE_photo_sharing");

/// Ada, who may do everything.
const ADA: (&str, &str) = ("x-user", "1");

/// A running program.
#[derive(Debug)]
pub(crate) struct Service(Program);

impl Deref for Service {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.0
    }
}

impl DerefMut for Service {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.0
    }
}

impl Service {
    pub(crate) fn start(backend: &Backend, database: &Database) -> Self {
        Self::start_with(backend, database, &[])
    }

    pub(crate) fn start_with(backend: &Backend, database: &Database, variables: &[(&str, &str)]) -> Self {
        Self(Program::start_with(BINARY, backend, database, variables))
    }

    /// The answer to `GET path`, whatever it is.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None::<&Value>, &[]).await
    }

    /// Its status alone.
    pub(crate) async fn status(&self, path: &str) -> StatusCode {
        self.get(path).await.status
    }

    /// Changes something as Ada.
    pub(crate) async fn change(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let reply = self.send(method, path, body.as_ref(), &[ADA]).await;
        assert!(reply.status.is_success(), "{path}: {reply:?}");
        reply
    }

    pub(crate) async fn put(&self, path: &str, body: Value) {
        self.change(Method::PUT, path, Some(body)).await;
    }

    /// Uploads a photo to an album as Ada; its id.
    pub(crate) async fn upload(&self, album: i64, name: &str, bytes: &[u8]) -> i64 {
        let path = format!("/albums/{album}/photos?name={name}");
        let headers = [ADA, ("content-type", "image/png")];
        let reply = self.send_bytes(Method::POST, &path, bytes.to_vec(), &headers).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
        reply.json::<Value>()["id"].as_i64().unwrap()
    }

    /// Waits until the faces of a photo have been found, as its status says. The status is cached, so it has to be
    /// invalidated for that.
    pub(crate) async fn processed(&self, photo: i64) {
        let path = format!("/photos/{photo}/status");
        until_async(async || self.json::<Value>(&path).await["status"] == "done").await;
    }

    /// How often the program has asked its database, by the names of the queries.
    pub(crate) async fn queries(&self) -> BTreeMap<String, u64> {
        let stats: Value = self.json("/stats").await;
        serde_json::from_value(stats["queries"].clone()).unwrap()
    }

    /// How often it has begun one of them.
    pub(crate) async fn asked(&self, query: &str) -> u64 {
        self.queries().await.get(query).copied().unwrap_or_default()
    }

    /// Asks for `path`, which has to be answered from the cache: without a question to the database.
    pub(crate) async fn hit(&self, path: &str) -> Value {
        let before = self.queries().await;
        let value = self.json(path).await;
        assert_eq!(self.queries().await, before, "GET {path} has asked the database");
        value
    }
}

/// A photo with one face: of `count` bytes `A` and as many others that it takes to a hundred.
///
/// The face of 90 is like that of 100 by 0.994, and that of 60 by 0.832.
pub(crate) fn photo(count: usize) -> Vec<u8> {
    let mut bytes = vec![b'A'; count];
    bytes.resize(100, b'a');
    bytes
}
