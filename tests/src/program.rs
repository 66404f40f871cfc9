//! An example as its user runs it: its own process, its own database file, told by environment variables, asked over HTTP.

use std::fmt::Debug;
use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::redis::Server;

/// What an example says when it listens, before its address.
const LISTENING: &str = "listening on http://";

// The program ends with its keeper, and the keeper with the pipe to it: no test leaves a program behind, not even one that
// is killed. What comes through the pipe are names of signals to pass on. Only the program keeps what it prints to open, so
// that its end is seen.
const KEEPER: &str = r#""$0" "$@" & exec >/dev/null; while read -r signal; do kill -"$signal" $!; done; kill -9 $! 2>/dev/null; wait"#;

/// A running example.
///
/// It is told `ADDRESS=127.0.0.1:0`, `DATABASE_URL`, which cache to use, and to be patient with Redis: a test of an outage says
/// `REDIS_TIMEOUT` itself. The lines that it prints before
/// `listening on http://…` are its own affair.
#[derive(Debug)]
pub struct Program {
    keeper: Child,
    said: BufReader<ChildStdout>,
    address: SocketAddr,
    /// A program opens its database again whenever it needs one more connection.
    _database: Arc<Folder>,
}

/// Where an example's values live.
#[derive(Debug)]
pub enum Backend {
    /// In its process.
    Memory,
    /// In a Redis of the test.
    Redis(Server),
    /// In a Redis of the test, with a near copy in its process.
    Tiered(Server),
}

impl Backend {
    /// All three, each with a server of its own.
    #[must_use]
    pub fn all() -> [Self; 3] {
        [Self::Memory, Self::Redis(Server::start()), Self::Tiered(Server::start())]
    }

    /// The server, where there is one.
    #[must_use]
    pub fn server(&self) -> Option<&Server> {
        match self {
            Self::Memory => None,
            Self::Redis(server) | Self::Tiered(server) => Some(server),
        }
    }

    /// The name that `CACHE_BACKEND` has for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis(_) => "redis",
            Self::Tiered(_) => "tiered",
        }
    }
}

/// A file for a database, which is gone with it and the programs that were given it.
#[derive(Debug)]
pub struct Database {
    folder: Arc<Folder>,
}

/// A folder, which is removed with it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Database {
    /// A place in which no file is yet.
    ///
    /// # Panics
    ///
    /// If there can be no folder.
    #[must_use]
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("larder-database-{:016x}", crate::redis::random()));
        std::fs::create_dir(&folder).expect("a folder for the database");
        Self { folder: Arc::new(Folder(folder)) }
    }

    /// The URL of a file of SQLite, made when it is opened.
    #[must_use]
    pub fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.folder.0.join("example.db").display())
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a request was answered with.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// Its body, which is JSON.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
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

impl Program {
    /// Runs `binary` (an example's own tests have it as `env!("CARGO_BIN_EXE_…")`) and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it ends before; what it wrote to standard error is in the test's.
    #[must_use]
    pub fn start(binary: &str, backend: &Backend, database: &Database) -> Self {
        Self::start_with(binary, backend, database, &[])
    }

    /// The same with further environment variables.
    ///
    /// # Panics
    ///
    /// If it ends before it listens.
    #[must_use]
    pub fn start_with(
        binary: &str,
        backend: &Backend,
        database: &Database,
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, binary]);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CACHE_") || name.starts_with("REDIS_")) {
                command.env_remove(name);
            }
        }
        command.env("ADDRESS", "127.0.0.1:0").env("DATABASE_URL", database.url());
        command.env("CACHE_BACKEND", backend.name());
        // Hits are counted, and on a busy machine Redis may take longer than a cache should wait for it.
        command.env("REDIS_TIMEOUT", "10s");
        if let Some(server) = backend.server() {
            command.env("REDIS_URL", server.url());
        }
        command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().expect("a shell");
        let mut said = BufReader::new(keeper.stdout.take().expect("a pipe"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            let read = said.read_line(&mut line).expect("a program that prints text");
            assert!(read > 0, "{binary} has ended before it listened");
            if let Some((_, address)) = line.split_once(LISTENING) {
                let address = address.trim().trim_end_matches('/');
                break address.parse().unwrap_or_else(|_| panic!("{line:?} names no address"));
            }
        };
        Self { keeper, said, address, _database: Arc::clone(&database.folder) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next line that it prints; nothing if it has ended.
    ///
    /// # Panics
    ///
    /// If it prints what is not text.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.said.read_line(&mut line).expect("a program that prints text");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// Interrupts it, as Ctrl-C does, and waits for its end: the lines that it printed until then.
    ///
    /// # Panics
    ///
    /// If it cannot be told.
    pub fn interrupt(&mut self) -> Vec<String> {
        let pipe = self.keeper.stdin.as_mut().expect("a pipe");
        pipe.write_all(b"INT\n").expect("a keeper that reads");
        std::iter::from_fn(|| self.line()).collect()
    }

    /// Asks for `path`, and for JSON from it.
    ///
    /// # Panics
    ///
    /// If the answer is not 200 with such JSON.
    pub async fn json<T: DeserializeOwned>(&self, path: &str) -> T {
        let reply = self.send(Method::GET, path, None::<&Value>, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "GET {path}: {}", String::from_utf8_lossy(&reply.body));
        reply.json()
    }

    /// Sends `body` as JSON to `path`.
    ///
    /// # Panics
    ///
    /// If the answer is no success.
    pub async fn post(&self, path: &str, body: impl Serialize + Debug) -> Reply {
        let reply = self.send(Method::POST, path, Some(&body), &[]).await;
        assert!(reply.status.is_success(), "POST {path}: {reply:?}");
        reply
    }

    /// Sends any request.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let Some(body) = body else { return self.send_bytes(method, path, Vec::new(), headers).await };
        let bytes = serde_json::to_vec(body).expect("JSON");
        let headers: Vec<_> =
            headers.iter().copied().chain([(CONTENT_TYPE.as_str(), "application/json")]).collect();
        self.send_bytes(method, path, bytes, &headers).await
    }

    /// Sends any request with these bytes as its body.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request =
            Request::builder().method(method).uri(path).header("host", self.address.to_string());
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let stream = TcpStream::connect(self.address).await.expect("the program listens");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a whole answer").to_bytes();
        drop(sender);
        let _ = connection.await;
        Reply { status: head.status, headers: head.headers, body }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
