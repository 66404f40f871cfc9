//! Clipizy as its users have it: the program itself, asked over HTTP, with its values in memory, in Redis, and in both.

mod by_hand;
mod health;
mod outage;
mod services;
mod settings;
mod together;

use std::path::{Path, PathBuf};

use http::{Method, StatusCode};
use serde_json::Value;
use tests::program::{Backend, Database, Program, Reply};

const CLIPIZY: &str = env!("CARGO_BIN_EXE_clipizy");

fn start(backend: &Backend) -> (Program, Database) {
    let database = Database::new();
    (start_on(backend, &database, &[]), database)
}

/// Starts the program on `database`, with its files beside that, and told `variables`.
fn start_on(backend: &Backend, database: &Database, variables: &[(&str, &str)]) -> Program {
    let folder = folder(database);
    let files = [("FILES", folder.to_str().expect("a path in UTF-8"))];
    Program::start_with(CLIPIZY, backend, database, &[&files, variables].concat())
}

/// Where the files are of programs on `database`.
fn folder(database: &Database) -> PathBuf {
    let url = database.url();
    let path = url.strip_prefix("sqlite://").and_then(|path| path.split('?').next()).expect("a path");
    Path::new(path).with_file_name("files")
}

async fn ask(program: &Program, method: Method, path: &str, body: Option<Value>) -> Reply {
    program.send(method, path, body.as_ref(), &[]).await
}

async fn get(program: &Program, path: &str) -> Value {
    let reply = ask(program, Method::GET, path, None).await;
    assert_eq!(reply.status, StatusCode::OK, "GET {path}: {}", text(&reply));
    reply.json()
}

async fn put(program: &Program, path: &str, body: Value) -> Reply {
    ask(program, Method::PUT, path, Some(body)).await
}

async fn post(program: &Program, path: &str, body: Value) -> Reply {
    ask(program, Method::POST, path, Some(body)).await
}

async fn delete(program: &Program, path: &str) -> Reply {
    ask(program, Method::DELETE, path, None).await
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// Asserts that the request was refused, and that the answer says `why`.
fn refused(reply: &Reply, status: StatusCode, why: &str) {
    assert!(reply.status == status && text(reply).contains(why), "{status}, {why}: {reply:?}");
}

/// How often the program has done `what`, such as `queries`.
async fn done(program: &Program, what: &str) -> u64 {
    get(program, "/stats").await[what].as_u64().expect("a number")
}

/// Asserts that `path` is answered from the cache: the program does nothing of `what` for it.
async fn is_hit(program: &Program, path: &str, what: &str) {
    let before = done(program, what).await;
    get(program, path).await;
    assert_eq!(done(program, what).await, before, "{path} is not cached");
}

/// Asserts that `path` is answered anew: the program does something of `what` for it.
async fn is_miss(program: &Program, path: &str, what: &str) {
    let before = done(program, what).await;
    get(program, path).await;
    assert!(done(program, what).await > before, "{path} is cached");
}
