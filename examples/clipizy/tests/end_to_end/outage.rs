//! Redis goes away under a running program, and comes back with what it had: every answer stays right, the breaker opens
//! and closes, and what was changed meanwhile is new for everybody.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::eventually;
use tests::program::{Backend, Database, Program};
use tests::redis::Server;

use crate::{ask, done, get, put, refused, start_on, text};

/// As long as an outage is to be felt, and not as patient as other tests.
const HASTY: [(&str, &str); 1] = [("REDIS_TIMEOUT", "250ms")];

/// How the cache of `program` says it is.
async fn redis(program: &Program) -> Value {
    program.json::<Value>("/health").await["redis"].clone()
}

fn server(backend: &mut Backend) -> &mut Server {
    match backend {
        Backend::Redis(server) | Backend::Tiered(server) => server,
        Backend::Memory => panic!("there is no server to stop"),
    }
}

/// Asks for a user as a client does, who never has to ask again: it is there, and right.
async fn assert_named(program: &Program, id: u64, name: &str) {
    let reply = program.send(Method::GET, &format!("/users/{id}"), None::<&Value>, &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", text(&reply));
    assert_eq!(reply.json::<Value>()["name"], name);
}

/// Asserts that `path` comes from the cache: one of its next answers takes no query.
async fn hits(program: &Program, path: &str) {
    eventually(async || {
        let before = done(program, "queries").await;
        get(program, path).await;
        done(program, "queries").await == before
    })
    .await;
}

async fn outage(mut backend: Backend) {
    let database = Database::new();
    let program = start_on(&backend, &database, &HASTY);
    for path in ["/users/1", "/users/2"] {
        get(&program, path).await;
        hits(&program, path).await;
    }
    assert_eq!(redis(&program).await["breaker"], "closed");
    let before: bool = server(&mut backend).tell(&["EXISTS", "larder:user:1"]);
    assert!(before, "Redis has the user");

    server(&mut backend).kill();
    eventually(async || {
        assert_named(&program, 1, "Listener 1").await;
        // What no near copy can answer.
        assert_eq!(get(&program, "/users?ids=11,12").await[1]["name"], "Listener 12");
        redis(&program).await["breaker"] == "open"
    })
    .await;
    let health: Value = program.json("/health").await;
    assert_eq!((&health["healthy"], &health["redis"]["connected"]), (&json!(false), &json!(false)));

    let changed = put(&program, "/users/1", json!({ "name": "Ada", "plan": "studio" })).await;
    assert_eq!(changed.status, StatusCode::OK, "the change is made all the same");
    assert_named(&program, 1, "Ada").await;
    assert!(redis(&program).await["owed_invalidations"].as_u64() > Some(0));
    // What has nothing to fall back on says so.
    let asked = program.send(Method::PUT, "/cache/keys/a", Some(&json!(1)), &[]).await;
    refused(&asked, StatusCode::SERVICE_UNAVAILABLE, "left alone until it answers again");
    let asked = program.send(Method::POST, "/clips/1/render", None::<&Value>, &[]).await;
    refused(&asked, StatusCode::SERVICE_UNAVAILABLE, "left alone until it answers again");
    assert_eq!(done(&program, "renders").await, 0, "nobody can tell who holds the lock");

    server(&mut backend).restart();
    eventually(async || {
        assert_named(&program, 1, "Ada").await;
        let redis = redis(&program).await;
        redis["breaker"] == "closed" && redis["owed_invalidations"] == 0
    })
    .await;
    eventually(async || program.json::<Value>("/health").await["healthy"] == true).await;
    // Hits again, and the new one.
    for path in ["/users/1", "/users/2"] {
        hits(&program, path).await;
    }
    assert_named(&program, 1, "Ada").await;
    eventually(async || ask(&program, Method::POST, "/clips/1/render", None).await.status == StatusCode::OK)
        .await;
}

/// The change is told to Redis, and not only kept by the program that made it. Redis stands still meanwhile, so that it
/// comes back as who it was, with the old user: of what a new server has on its disk nothing is trusted.
async fn another_program(backend: Backend) {
    let database = Database::new();
    let program = start_on(&backend, &database, &HASTY);
    get(&program, "/users/1").await;
    hits(&program, "/users/1").await;
    let server = backend.server().expect("a server");
    server.stop();
    eventually(async || {
        assert_named(&program, 11, "Listener 11").await;
        redis(&program).await["breaker"] == "open"
    })
    .await;
    put(&program, "/users/1", json!({ "name": "Ada", "plan": "studio" })).await;
    assert!(redis(&program).await["owed_invalidations"].as_u64() > Some(0));
    server.cont();
    // Nobody asks the program for the user: it would store the new one over the old one.
    eventually(async || redis(&program).await["owed_invalidations"] == 0).await;
    drop(program);
    let newcomer = start_on(&backend, &database, &HASTY);
    assert_named(&newcomer, 1, "Ada").await;
}

#[tokio::test]
async fn outage_on_redis() {
    outage(Backend::Redis(Server::start_durable())).await;
}

#[tokio::test]
async fn outage_on_tiered() {
    outage(Backend::Tiered(Server::start_durable())).await;
}

#[tokio::test]
async fn another_program_after_the_outage_on_redis() {
    another_program(Backend::Redis(Server::start_durable())).await;
}

#[tokio::test]
async fn another_program_after_the_outage_on_tiered() {
    another_program(Backend::Tiered(Server::start_durable())).await;
}

/// A server that was never there: the program starts, answers, and finds it when it comes.
#[tokio::test]
async fn a_server_that_comes_later_is_found() {
    let mut backend = Backend::Redis(Server::start());
    server(&mut backend).kill();
    let database = Database::new();
    let program = start_on(&backend, &database, &HASTY);
    assert_named(&program, 1, "Listener 1").await;
    server(&mut backend).restart();
    hits(&program, "/users/1").await;
    let health: Value = program.json("/health").await;
    assert!(
        health["redis"]["version"].is_string() && health["stats"]["remote_hits"].as_u64() > Some(0),
        "{health}"
    );
}
