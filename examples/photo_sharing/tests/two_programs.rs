//! Two programs on one database and one Redis: what one changes the other shows, a crowd makes one query, and counts add up.

mod service;

use std::str::FromStr as _;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use service::{Service, photo};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{Sqlite, Transaction};
use tests::program::{Backend, Database};
use tests::redis::Server;
use tests::until_async;
use tokio::task::JoinSet;

/// How many ask for one page at once.
const HERD: u64 = 50;

async fn one_deletes_and_the_other_has_it_no_more(backend: &Backend) {
    let database = Database::new();
    let (one, other) = (Service::start(backend, &database), Service::start(backend, &database));
    let boat = one.upload(1, "boat.png", &photo(100)).await;
    one.processed(boat).await;
    // What the other program has found out by itself.
    let pages =
        ["/albums/1", "/albums/1/summary", "/albums/1/photos", "/photos/1", "/photos/1/file", "/faces/1"];
    for page in pages {
        assert_eq!(other.status(page).await, StatusCode::OK, "{page}");
    }
    let before = other.queries().await;
    for page in pages {
        assert_eq!(other.status(page).await, StatusCode::OK, "{page}");
    }
    assert_eq!(other.queries().await, before);
    let gone = async || {
        for page in pages {
            if other.status(page).await != StatusCode::NOT_FOUND {
                return false;
            }
        }
        other.json::<Value>("/users/1/albums").await == json!([])
    };
    assert!(!gone().await);
    one.change(Method::DELETE, "/albums/1", None).await;
    match backend {
        // A near copy goes when the program hears of it, and after `max_staleness` at the latest.
        Backend::Tiered(_) => until_async(gone).await,
        _ => assert!(gone().await),
    }
}

async fn one_names_a_person_and_the_other_shows_it(backend: &Backend) {
    let database = Database::new();
    let (one, other) = (Service::start(backend, &database), Service::start(backend, &database));
    let boat = one.upload(1, "boat.png", &photo(100)).await;
    one.processed(boat).await;
    let name = async || other.json::<Value>("/albums/1/faces").await[0]["person"].clone();
    assert_eq!(name().await, Value::Null);
    one.put("/faces/1/person", json!({ "name": "Mary" })).await;
    until_async(async || name().await == "Mary").await;
    assert_eq!(other.json::<Value>("/search?q=mar").await[0]["name"], "Mary");
    other.put("/people/1", json!({ "name": "Martha" })).await;
    assert_eq!(name().await, "Martha");
    other.hit("/albums/1/faces").await;
    until_async(async || one.json::<Value>("/search?q=mar").await[0]["name"] == "Martha").await;
}

#[tokio::test]
async fn what_a_killed_program_left_undone_the_next_one_does() {
    let database = Database::new();
    let service = Service::start(&Backend::Memory, &database);
    let boat = service.upload(1, "boat.png", &photo(100)).await;
    service.processed(boat).await;
    drop(service);
    // As it was in the middle of it.
    let pool = open(&database).await;
    sqlx::raw_sql("DELETE FROM faces; UPDATE photos SET status = 'processing'").execute(&pool).await.unwrap();
    pool.close().await;
    let service = Service::start(&Backend::Memory, &database);
    service.processed(boat).await;
    assert_eq!(service.json::<Value>("/albums/1/summary").await["faces"], 1);
}

async fn open(database: &Database) -> SqlitePool {
    let options = SqliteConnectOptions::from_str(&database.url()).unwrap();
    SqlitePool::connect_with(options).await.unwrap()
}

/// Keeps every program from reading the database until it is dropped. They wait; each query has been begun, and counted.
async fn hold(database: &Database) -> (SqlitePool, Transaction<'static, Sqlite>) {
    let pool = open(database).await;
    let held = pool.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    (pool, held)
}

/// Sends a herd to each program for `path`, while nobody gets an answer from the database, and lets go when all of them wait
/// for one: how often each program has begun the query, in all as often as expected.
async fn herds(
    services: &[Arc<Service>],
    database: &Database,
    path: &'static str,
    query: &str,
    queries: u64,
) -> Vec<u64> {
    let joins = async |service: &Service| service.json::<Value>("/stats").await["joins"].as_u64().unwrap();
    let (pool, held) = hold(database).await;
    let mut visitors = JoinSet::new();
    for service in services {
        let before = joins(service).await;
        for _ in 0..HERD {
            let service = Arc::clone(service);
            visitors.spawn(async move { service.status(path).await });
        }
        // All but one wait for that one.
        until_async(async || joins(service).await >= before + HERD - 1).await;
    }
    let all = async || {
        let mut all = Vec::new();
        for service in services {
            all.push(service.asked(query).await);
        }
        all
    };
    // Those that lead may still be on their way.
    until_async(async || all().await.iter().sum::<u64>() >= queries).await;
    // Time for a program to begin one too many: it would be counted.
    for _ in 0..20 {
        assert_eq!(all().await.iter().sum::<u64>(), queries, "{path}");
    }
    held.rollback().await.unwrap();
    pool.close().await;
    while let Some(status) = visitors.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    all().await
}

#[tokio::test]
async fn a_herd_makes_one_query_on_memory() {
    let database = Database::new();
    let service = [Arc::new(Service::start(&Backend::Memory, &database))];
    assert_eq!(herds(&service, &database, "/albums/1/summary", "album summary", 1).await, [1]);
    assert_eq!(herds(&service, &database, "/albums/1", "album details", 1).await, [1]);
}

async fn a_herd_makes_one_query_among_all(backend: &Backend) {
    let database = Database::new();
    let service = || Arc::new(Service::start(backend, &database));
    let services = [service(), service()];
    // With `lock`: one in all.
    let asked = herds(&services, &database, "/albums/1/summary", "album summary", 1).await;
    assert_eq!(asked.iter().sum::<u64>(), 1, "{asked:?}");
    // Without it: one in each.
    assert_eq!(herds(&services, &database, "/albums/1", "album details", 2).await, [1, 1]);
}

async fn downloads_of_both_add_up(backend: &Backend) {
    let database = Database::new();
    let (mut one, mut other) = (Service::start(backend, &database), Service::start(backend, &database));
    one.upload(1, "boat.png", &photo(100)).await;
    for _ in 0..12 {
        assert_eq!(one.status("/photos/1/download").await, StatusCode::OK);
        assert_eq!(other.status("/photos/1/download").await, StatusCode::OK);
    }
    one.get("/photos/1/download").await;
    for service in [&one, &other] {
        until_async(async || service.json::<Value>("/photos/1/downloads").await["downloads"] == 25).await;
    }
    assert_eq!(one.asked("write downloads").await + other.asked("write downloads").await, 2);
    // In either order: the larger count stays.
    one.interrupt();
    other.interrupt();
    if let Some(server) = backend.server() {
        server.tell::<()>(&["FLUSHALL"]);
    }
    let again = Service::start(backend, &database);
    assert_eq!(again.json::<Value>("/photos/1/downloads").await, json!({ "downloads": 25 }));
}

#[tokio::test]
async fn a_redis_that_is_gone_loses_no_download() {
    let mut server = Server::start();
    let database = Database::new();
    let backend = Backend::Redis(server);
    let service = Service::start(&backend, &database);
    service.upload(1, "boat.png", &photo(100)).await;
    for _ in 0..7 {
        service.get("/photos/1/download").await;
    }
    let Backend::Redis(gone) = backend else { return };
    server = gone;
    server.kill();
    for _ in 0..7 {
        assert_eq!(service.status("/photos/1/download").await, StatusCode::OK);
    }
    assert_eq!(service.json::<Value>("/photos/1/downloads").await, json!({ "downloads": 14 }));
    server.restart_empty();
    until_async(async || {
        // Until the store is asked again.
        service.put("/users/1/settings", json!({ "theme": "dark", "per_page": 50 })).await;
        service.json::<Value>("/users/1/settings").await;
        let before = service.queries().await;
        service.json::<Value>("/users/1/settings").await;
        service.queries().await == before
    })
    .await;
    service.get("/photos/1/download").await;
    assert_eq!(service.json::<Value>("/photos/1/downloads").await, json!({ "downloads": 15 }));
}

#[tokio::test]
async fn one_deletes_and_the_other_has_it_no_more_on_redis() {
    one_deletes_and_the_other_has_it_no_more(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn one_deletes_and_the_other_has_it_no_more_on_tiered() {
    one_deletes_and_the_other_has_it_no_more(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn one_names_a_person_and_the_other_shows_it_on_redis() {
    one_names_a_person_and_the_other_shows_it(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn one_names_a_person_and_the_other_shows_it_on_tiered() {
    one_names_a_person_and_the_other_shows_it(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn a_herd_makes_one_query_among_all_on_redis() {
    a_herd_makes_one_query_among_all(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn a_herd_makes_one_query_among_all_on_tiered() {
    a_herd_makes_one_query_among_all(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn downloads_of_both_add_up_on_redis() {
    downloads_of_both_add_up(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn downloads_of_both_add_up_on_tiered() {
    downloads_of_both_add_up(&Backend::Tiered(Server::start())).await;
}
