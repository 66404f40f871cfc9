//! The service as its clients see it, on each cache.
//! A hit is proved by the count of statements that the database was given.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::program::{Backend, Database, Program, Reply};
use tests::redis::Server;

const BINARY: &str = env!("CARGO_BIN_EXE_activity_crud");

fn tiered() -> Backend {
    Backend::Tiered(Server::start())
}

/// A running service, and what asks it.
struct Service(Program);

impl Service {
    fn start(backend: &Backend, database: &Database) -> Self {
        Self(Program::start(BINARY, backend, database))
    }

    async fn queries(&self) -> u64 {
        self.0.json::<Value>("/stats").await["database_queries"].as_u64().unwrap()
    }

    /// The answer, and how many statements it took.
    async fn get(&self, path: &str) -> (Value, u64) {
        let before = self.queries().await;
        let reply = self.0.send(Method::GET, path, None::<&Value>, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
        let took = self.queries().await - before;
        let hit = reply.header("cache").unwrap().ends_with("_hit");
        assert_eq!(hit, took == 0, "{path}: {took} statements, and {reply:?}");
        (reply.json(), took)
    }

    /// The answer, from the cache.
    async fn kept(&self, path: &str) -> Value {
        let (answer, took) = self.get(path).await;
        assert_eq!(took, 0, "{path} was made anew");
        answer
    }

    /// Asks for all of them, twice, so that they are cached.
    async fn fill(&self, paths: &[&str]) {
        for path in paths {
            self.get(path).await;
        }
        for path in paths {
            self.kept(path).await;
        }
    }

    async fn status(&self, path: &str) -> StatusCode {
        self.0.send(Method::GET, path, None::<&Value>, &[]).await.status
    }

    async fn put(&self, path: &str, body: Value) -> Reply {
        self.0.send(Method::PUT, path, Some(&body), &[]).await
    }

    async fn changed(&self, path: &str, body: Value) {
        let reply = self.put(path, body).await;
        assert!(reply.status.is_success(), "{path}: {reply:?}");
    }

    async fn delete(&self, path: &str) -> Reply {
        self.0.send(Method::DELETE, path, None::<&Value>, &[]).await
    }
}

/// One test for each cache, named after the story.
macro_rules! on_each {
    ($($story:ident: $memory:ident, $tiered:ident;)+) => {
        $(
            #[tokio::test]
            async fn $memory() {
                $story(&Backend::Memory, &Database::new()).await;
            }

            #[tokio::test]
            async fn $tiered() {
                $story(&tiered(), &Database::new()).await;
            }
        )+
    };
}

on_each! {
    every_route: every_route_on_memory, every_route_on_tiered;
    a_rollback_drops_nothing: a_rollback_drops_nothing_on_memory, a_rollback_drops_nothing_on_tiered;
    mistakes: mistakes_on_memory, mistakes_on_tiered;
}

async fn every_route(backend: &Backend, database: &Database) {
    let service = Service::start(backend, database);
    let user = service.0.post("/users", json!({ "name": "Mary", "email": "mary@example.org" })).await;
    assert_eq!(user.status, StatusCode::CREATED);
    assert_eq!(user.json::<Value>(), json!({ "id": 4, "name": "Mary", "email": "mary@example.org" }));
    let role = service.0.post("/roles", json!({ "name": "auditor" })).await.json::<Value>();
    let permission = service.0.post("/permissions", json!({ "name": "audit" })).await.json::<Value>();
    assert_eq!((&role["id"], &permission["id"]), (&json!(4), &json!(4)));
    service.changed("/roles/4/permissions", json!([1, 4])).await;
    service.changed("/users/4/roles", json!([1, 4])).await;
    let code = service.0.post("/users/4/codes", json!({ "name": "email" })).await;
    assert_eq!(code.status, StatusCode::CREATED);

    let read = json!({ "id": 1, "name": "read" });
    let auditor = json!({ "id": 4, "name": "auditor", "permissions": [read, { "id": 4, "name": "audit" }] });
    let reader = json!({ "id": 1, "name": "reader", "permissions": [read] });
    let mary = json!({ "id": 4, "name": "Mary", "email": "mary@example.org", "roles": [reader, auditor] });
    for (path, expected) in [
        ("/users/4", mary),
        ("/users?skip=3", json!([{ "id": 4, "name": "Mary", "email": "mary@example.org" }])),
        ("/users/4/codes", json!([{ "id": 1, "user_id": 4, "purpose": "email" }])),
        ("/roles/4", auditor),
        ("/roles?skip=2&limit=1", json!([{ "id": 3, "name": "admin" }])),
        ("/permissions/4", json!({ "id": 4, "name": "audit" })),
        ("/permissions?limit=1", json!([read])),
        ("/activity?limit=1", json!([{ "id": 5, "action": "roles given", "user": "Mary" }])),
    ] {
        let (first, second) = (service.get(path).await.0, service.kept(path).await);
        assert_eq!((&first, &second), (&expected, &expected), "{path}");
    }
    let overview = service.get("/overview").await.0;
    assert_eq!((&overview["users"], &overview["permissions"]), (&json!(4), &json!(4)));
    let holders = json!([
        { "role": "admin", "users": 1 },
        { "role": "auditor", "users": 1 },
        { "role": "editor", "users": 1 },
        { "role": "reader", "users": 2 },
    ]);
    assert_eq!(overview["roles"], holders);
    assert_eq!(service.kept("/overview").await, overview);

    for path in ["/permissions/4", "/roles/4", "/users/4"] {
        assert_eq!(service.delete(path).await.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(service.status(path).await, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(service.delete(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }

    let stats = service.0.json::<Value>("/stats").await;
    assert!(stats["hits"].as_u64() >= Some(9) && stats["hit_rate"].as_f64() > Some(0.1), "{stats}");
    assert!(stats["invalidations"].as_u64() > Some(0), "{stats}");
    if backend.server().is_some() {
        assert_eq!(stats["redis"]["well"], true, "{stats}");
        assert!(stats["redis"]["used_memory"].as_u64() > Some(100_000), "{stats}");
    } else {
        assert_eq!(stats["redis"], Value::Null);
    }
}

/// What others are made of comes first: it is made anew where it is asked for, and not by them.
const EVERYTHING: [&str; 14] = [
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
    "/users/1/codes",
    "/activity",
    "/overview",
];

/// Those of everything that were made anew.
async fn dropped(service: &Service) -> Vec<&'static str> {
    let mut dropped = Vec::new();
    for path in EVERYTHING {
        if service.get(path).await.1 > 0 {
            dropped.push(path);
        }
    }
    dropped
}

async fn a_rollback_drops_nothing(backend: &Backend, database: &Database) {
    let service = Service::start(backend, database);
    service.fill(&EVERYTHING).await;
    // It has taken the roles away before it finds that there is no role 99.
    let refused = service.put("/users/1/roles", json!([2, 99])).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(String::from_utf8_lossy(&refused.body).contains("not there"), "{refused:?}");
    assert_eq!(dropped(&service).await, [""; 0]);
    // A name that is taken, found by the first statement.
    let refused = service.put("/roles/1", json!({ "name": "admin" })).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(service.put("/roles/77", json!({ "name": "none" })).await.status, StatusCode::NOT_FOUND);
    assert_eq!(dropped(&service).await, [""; 0]);
    assert_eq!(service.kept("/users/1").await["roles"][0]["name"], "reader");
}

async fn mistakes(backend: &Backend, database: &Database) {
    let service = Service::start(backend, database);
    for (path, word) in [
        ("/users?limit=0", "`limit` goes from 1"),
        ("/users?limit=1001", "`limit` goes from 1"),
        ("/users?skip=-1", "skip"),
        ("/users/first", "first"),
        ("/roles/99", "there is no role 99"),
    ] {
        let reply = service.0.send(Method::GET, path, None::<&Value>, &[]).await;
        assert!(reply.status.is_client_error(), "{path}: {reply:?}");
        assert!(String::from_utf8_lossy(&reply.body).contains(word), "{path}: {reply:?}");
    }
    for (path, body, word) in [
        ("/users/1", json!({ "name": "Ada" }), "email"),
        ("/roles/1", json!({ "name": 3 }), "string"),
        ("/users/1/roles", json!([1, 99]), "not there"),
        ("/users/99/roles", json!([1]), "not there"),
        ("/roles/99", json!({ "name": "none" }), "id"),
    ] {
        let reply = service.put(path, body).await;
        assert!(reply.status.is_client_error(), "{path}: {reply:?}");
        assert!(String::from_utf8_lossy(&reply.body).contains(word), "{path}: {reply:?}");
    }
    for (path, word) in [("/cache/models/usr", "user_role"), ("/cache/families/activity_log", "no family")] {
        let reply = service.delete(path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert!(String::from_utf8_lossy(&reply.body).contains(word), "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn a_lifetime_that_is_none_ends_the_program() {
    let output = std::process::Command::new(BINARY).env("CACHE_TTL_LONG", "an hour").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("CACHE_TTL_LONG") && said.contains("3600"), "{said}");
}
