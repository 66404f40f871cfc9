//! The program as its users have it: over HTTP, on each backend, told by the environment. A hit is proved by the database: it
//! was not asked.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::program::{Backend, Database, Program, Reply};
use tests::redis::Server;
use tests::until_async;

const BINARY: &str = env!("CARGO_BIN_EXE_flexible_service");

struct Site {
    program: Program,
}

/// An answer, and what it cost the database.
#[derive(Debug)]
struct Asked {
    reply: Reply,
    queries: u64,
}

impl Asked {
    fn is_hit(&self) -> bool {
        self.queries == 0 && self.reply.json::<Value>()["cached"] == true
    }

    fn data(&self) -> Value {
        self.reply.json::<Value>()["data"].clone()
    }
}

impl Site {
    fn start(backend: &Backend, database: &Database) -> Self {
        Self::start_with(backend, database, &[])
    }

    fn start_with(backend: &Backend, database: &Database, variables: &[(&str, &str)]) -> Self {
        Self { program: Program::start_with(BINARY, backend, database, variables) }
    }

    async fn stats(&self) -> Value {
        self.program.json("/stats").await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Asked {
        self.send_as("", method, path, body).await
    }

    async fn send_as(&self, token: &str, method: Method, path: &str, body: Value) -> Asked {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let headers = if token.is_empty() { &[][..] } else { &headers[..] };
        let body = if body.is_null() { None } else { Some(&body) };
        let before = self.stats().await["queries"].as_u64().unwrap();
        let reply = self.program.send(method, path, body, headers).await;
        Asked { reply, queries: self.stats().await["queries"].as_u64().unwrap() - before }
    }

    async fn get(&self, path: &str) -> Asked {
        let asked = self.send(Method::GET, path, Value::Null).await;
        assert_eq!(asked.reply.status, StatusCode::OK, "{path}: {asked:?}");
        asked
    }

    /// What has to be there already.
    async fn hits(&self, method: Method, path: &str, body: Value) -> Value {
        let asked = self.send(method, path, body).await;
        assert!(asked.is_hit(), "{path}: {asked:?}");
        asked.data()
    }

    /// What has to be loaded, and is there from then on.
    async fn loads(&self, method: Method, path: &str, body: Value) -> Value {
        let asked = self.send(method.clone(), path, body.clone()).await;
        assert!(asked.reply.status.is_success() && !asked.is_hit() && asked.queries > 0, "{path}: {asked:?}");
        assert_eq!(self.hits(method, path, body).await, asked.data());
        asked.data()
    }
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;

async fn users_are_kept_for_an_hour_and_dropped_by_a_change(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let paths =
        ["/users/1", "/users/1/subscription", "/users/1/research", "/users/1/research?page=1", "/users/2"];
    for path in paths {
        site.loads(GET, path, Value::Null).await;
    }
    let changed = site.send(PUT, "/users/1", json!({ "name": "Ada L.", "plan": "free" })).await;
    assert_eq!(changed.reply.json::<Value>()["name"], "Ada L.");
    for path in &paths[..4] {
        site.loads(GET, path, Value::Null).await;
    }
    assert_eq!(site.hits(GET, "/users/1", Value::Null).await["name"], "Ada L.");
    assert_eq!(site.hits(GET, "/users/1/subscription", Value::Null).await["plan"], "free");
    site.hits(GET, "/users/2", Value::Null).await;
}

async fn answers_are_kept_by_endpoint_and_parameters(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let regions = site.loads(GET, "/api/subdivisions?country=NZ&kind=Region", Value::Null).await;
    assert_eq!(regions["count"], 16);
    // The order of the parameters does not matter, their values do.
    site.hits(GET, "/api/subdivisions?kind=Region&country=NZ", Value::Null).await;
    assert_ne!(site.loads(GET, "/api/subdivisions?country=NZ", Value::Null).await, regions);
    assert_eq!(site.loads(GET, "/api/countries", Value::Null).await["count"], 249);
    site.loads(GET, "/api/kinds?country=NZ", Value::Null).await;
}

async fn research_is_kept_by_the_hash_of_its_request(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let request = json!({ "question": "saint", "countries": ["GD", "DM"], "limit": 3 });
    let found = site.loads(POST, "/research", request.clone()).await;
    assert_eq!(
        (found["places"].as_array().unwrap().len(), found["places"][0]["country"].as_str()),
        (3, Some("Dominica"))
    );
    // The same with its fields in another order, and what differs.
    let headers = [("content-type", "application/json")];
    let text = r#"{"limit":3,"countries":["GD","DM"],"question":"saint"}"#;
    let before = site.stats().await["queries"].clone();
    let body: Value = serde_json::from_str(text).unwrap();
    assert_eq!(site.program.send(POST, "/research", Some(&body), &headers[..0]).await.status, StatusCode::OK);
    assert_eq!(site.stats().await["queries"], before);
    for other in [
        json!({ "question": "saint", "countries": ["GD", "DM"], "limit": 4 }),
        json!({ "question": "saint", "countries": ["DM", "GD"], "limit": 3 }),
        json!({ "question": "saint", "limit": 3 }),
    ] {
        site.loads(POST, "/research", other).await;
    }
    // With a user it is noted: of the cache, the user's list of questions goes, and the findings stay.
    site.loads(GET, "/users/1/research", Value::Null).await;
    let noted = site.send(POST, "/research?user=1", request.clone()).await;
    assert_eq!((noted.queries, noted.data()), (1, found));
    assert_eq!(site.loads(GET, "/users/1/research", Value::Null).await, json!(["saint"]));
}

async fn sessions_are_kept_in_a_cache_of_their_own(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let reply = site.program.post("/sessions", json!({ "user": 1 })).await;
    let token = reply.json::<Value>()["token"].as_str().unwrap().to_owned();
    let other = site.program.post("/sessions", json!({ "user": 2 })).await.json::<Value>();
    let me = async |token: &str| site.send_as(token, GET, "/sessions/me", Value::Null).await;
    assert_eq!(me(&token).await.reply.json::<Value>()["name"], "Ada");
    assert_eq!(me(&token).await.queries, 0);
    assert!(site.stats().await["sessions"]["hits"].as_u64() > Some(0));
    // All is dropped: the session is read again.
    site.send(DELETE, "/cache", Value::Null).await;
    assert_eq!(me(&token).await.reply.status, StatusCode::OK);
    let out = site.send_as(&token, DELETE, "/sessions/me", Value::Null).await;
    assert_eq!(out.reply.status, StatusCode::NO_CONTENT);
    assert_eq!(me(&token).await.reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(me(other["token"].as_str().unwrap()).await.reply.json::<Value>()["name"], "Grace");
}

async fn a_task_runs_once_and_its_result_is_found(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let path = "/datasets/subdivisions";
    assert_eq!(site.send(GET, path, Value::Null).await.reply.status, StatusCode::NOT_FOUND);
    for _ in 0..3 {
        let started = site.send(POST, path, Value::Null).await.reply;
        assert!([StatusCode::ACCEPTED, StatusCode::OK].contains(&started.status), "{started:?}");
    }
    until_async(async || site.send(GET, path, Value::Null).await.reply.status == StatusCode::OK).await;
    let found = site.get(path).await;
    assert_eq!((found.queries, &found.reply.json::<Value>()["rows"]), (0, &json!(5127)), "{found:?}");
    let again = site.send(POST, &format!("{path}?wait=true"), Value::Null).await;
    assert_eq!(again.reply.json::<Value>(), found.reply.json::<Value>());
    assert_eq!(site.stats().await["jobs"], 1);
    let other = site.send(POST, "/datasets/countries?wait=true", Value::Null).await.reply.json::<Value>();
    assert_eq!((&other["rows"], &site.stats().await["jobs"]), (&json!(249), &json!(2)));
}

async fn one_several_or_all_are_deleted(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let research = json!({ "question": "bay" });
    let fill = async || {
        for path in ["/users/1", "/users/2", "/users/1/research"] {
            site.get(path).await;
            site.hits(GET, path, Value::Null).await;
        }
        site.send(POST, "/research", research.clone()).await;
        site.hits(POST, "/research", research.clone()).await;
    };
    fill().await;
    // One key, which is there and then is not.
    for deleted in [true, false] {
        let reply = site.send(DELETE, "/cache/keys/user:1", Value::Null).await.reply;
        assert_eq!(reply.json::<Value>(), json!({ "deleted": deleted }));
    }
    site.loads(GET, "/users/1", Value::Null).await;
    site.hits(GET, "/users/2", Value::Null).await;
    // Several patterns.
    let patterns = json!({ "patterns": ["user:1", "user_research:1:*", "research:*"] });
    let reply = site.program.post("/cache/delete", patterns).await.json::<Value>();
    assert!(reply["ticket"].is_string(), "{reply}");
    site.loads(GET, "/users/1", Value::Null).await;
    site.loads(GET, "/users/1/research", Value::Null).await;
    site.loads(POST, "/research", research.clone()).await;
    site.hits(GET, "/users/2", Value::Null).await;
    // All.
    assert_eq!(
        site.send(DELETE, "/cache", Value::Null).await.reply.json::<Value>(),
        json!({ "cleared": true })
    );
    site.loads(GET, "/users/2", Value::Null).await;
    site.loads(POST, "/research", research.clone()).await;
}

async fn values_are_kept_by_hand(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let path = "/cache/values/my_cache_key";
    assert_eq!(site.send(GET, path, Value::Null).await.reply.status, StatusCode::NOT_FOUND);
    let value = json!({ "a": [1, 2.5, null] });
    let stored = site.send(PUT, &format!("{path}?ttl=60"), value.clone()).await.reply.json::<Value>();
    assert_eq!((stored, site.get(path).await.reply.json::<Value>()), (json!({ "stored": true }), value));
    // No name of a value reaches the program's own entries.
    site.loads(GET, "/users/1", Value::Null).await;
    site.send(PUT, "/cache/values/user:1", json!("mine")).await;
    site.hits(GET, "/users/1", Value::Null).await;
}

async fn figures_are_told(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    site.loads(GET, "/users/1", Value::Null).await;
    let stats = site.stats().await;
    assert!(
        stats["cache"]["hits"].as_u64() >= Some(1) && stats["cache"]["misses"].as_u64() >= Some(1),
        "{stats}"
    );
    let rate: Value = site.program.json("/cache/hit-rate").await;
    assert!(rate["hit_rate"].as_f64() > Some(0.0), "{rate}");
    let names = [
        "total_connections_received",
        "total_commands_processed",
        "keyspace_misses",
        "used_memory",
        "connected_clients",
        "keys",
    ];
    if backend.server().is_none() {
        assert_eq!(stats["server"], Value::Null);
        return;
    }
    assert!(names.iter().all(|name| stats["server"][name].as_u64() > Some(0)), "{stats}");
    assert!(stats["server"]["keyspace_hits"].is_u64(), "{stats}");
}

async fn bad_input_is_answered(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let null = Value::Null;
    let cases = [
        (GET, "/users/x", null.clone(), 400, "x"),
        (GET, "/users/99", null.clone(), 404, "such as 1"),
        (PUT, "/users/99", json!({ "name": "A", "plan": "free" }), 404, "such as 1"),
        (PUT, "/users/1", json!({ "name": "A" }), 422, "plan"),
        (POST, "/sessions", json!({ "user": 99 }), 404, "such as 1"),
        (GET, "/sessions/me", null.clone(), 401, "POST /sessions"),
        (GET, "/api/cities", null.clone(), 400, "countries"),
        (GET, "/api/countries?nmae=x", null.clone(), 400, "?name="),
        (POST, "/research", json!({ "question": " " }), 400, "with text"),
        (POST, "/research", json!({ "question": "a", "limit": 0 }), 400, "1 to 100"),
        (POST, "/research", json!({ "question": "a", "lmit": 1 }), 422, "limit"),
        (POST, "/datasets/cities", null.clone(), 400, "subdivisions"),
        (POST, "/cache/delete", json!({ "patterns": [] }), 400, "research:*"),
        (PUT, "/cache/values/a?ttl=0", json!(1), 400, "1 to 86400"),
    ];
    for (method, path, body, status, text) in cases {
        let reply = site.send(method.clone(), path, body).await.reply;
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(
            reply.status.as_u16() == status && said.contains(text),
            "{method} {path}: {} {said}",
            reply.status
        );
    }
}

macro_rules! on_every_backend {
    ($($story:ident),* $(,)?) => {
        mod on_memory {
            $(#[tokio::test]
            async fn $story() {
                super::$story(super::Backend::Memory).await;
            })*
        }
        mod on_redis {
            $(#[tokio::test]
            async fn $story() {
                super::$story(super::Backend::Redis(super::Server::start())).await;
            })*
        }
        mod on_tiers {
            $(#[tokio::test]
            async fn $story() {
                super::$story(super::Backend::Tiered(super::Server::start())).await;
            })*
        }
    };
}

on_every_backend! {
    users_are_kept_for_an_hour_and_dropped_by_a_change,
    answers_are_kept_by_endpoint_and_parameters,
    research_is_kept_by_the_hash_of_its_request,
    sessions_are_kept_in_a_cache_of_their_own,
    a_task_runs_once_and_its_result_is_found,
    one_several_or_all_are_deleted,
    values_are_kept_by_hand,
    figures_are_told,
    bad_input_is_answered,
}

/// With Redis gone, or silent, everything is answered.
async fn everything_answers_without_redis(of: fn(Server) -> Backend, silent: bool) {
    let (database, backend) = (Database::new(), of(Server::start()));
    let mut server = Server::start();
    let url = server.url();
    // What is asked of a silent server is not waited for; of one that answers late, it is loaded, and the test asks again.
    let site = Site::start_with(&backend, &database, &[("REDIS_URL", &url), ("REDIS_TIMEOUT", "100ms")]);
    let token = site.program.post("/sessions", json!({ "user": 1 })).await.json::<Value>();
    let token = token["token"].as_str().unwrap().to_owned();
    until_async(async || site.get("/users/1").await.is_hit()).await;
    if silent {
        server.stop();
    } else {
        server.kill();
    }
    let research = json!({ "question": "bay", "limit": 1 });
    let requests = [
        (GET, "/users/1", Value::Null),
        (GET, "/users/2", Value::Null),
        (PUT, "/users/1", json!({ "name": "Ada K.", "plan": "pro" })),
        (GET, "/users/1/subscription", Value::Null),
        (GET, "/users/1/research", Value::Null),
        (GET, "/sessions/me", Value::Null),
        (GET, "/api/kinds?country=FR", Value::Null),
        (POST, "/research?user=1", research),
        (POST, "/datasets/countries?wait=true", Value::Null),
        (PUT, "/cache/values/a", json!(1)),
        (DELETE, "/cache/keys/user:2", Value::Null),
        (POST, "/cache/delete", json!({ "patterns": ["research:*"] })),
        (GET, "/cache/hit-rate", Value::Null),
        (GET, "/stats", Value::Null),
        (DELETE, "/cache", Value::Null),
    ];
    for (method, path, body) in requests {
        let reply = site.send_as(&token, method.clone(), path, body).await.reply;
        assert!(reply.status.is_success(), "{method} {path}: {reply:?}");
    }
    assert_eq!(site.get("/users/1").await.data()["name"], "Ada K.");
    let said = site.stats().await["server"].clone();
    assert!(said["error"].is_string(), "{said}");
    // It is back: values are shared again, and the old one is not among them.
    if silent {
        server.cont();
    } else {
        server.restart();
    }
    until_async(async || {
        let user = site.get("/users/1").await;
        assert_eq!(user.data()["name"], "Ada K.");
        user.is_hit()
    })
    .await;
}

#[tokio::test]
async fn everything_answers_with_redis_killed() {
    everything_answers_without_redis(Backend::Redis, false).await;
}

#[tokio::test]
async fn everything_answers_with_redis_killed_on_tiers() {
    everything_answers_without_redis(Backend::Tiered, false).await;
}

#[tokio::test]
async fn everything_answers_with_redis_silent() {
    everything_answers_without_redis(Backend::Redis, true).await;
}

/// Host, port, password, database and namespace, each from its variable.
#[tokio::test]
async fn the_environment_says_where_and_how() {
    let server = Server::start_with(&["--requirepass", "canary-password"]);
    let (port, database) = (server.port().to_string(), Database::new());
    let variables = [
        ("CACHE_BACKEND", "redis"),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", port.as_str()),
        ("REDIS_PASSWORD", "canary-password"),
        ("REDIS_DB", "1"),
        ("CACHE_NAMESPACE", "flexible"),
        ("CACHE_DEFAULT_TTL", "10m"),
    ];
    let site = Site::start_with(&Backend::Memory, &database, &variables);
    site.program.post("/research", json!({ "question": "saint", "limit": 1 })).await;
    for path in ["/users/1", "/api/subdivisions?country=NZ", "/api/kinds", "/api/countries"] {
        site.loads(GET, path, Value::Null).await;
    }
    let token = site.program.post("/sessions", json!({ "user": 1 })).await.json::<Value>()["token"].clone();
    let token = token.as_str().unwrap();
    site.send_as(token, GET, "/sessions/me", Value::Null).await;
    let ask = |script: &str| {
        server.tell::<Vec<String>>(&["EVAL", &format!("redis.call('SELECT', 1) {script}"), "0"])
    };
    let keys = ask("return redis.call('KEYS', '*')");
    let ttl = |part: &str| -> i64 {
        let key = keys.iter().find(|key| key.contains(part)).unwrap_or_else(|| panic!("{part}: {keys:?}"));
        ask(&format!("return {{tostring(redis.call('TTL', '{key}'))}}"))[0].parse().unwrap()
    };
    // Give or take a tenth, so that what is written together does not end together.
    for (part, seconds) in [
        ("flexible:user:1", 3_600),
        ("flexible:api:Subdivisions:", 300),
        ("flexible:api:Kinds:", 3_600),
        ("flexible:api:Countries:", 86_400),
        ("flexible:research:", 600),
        ("flexible:sessions:session:", 300),
    ] {
        assert!((seconds * 89 / 100..=seconds * 111 / 100).contains(&ttl(part)), "{part}: {}", ttl(part));
    }
    // Neither the parameters nor a token are in a key.
    assert!(!keys.iter().any(|key| key.contains("NZ") || key.contains(token)), "{keys:?}");
    assert_eq!(server.tell::<Vec<String>>(&["KEYS", "*"]), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_ttl_of_its_own_nothing_is_kept_longer_than_asked() {
    let (database, backend) = (Database::new(), Backend::Redis(Server::start()));
    let site = Site::start(&backend, &database);
    site.send(PUT, "/cache/values/a?ttl=1000", json!(1)).await;
    let server = backend.server().unwrap();
    let keys: Vec<String> = server.tell(&["KEYS", "*value:a*"]);
    let left: i64 = server.tell(&["TTL", &keys[0]]);
    assert!((890..=1110).contains(&left), "{left}");
}

/// A database that is new is not answered from a cache that knew another one.
#[tokio::test]
async fn with_a_new_database_nothing_is_left_of_the_last_one() {
    let (database, backend) = (Database::new(), Backend::Redis(Server::start()));
    let new = [("DATABASE_URL", "")];
    let site = Site::start_with(&backend, &database, &new);
    site.loads(GET, "/users/1", Value::Null).await;
    site.hits(GET, "/users/1", Value::Null).await;
    drop(site);
    Site::start_with(&backend, &database, &new).loads(GET, "/users/1", Value::Null).await;
}

/// Sessions elsewhere: on a server of their own.
#[tokio::test]
async fn sessions_have_their_own_settings() {
    let (database, backend, own) = (Database::new(), Backend::Redis(Server::start()), Server::start());
    let site = Site::start_with(&backend, &database, &[("SESSIONS_REDIS_URL", &own.url())]);
    let token = site.program.post("/sessions", json!({ "user": 1 })).await.json::<Value>()["token"].clone();
    site.send_as(token.as_str().unwrap(), GET, "/sessions/me", Value::Null).await;
    let keys = |server: &Server| server.tell::<Vec<String>>(&["KEYS", "sessions:session:*"]).len();
    assert_eq!((keys(backend.server().unwrap()), keys(&own)), (0, 1));
}

#[test]
fn an_unsupported_backend_ends_the_program_with_those_supported() {
    let cases = [
        ("CACHE_BACKEND", "memcached", "one of `memory` (or `local`), `redis`, `tiered`"),
        ("SESSIONS_CACHE_BACKEND", "file", "one of `memory` (or `local`), `redis`, `tiered`"),
        ("REDIS_PORT", "70000", "from 1 to 65535"),
        ("CACHE_DEFAULT_TTL", "soon", "`5m`"),
    ];
    for (name, value, text) in cases {
        let said = last_words(name, value);
        assert!(said.contains(name) && said.contains(text), "{said}");
    }
}

/// What the program says when it fails with this setting; nothing if it does not fail.
fn last_words(name: &str, value: &str) -> String {
    let mut command = Command::new(BINARY);
    command.env("ADDRESS", "127.0.0.1:0").env(name, value).stdout(Stdio::null()).stderr(Stdio::piped());
    let (mut program, start) = (command.spawn().unwrap(), Instant::now());
    while program.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    // One that serves would do so for ever.
    let _ = program.kill();
    let ended = program.wait_with_output().unwrap();
    let failed = ended.status.code().is_some_and(|code| code != 0);
    if failed { String::from_utf8_lossy(&ended.stderr).into_owned() } else { String::new() }
}

/// Two programs on one database and one Redis.
async fn what_one_program_does_the_other_knows(backend: Backend) {
    let database = Database::new();
    let (one, other) = (Site::start(&backend, &database), Site::start(&backend, &database));
    one.loads(GET, "/users/1", Value::Null).await;
    other.hits(GET, "/users/1", Value::Null).await;
    one.send(PUT, "/users/1", json!({ "name": "Ada B.", "plan": "pro" })).await;
    // At once on Redis; with near copies, when the other has heard of it.
    until_async(async || other.get("/users/1").await.data()["name"] == "Ada B.").await;
    // Both are asked for the task at once: one does it, for both.
    let path = "/datasets/subdivisions?wait=true";
    let (here, there) = tokio::join!(
        one.program.send(POST, path, None::<&Value>, &[]),
        other.program.send(POST, path, None::<&Value>, &[])
    );
    assert_eq!(here.json::<Value>(), there.json::<Value>());
    let runs = [one.stats().await["jobs"].as_u64(), other.stats().await["jobs"].as_u64()];
    assert!(runs == [Some(1), Some(0)] || runs == [Some(0), Some(1)], "{runs:?}");
}

#[tokio::test]
async fn two_programs_on_redis() {
    what_one_program_does_the_other_knows(Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn two_programs_on_tiers() {
    what_one_program_does_the_other_knows(Backend::Tiered(Server::start())).await;
}
