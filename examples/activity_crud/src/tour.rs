//! The tour: fills the cache by asking for everything, changes one thing, asks again, and shows which answers the change has
//! dropped and how many statements it took to make them anew. It asks over HTTP, as any client does.

use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;

use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// What is asked for, before and after each change: what others are made of comes first, so that each shows what it took
/// itself.
const ANSWERS: [&str; 14] = [
    "/permissions",
    "/permissions/1",
    "/permissions/3",
    "/roles",
    "/roles/1",
    "/roles/2",
    "/roles/3",
    "/users",
    "/users/1",
    "/users/2",
    "/users/3",
    "/users/3/codes",
    "/activity",
    "/overview",
];

const WIDTH: usize = 16;

/// Something that is changed, or is tried to be.
struct Change {
    /// What happens, in two lines.
    title: [&'static str; 2],
    method: Method,
    path: &'static str,
    body: Value,
    expected: StatusCode,
}

fn changes() -> [Change; 5] {
    let change = |title, method, path, body, expected| Change { title, method, path, body, expected };
    [
        change(["role 1", "renamed"], Method::PUT, "/roles/1", json!({ "name": "visitor" }), StatusCode::OK),
        change(
            ["permission 3", "renamed"],
            Method::PUT,
            "/permissions/3",
            json!({ "name": "manage" }),
            StatusCode::OK,
        ),
        change(
            ["user 2", "changed"],
            Method::PUT,
            "/users/2",
            json!({ "name": "Grace H.", "email": "grace@example.org" }),
            StatusCode::OK,
        ),
        // Role 99 is not there: what the transaction had done before it found out is rolled back.
        change(
            ["roles of user 1", "rolled back"],
            Method::PUT,
            "/users/1/roles",
            json!([2, 99]),
            StatusCode::BAD_REQUEST,
        ),
        change(["user 3", "deleted"], Method::DELETE, "/users/3", Value::Null, StatusCode::NO_CONTENT),
    ]
}

/// Goes through all changes and prints a table.
pub(crate) async fn run(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let mut rows: Vec<String> = ANSWERS.map(|path| format!("{path:WIDTH$}")).into();
    let mut head = [format!("{:WIDTH$}", "after this"), format!("{:WIDTH$}", "")];
    let mut again = 0;
    let started = queries(address).await?;
    for change in changes() {
        fill(address).await?;
        let answer = ask(address, change.method, change.path, Some(&change.body)).await?;
        if answer.status != change.expected {
            return Err(format!("{}: {} {}", change.path, answer.status, answer.body).into());
        }
        for (line, title) in head.iter_mut().zip(change.title) {
            write!(line, "{title:WIDTH$}")?;
        }
        for (row, path) in rows.iter_mut().zip(ANSWERS) {
            let before = queries(address).await?;
            let answer = ask(address, Method::GET, path, None).await?;
            let took = queries(address).await? - before;
            again += took;
            let cell = match answer.status {
                StatusCode::NOT_FOUND => "gone".to_owned(),
                _ if answer.is_hit() => "kept".to_owned(),
                _ => format!("dropped, {took}"),
            };
            write!(row, "{cell:WIDTH$}")?;
        }
    }
    println!("Which answers a change drops, and the statements it takes to make them anew:\n");
    for line in head.iter().chain(&rows) {
        println!("{}", line.trim_end());
    }
    let all = ANSWERS.len() * changes().len();
    let statements = queries(address).await? - started;
    println!(
        "\n{all} answers were asked for after a change: {again} statements. The whole tour: {statements}."
    );
    let stats = ask(address, Method::GET, "/stats", None).await?;
    println!("\n{}", serde_json::to_string_pretty(&stats.body)?);
    Ok(())
}

/// Asks for everything until all of it is cached: at the second time, or a little later if the values are in a Redis, for
/// which a process has to learn what an answer depends on before it is made.
async fn fill(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let mut missed = Vec::new();
    for _ in 0..5 {
        missed.clear();
        for path in ANSWERS {
            let answer = ask(address, Method::GET, path, None).await?;
            if answer.status.is_success() && !answer.is_hit() {
                missed.push(path);
            }
        }
        if missed.is_empty() {
            return Ok(());
        }
    }
    Err(format!("not cached: {}; is the cache on, and is its server there?", missed.join(", ")).into())
}

async fn queries(address: SocketAddr) -> Result<u64, Box<dyn Error>> {
    let stats = ask(address, Method::GET, "/stats", None).await?;
    Ok(stats.body["database_queries"].as_u64().ok_or("/stats does not count")?)
}

struct Answer {
    status: StatusCode,
    /// Where it came from.
    cache: String,
    body: Value,
}

impl Answer {
    fn is_hit(&self) -> bool {
        self.cache == "local_hit" || self.cache == "remote_hit"
    }
}

async fn ask(
    address: SocketAddr,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, Box<dyn Error>> {
    let bytes = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(bytes)))?;
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let cache = head.headers.get("cache").and_then(|cache| cache.to_str().ok()).unwrap_or_default();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
    Ok(Answer { status: head.status, cache: cache.to_owned(), body })
}
