//! The service as its clients see it, on each cache and over SQLite and PostgreSQL.
//! A hit is proved by the count of statements that the database was given.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::postgres;
use tests::program::{Backend, Database, Program, Reply};
use tests::redis::Server;
use tests::until_async;

const BINARY: &str = env!("CARGO_BIN_EXE_activity_crud");

fn redis() -> Backend {
    Backend::Redis(Server::start())
}

fn tiered() -> Backend {
    Backend::Tiered(Server::start())
}

/// A running service, and what asks it.
struct Service {
    program: Program,
    /// Whether its values are in a Redis. For that a process has to know beforehand which tags an answer will have, and it
    /// learns that by its first loads.
    shared: bool,
}

impl Service {
    fn start(backend: &Backend, database: &Database) -> Self {
        Self::start_with(backend, database, &[])
    }

    fn start_with(backend: &Backend, database: &Database, variables: &[(&str, &str)]) -> Self {
        let program = Program::start_with(BINARY, backend, database, variables);
        Self { program, shared: backend.server().is_some() }
    }

    async fn queries(&self) -> u64 {
        self.program.json::<Value>("/stats").await["database_queries"].as_u64().unwrap()
    }

    /// The answer, and how many statements it took.
    async fn get(&self, path: &str) -> (Value, u64) {
        let before = self.queries().await;
        let reply = self.program.send(Method::GET, path, None::<&Value>, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
        let took = self.queries().await - before;
        let hit = reply.header("cache").unwrap().ends_with("_hit");
        assert_eq!(hit, took == 0, "{path}: {took} statements, and {reply:?}");
        (reply.json(), took)
    }

    /// The answer, made anew.
    async fn made(&self, path: &str) -> Value {
        let (answer, took) = self.get(path).await;
        assert!(took > 0, "{path} was kept");
        answer
    }

    /// The answer, from the cache.
    async fn kept(&self, path: &str) -> Value {
        let (answer, took) = self.get(path).await;
        assert_eq!(took, 0, "{path} was made anew");
        answer
    }

    /// The answer, once it is cached: the second time, where nothing has to be learnt.
    async fn cached(&self, path: &str) -> Value {
        let mut rounds = if self.shared { 4 } else { 1 };
        let mut answer = self.get(path).await;
        while answer.1 > 0 && rounds > 0 {
            rounds -= 1;
            answer = self.get(path).await;
        }
        assert_eq!(answer.1, 0, "{path} is not cached");
        answer.0
    }

    /// Asks for all of them until they are cached.
    async fn fill(&self, paths: &[&str]) {
        let mut rounds = if self.shared { 4 } else { 2 };
        let mut made_anew = u64::MAX;
        while made_anew > 0 && rounds > 0 {
            (rounds, made_anew) = (rounds - 1, 0);
            for path in paths {
                made_anew += self.get(path).await.1;
            }
        }
        assert_eq!(made_anew, 0, "some of {paths:?} are not cached");
    }

    async fn status(&self, path: &str) -> StatusCode {
        self.program.send(Method::GET, path, None::<&Value>, &[]).await.status
    }

    async fn put(&self, path: &str, body: Value) -> Reply {
        self.program.send(Method::PUT, path, Some(&body), &[]).await
    }

    async fn changed(&self, path: &str, body: Value) {
        let reply = self.put(path, body).await;
        assert!(reply.status.is_success(), "{path}: {reply:?}");
    }

    async fn dropped(&self, path: &str) {
        let reply = self.delete(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    }

    async fn delete(&self, path: &str) -> Reply {
        self.program.send(Method::DELETE, path, None::<&Value>, &[]).await
    }
}

/// One test of each story for each cache, so that what fails has a name.
macro_rules! on_each {
    ($($story:ident: $memory:ident, $redis:ident, $tiered:ident;)+) => {
        $(
            #[tokio::test]
            async fn $memory() {
                $story(&Backend::Memory, &Database::new()).await;
            }

            #[tokio::test]
            async fn $redis() {
                $story(&redis(), &Database::new()).await;
            }

            #[tokio::test]
            async fn $tiered() {
                $story(&tiered(), &Database::new()).await;
            }
        )+
    };
}

on_each! {
    every_route: every_route_on_memory, every_route_on_redis, every_route_on_tiered;
    a_change_drops_what_read_it:
        a_change_drops_what_read_it_on_memory, a_change_drops_what_read_it_on_redis, a_change_drops_what_read_it_on_tiered;
    a_rollback_drops_nothing:
        a_rollback_drops_nothing_on_memory, a_rollback_drops_nothing_on_redis, a_rollback_drops_nothing_on_tiered;
    a_delete_cascades: a_delete_cascades_on_memory, a_delete_cascades_on_redis, a_delete_cascades_on_tiered;
    by_hand: by_hand_on_memory, by_hand_on_redis, by_hand_on_tiered;
    mistakes: mistakes_on_memory, mistakes_on_redis, mistakes_on_tiered;
    the_tour: the_tour_on_memory, the_tour_on_redis, the_tour_on_tiered;
}

async fn every_route(backend: &Backend, database: &Database) {
    let service = Service::start(backend, database);
    let user = service.program.post("/users", json!({ "name": "Mary", "email": "mary@example.org" })).await;
    assert_eq!(user.status, StatusCode::CREATED);
    assert_eq!(user.json::<Value>(), json!({ "id": 4, "name": "Mary", "email": "mary@example.org" }));
    let role = service.program.post("/roles", json!({ "name": "auditor" })).await.json::<Value>();
    let permission = service.program.post("/permissions", json!({ "name": "audit" })).await.json::<Value>();
    assert_eq!((&role["id"], &permission["id"]), (&json!(4), &json!(4)));
    service.changed("/roles/4/permissions", json!([1, 4])).await;
    service.changed("/users/4/roles", json!([1, 4])).await;
    let code = service.program.post("/users/4/codes", json!({ "name": "email" })).await;
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
        let (first, second) = (service.get(path).await.0, service.cached(path).await);
        assert_eq!((&first, &second), (&expected, &expected), "{path}");
    }
    let overview = service.made("/overview").await;
    assert_eq!((&overview["users"], &overview["permissions"]), (&json!(4), &json!(4)));
    let holders = json!([
        { "role": "admin", "users": 1 },
        { "role": "auditor", "users": 1 },
        { "role": "editor", "users": 1 },
        { "role": "reader", "users": 2 },
    ]);
    assert_eq!(overview["roles"], holders);
    assert_eq!(service.cached("/overview").await, overview);

    for path in ["/permissions/4", "/roles/4", "/users/4"] {
        assert_eq!(service.delete(path).await.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(service.status(path).await, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(service.delete(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }

    let stats = service.program.json::<Value>("/stats").await;
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

/// A change has dropped `exactly` these. In a Redis, rows that the key of an answer does not tell count as any row: there
/// `also` may have been dropped.
async fn has_dropped(service: &Service, exactly: &[&str], also: &[&str]) {
    let dropped = dropped(service).await;
    if service.shared {
        let missing: Vec<_> = exactly.iter().filter(|path| !dropped.contains(path)).collect();
        assert_eq!(missing, [""; 0].iter().collect::<Vec<_>>(), "kept, although they are of before");
        let needless = dropped.iter().filter(|path| !exactly.contains(path) && !also.contains(path));
        assert_eq!(needless.collect::<Vec<_>>(), [""; 0].iter().collect::<Vec<_>>(), "dropped needlessly");
    } else {
        assert_eq!(dropped, exactly);
    }
    service.fill(&EVERYTHING).await;
}

async fn a_change_drops_what_read_it(backend: &Backend, database: &Database) {
    let service = Service::start(backend, database);
    service.fill(&EVERYTHING).await;

    // The first user has this role, the others have not.
    service.changed("/roles/1", json!({ "name": "visitor" })).await;
    let exactly = ["/roles", "/roles/1", "/users/1", "/activity", "/overview"];
    has_dropped(&service, &exactly, &["/users/2", "/users/3"]).await;
    assert_eq!(service.kept("/users/1").await["roles"][0]["name"], "visitor");

    // Only the third role, which the third user has, allows this.
    service.changed("/permissions/3", json!({ "name": "manage" })).await;
    let exactly = ["/permissions", "/permissions/3", "/roles/3", "/users/3", "/activity", "/overview"];
    has_dropped(&service, &exactly, &["/roles/1", "/roles/2", "/users/1", "/users/2"]).await;

    service.changed("/users/2", json!({ "name": "Grace H.", "email": "grace@example.org" })).await;
    has_dropped(&service, &["/users", "/users/2", "/activity", "/overview"], &[]).await;

    // Who has which role is read by half of its key: that is any row of the table.
    service.changed("/users/2/roles", json!([1])).await;
    let exactly = ["/users/1", "/users/2", "/users/3", "/activity", "/overview"];
    has_dropped(&service, &exactly, &[]).await;
    assert_eq!(service.kept("/users/2").await["roles"][0]["name"], "visitor");

    service.program.post("/users/1/codes", json!({ "name": "email" })).await;
    has_dropped(&service, &["/users/1/codes"], &[]).await;
    has_dropped(&service, &[], &[]).await;
}

async fn a_rollback_drops_nothing(backend: &Backend, database: &Database) {
    let service = Service::start(backend, database);
    service.fill(&EVERYTHING).await;
    // It has taken the roles away before it finds that there is no role 99.
    let refused = service.put("/users/1/roles", json!([2, 99])).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(String::from_utf8_lossy(&refused.body).contains("not there"), "{refused:?}");
    has_dropped(&service, &[], &[]).await;
    // A name that is taken, found by the first statement.
    let refused = service.put("/roles/1", json!({ "name": "admin" })).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(service.put("/roles/77", json!({ "name": "none" })).await.status, StatusCode::NOT_FOUND);
    has_dropped(&service, &[], &[]).await;
    assert_eq!(service.kept("/users/1").await["roles"][0]["name"], "reader");
}

async fn a_delete_cascades(backend: &Backend, database: &Database) {
    let service = Service::start(backend, database);
    service.program.post("/users/1/codes", json!({ "name": "email" })).await;
    service.changed("/users/1", json!({ "name": "Ada L.", "email": "ada@example.org" })).await;
    service.fill(&EVERYTHING).await;
    assert_eq!(service.kept("/activity").await[0]["user"], "Ada L.");
    assert_eq!(service.kept("/users/1/codes").await.as_array().unwrap().len(), 1);

    assert_eq!(service.delete("/users/1").await.status, StatusCode::NO_CONTENT);
    assert_eq!(service.status("/users/1").await, StatusCode::NOT_FOUND);
    assert_eq!(service.made("/users/1/codes").await, json!([]));
    // What happened is still known, and not to whom.
    let activity = service.made("/activity").await;
    assert_eq!(activity[1], json!({ "id": 1, "action": "user changed", "user": null }));
    let overview = service.made("/overview").await;
    assert_eq!(overview["roles"][2], json!({ "role": "reader", "users": 0 }));
    for path in ["/roles/1", "/roles", "/permissions/1"] {
        service.kept(path).await;
    }

    // With a role goes who had it.
    assert_eq!(service.made("/users/2").await["roles"][0]["name"], "editor");
    assert_eq!(service.delete("/roles/2").await.status, StatusCode::NO_CONTENT);
    assert_eq!(service.made("/users/2").await["roles"], json!([]));
}

async fn by_hand(backend: &Backend, database: &Database) {
    let service = Service::start(backend, database);
    let dependencies = service.program.json::<Value>("/cache/dependencies").await;
    assert_eq!(dependencies["custom_model"], json!(["user", "role", "permission"]));

    service.fill(&EVERYTHING).await;
    // Every row of the table.
    service.dropped("/cache/models/permission").await;
    let of_permissions = ["/permissions", "/permissions/1", "/permissions/3"];
    let of_roles = ["/roles/1", "/roles/2", "/roles/3", "/users/1", "/users/2", "/users/3"];
    has_dropped(&service, &[&of_permissions[..], &of_roles, &["/overview"]].concat(), &[]).await;

    // One row, and with it what has read any.
    service.dropped("/cache/models/role/1").await;
    let exactly = ["/roles", "/roles/1", "/users/1", "/overview"];
    has_dropped(&service, &exactly, &["/users/2", "/users/3"]).await;

    service.dropped("/cache/models/verification_code").await;
    has_dropped(&service, &["/users/1/codes"], &[]).await;

    // The model, and those around it.
    service.dropped("/cache/families/user").await;
    let exactly: Vec<&str> =
        EVERYTHING.into_iter().filter(|path| !path.starts_with("/permissions")).collect();
    has_dropped(&service, &exactly, &[]).await;
    service.dropped("/cache/families/permission").await;
    let exactly = [&of_permissions[..], &["/roles"], &of_roles, &["/overview"]].concat();
    has_dropped(&service, &exactly, &[]).await;

    // What is no table.
    service.dropped("/cache/custom_model").await;
    let exactly: Vec<&str> = EVERYTHING.into_iter().filter(|path| *path != "/users/1/codes").collect();
    has_dropped(&service, &exactly, &[]).await;
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
        let reply = service.program.send(Method::GET, path, None::<&Value>, &[]).await;
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

/// The tour makes a database of its own, and ends.
async fn the_tour(backend: &Backend, _: &Database) {
    let mut command = std::process::Command::new(BINARY);
    command.arg("tour").env("CACHE_BACKEND", backend.name()).env_remove("CACHE_ENABLED");
    if let Some(server) = backend.server() {
        command.env("REDIS_URL", server.url());
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let row = |path: &str| -> Vec<String> {
        let line = said.lines().find(|line| line.split_whitespace().next() == Some(path)).unwrap();
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.skip(1).map(|cell| cell.split(',').next().unwrap().to_owned()).collect()
    };
    if backend.server().is_none() {
        assert_eq!(row("/users/1"), ["dropped", "kept", "kept", "kept", "dropped"], "{said}");
        assert_eq!(row("/users/2"), ["kept", "kept", "dropped", "kept", "dropped"], "{said}");
        assert_eq!(row("/users/3"), ["kept", "dropped", "kept", "kept", "gone"], "{said}");
        assert_eq!(row("/roles/1"), ["dropped", "kept", "kept", "kept", "kept"], "{said}");
    }
    assert_eq!(row("/users"), ["kept", "kept", "dropped", "kept", "dropped"], "{said}");
    assert_eq!(row("/permissions/3"), ["kept", "dropped", "kept", "kept", "kept"], "{said}");
    assert_eq!(row("/activity"), ["dropped", "dropped", "dropped", "kept", "dropped"], "{said}");
}

/// What one program writes, another shows.
async fn two_programs(backend: &Backend) {
    let database = Database::new();
    let (one, two) = (Service::start(backend, &database), Service::start(backend, &database));
    one.fill(&EVERYTHING).await;
    two.fill(&EVERYTHING).await;
    assert_eq!(two.kept("/users/1").await["roles"][0]["name"], "reader");
    one.changed("/roles/1", json!({ "name": "visitor" })).await;
    assert_eq!(one.made("/users/1").await["roles"][0]["name"], "visitor");
    until_async(async || two.get("/users/1").await.0["roles"][0]["name"] == "visitor").await;
    // Written by the other, and back.
    two.changed("/roles/1", json!({ "name": "guest" })).await;
    until_async(async || one.get("/users/1").await.0["roles"][0]["name"] == "guest").await;
    // What has nothing to do with it was kept by both.
    for service in [&one, &two] {
        service.kept("/permissions/1").await;
        service.kept("/users").await;
    }
}

#[tokio::test]
async fn two_programs_on_redis() {
    two_programs(&redis()).await;
}

#[tokio::test]
async fn two_programs_on_tiered() {
    two_programs(&tiered()).await;
}

#[tokio::test]
async fn a_redis_that_is_gone_only_costs_the_hits() {
    let mut backend = redis();
    let database = Database::new();
    let service = Service::start(&backend, &database);
    service.fill(&["/users/1", "/roles/1"]).await;
    if let Backend::Redis(server) = &mut backend {
        server.kill();
    }
    assert_eq!(service.made("/users/1").await["name"], "Ada");
    service.changed("/users/1", json!({ "name": "Ada L.", "email": "ada@example.org" })).await;
    assert_eq!(service.made("/users/1").await["name"], "Ada L.");
    let stats = service.program.json::<Value>("/stats").await;
    assert_eq!(stats["redis"]["well"], false, "{stats}");
}

#[tokio::test]
async fn a_lifetime_that_is_none_ends_the_program() {
    let output = std::process::Command::new(BINARY).env("CACHE_TTL_LONG", "an hour").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("CACHE_TTL_LONG") && said.contains("3600"), "{said}");
}

#[tokio::test]
async fn lifetimes_are_those_of_the_environment() {
    let server = Server::start();
    let backend = Backend::Redis(server);
    let variables = [("CACHE_TTL_MEDIUM", "100"), ("CACHE_TTL_VERY_LONG", "90000")];
    let service = Service::start_with(&backend, &Database::new(), &variables);
    service.fill(&["/users/1", "/permissions/1"]).await;
    let server = backend.server().unwrap();
    let mut lifetimes: Vec<(String, i64)> = Vec::new();
    for key in server.tell::<Vec<String>>(&["KEYS", "*"]) {
        lifetimes.push((key.clone(), server.tell(&["TTL", &key])));
    }
    let lifetime = |name: &str| lifetimes.iter().find(|(key, _)| key == name).unwrap().1;
    assert!((60..=110).contains(&lifetime("larder:user:1")), "{lifetimes:?}");
    assert!((3_500..=3_960).contains(&lifetime("larder:role:1")), "{lifetimes:?}");
    assert!((80_000..=99_000).contains(&lifetime("larder:permission:1")), "{lifetimes:?}");
}

#[tokio::test]
async fn the_same_on_postgresql() {
    let server = postgres::Server::start();
    for (number, backend) in Backend::all().into_iter().enumerate() {
        let url = server.database(&format!("activity_{number}"));
        let variables = [("DATABASE_URL", url.as_str())];
        let service = Service::start_with(&backend, &Database::new(), &variables);
        service.fill(&EVERYTHING).await;
        service.changed("/roles/1", json!({ "name": "visitor" })).await;
        let exactly = ["/roles", "/roles/1", "/users/1", "/activity", "/overview"];
        has_dropped(&service, &exactly, &["/users/2", "/users/3"]).await;
        assert_eq!(service.put("/users/1/roles", json!([2, 99])).await.status, StatusCode::BAD_REQUEST);
        has_dropped(&service, &[], &[]).await;
        assert_eq!(service.delete("/users/1").await.status, StatusCode::NO_CONTENT);
        assert_eq!(service.status("/users/1").await, StatusCode::NOT_FOUND);
        assert_eq!(service.kept("/roles/1").await["name"], "visitor");
    }
}
