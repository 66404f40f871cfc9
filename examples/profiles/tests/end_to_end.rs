//! The program as its users have it: over HTTP, on each backend. A hit is proved by the database: it was not asked.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::program::{Backend, Database, Program, Reply};
use tests::redis::Server;
use tests::until_async;

const BINARY: &str = env!("CARGO_BIN_EXE_profiles");

/// The seven pages of a user, the one last that is put together of the others, and the three of achievements.
const OF_USER: [&str; 7] =
    ["", "/preferences", "/languages", "/accessibility", "/interests", "/stats", "/full-profile"];
const OF_ACHIEVEMENTS: [&str; 3] = ["", "/summary", "/stats"];
const BOARDS: [&str; 2] = ["/api/v1/achievements/leaderboard?limit=5", "/api/v1/achievements/recent?limit=5"];

/// A page, where its value came from, and what it cost the database.
#[derive(Debug)]
struct Page {
    body: Value,
    came: String,
    queries: u64,
}

struct Site {
    program: Program,
}

impl Site {
    fn start(backend: &Backend, database: &Database) -> Self {
        // Nothing is loaded but by the test.
        Self::start_with(backend, database, &[("CACHE_WARM_USERS", "0")])
    }

    fn start_with(backend: &Backend, database: &Database, variables: &[(&str, &str)]) -> Self {
        Self { program: Program::start_with(BINARY, backend, database, variables) }
    }

    async fn queries(&self) -> u64 {
        self.program.json::<Value>("/stats").await["queries"].as_u64().unwrap()
    }

    async fn get(&self, path: &str) -> Page {
        let before = self.queries().await;
        let reply = self.program.send(Method::GET, path, None::<&Value>, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
        let came = reply.header("x-cache").unwrap_or("").to_owned();
        Page { body: reply.json(), came, queries: self.queries().await - before }
    }

    /// The page, which has to be there already.
    async fn hits(&self, path: &str) -> Value {
        let page = self.comes_from_the_cache(path).await;
        assert_eq!(page.queries, 0, "{path}: {page:?}");
        page.body
    }

    /// As [`hits`](Self::hits), of a page that shows other values, too.
    async fn comes_from_the_cache(&self, path: &str) -> Page {
        let page = self.get(path).await;
        assert!(page.came.ends_with("_hit"), "{path}: {page:?}");
        page
    }

    async fn loads(&self, path: &str) -> Value {
        let page = self.get(path).await;
        assert_eq!(page.came, "loaded", "{path}: {page:?}");
        page.body
    }

    async fn put(&self, path: &str, body: Value) -> Reply {
        let reply = self.program.send(Method::PUT, path, Some(&body), &[]).await;
        assert!(reply.status.is_success(), "{path}: {reply:?}");
        reply
    }

    /// Asks for every page, so that all are there.
    async fn visit(&self, paths: &[String]) {
        for path in paths {
            self.get(path).await;
            self.hits(path).await;
        }
    }
}

fn user(id: i64) -> Vec<String> {
    OF_USER.iter().map(|page| format!("/api/v1/users/{id}{page}")).collect()
}

fn achievements(id: i64) -> Vec<String> {
    OF_ACHIEVEMENTS.iter().map(|page| format!("/api/v1/achievements/{id}{page}")).collect()
}

fn boards() -> Vec<String> {
    BOARDS.iter().map(|&page| page.to_owned()).collect()
}

fn all(id: i64) -> Vec<String> {
    [user(id), achievements(id), boards()].concat()
}

async fn every_page_is_cached(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    for path in all(7) {
        let first = site.get(&path).await;
        let parts_are_there = path.ends_with("/full-profile");
        assert!(first.came == "loaded" && (first.queries > 0) != parts_are_there, "{path}: {first:?}");
        assert_eq!(site.hits(&path).await, first.body);
    }
    // Another page of the board is another entry.
    let second = site.loads("/api/v1/achievements/leaderboard?limit=5&offset=5").await;
    assert_ne!(second, site.hits(BOARDS[0]).await);
    let stats: Value = site.program.json("/stats").await;
    assert!(stats["hits"].as_u64() >= Some(12) && stats["functions"]["user:<id>:profile"][0] != 0, "{stats}");
}

async fn a_profile_update_drops_all_of_the_user(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    site.visit(&[all(1), user(2)].concat()).await;
    let leader = site.hits(BOARDS[0]).await[0]["user"].as_i64().unwrap();
    let change = json!({ "name": "Wanjiru", "languages": ["ki", "sw"], "interests": [],
        "accessibility": { "font_percent": 150, "high_contrast": true } });
    site.put("/api/v1/users/1", change).await;
    let full = site.loads("/api/v1/users/1/full-profile").await;
    assert_eq!(full["name"], "Wanjiru");
    assert_eq!((&full["languages"], &full["interests"]), (&json!(["ki", "sw"]), &json!([])));
    assert_eq!(full["accessibility"]["font_percent"], 150);
    assert_eq!(site.hits("/api/v1/users/1").await["name"], "Wanjiru");
    for path in [user(2), achievements(1), boards()].concat() {
        site.hits(&path).await;
    }
    // A board is kept when someone on it has a new name, and shows the new name.
    site.put(&format!("/api/v1/users/{leader}"), json!({ "name": "Otieno" })).await;
    let board = site.comes_from_the_cache(BOARDS[0]).await;
    assert_eq!((board.body[0]["name"].as_str(), board.queries), (Some("Otieno"), 1), "{board:?}");
}

async fn a_change_of_preferences_drops_two_entries(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    site.visit(&user(3)).await;
    let new = json!({ "theme": "sepia", "locale": "fr", "digest": true });
    site.put("/api/v1/users/3/preferences", new.clone()).await;
    assert_eq!(site.loads("/api/v1/users/3/preferences").await, new);
    // It is put together anew, of parts that are all there.
    let full = site.get("/api/v1/users/3/full-profile").await;
    assert_eq!(
        (full.came.as_str(), full.queries, &full.body["preferences"]),
        ("loaded", 0, &new),
        "{full:?}"
    );
    for page in ["", "/languages", "/accessibility", "/interests", "/stats"] {
        site.hits(&format!("/api/v1/users/3{page}")).await;
    }
}

async fn an_award_drops_the_achievements_and_the_boards(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    site.visit(&[all(4), achievements(5)].concat()).await;
    let before = site.hits("/api/v1/achievements/4/summary").await["points"].as_i64().unwrap();
    site.program
        .post("/api/v1/achievements/4", json!({ "badge": "a hundred stories", "points": 1000 }))
        .await;
    for path in [achievements(4), boards()].concat() {
        site.loads(&path).await;
    }
    assert_eq!(site.hits("/api/v1/achievements/4/summary").await["points"], before + 1000);
    assert_eq!(site.hits(BOARDS[0]).await[0]["user"], 4);
    assert_eq!(site.hits(BOARDS[1]).await[0]["badge"], "a hundred stories");
    assert_eq!(site.loads("/api/v1/users/4/full-profile").await["stats"]["points"], before + 1000);
    for path in
        [achievements(5), vec!["/api/v1/users/4".to_owned(), "/api/v1/users/4/languages".to_owned()]].concat()
    {
        site.hits(&path).await;
    }
}

async fn five_endpoints_drop_by_hand(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let one = json!({ "user": 1 });
    let nothing = json!({});
    // What is asked, and what that drops.
    let cases = [
        ("/api/v1/users/cache/invalidate", &one, user(1)),
        ("/api/v1/users/cache/invalidate/all", &nothing, [user(1), user(2)].concat()),
        ("/api/v1/achievements/cache/invalidate", &one, achievements(1)),
        ("/api/v1/achievements/cache/invalidate/global", &nothing, boards()),
        ("/api/v1/cache/invalidate", &nothing, [all(1), user(2), achievements(2)].concat()),
    ];
    for (endpoint, body, goes) in cases {
        site.visit(&[all(1), user(2), achievements(2)].concat()).await;
        let dropped: Value = site.program.post(endpoint, body).await.json();
        assert!(dropped["ticket"].is_string(), "{endpoint}: {dropped}");
        for path in [user(1), user(2), achievements(1), achievements(2), boards()].concat() {
            if goes.contains(&path) {
                site.loads(&path).await;
            } else if path == BOARDS[0] && endpoint.contains("/users/") {
                // It is kept, and asks for the names that went.
                site.comes_from_the_cache(&path).await;
            } else {
                site.hits(&path).await;
            }
        }
    }
}

async fn caching_is_enabled_by_degrees(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    site.put("/api/v1/cache", json!({ "users_percent": 30 })).await;
    let mut cached = Vec::new();
    for id in 1..=20 {
        let page = format!("/api/v1/users/{id}/preferences");
        let (first, second) = (site.get(&page).await, site.get(&page).await);
        match first.came.as_str() {
            "loaded" => drop(site.hits(&page).await),
            came => assert_eq!((came, second.came.as_str(), second.queries), ("bypassed", "bypassed", 1)),
        }
        cached.push(first.came == "loaded");
    }
    assert!(cached.contains(&true) && cached.contains(&false), "{cached:?}");
    site.put("/api/v1/cache", json!({ "users_percent": 100 })).await;
    site.visit(&["/api/v1/users/1/preferences".to_owned(), BOARDS[0].to_owned()]).await;

    // All of it, while the program runs; what changes in the meantime is not forgotten.
    site.put("/api/v1/cache", json!({ "enabled": false })).await;
    for path in [BOARDS[0], "/api/v1/users/1/preferences"] {
        let page = site.get(path).await;
        assert!(page.came == "bypassed" && page.queries > 0, "{page:?}");
    }
    let new = json!({ "theme": "sepia", "locale": "fr", "digest": true });
    site.put("/api/v1/users/1/preferences", new.clone()).await;
    let state = site.put("/api/v1/cache", json!({ "enabled": true })).await;
    assert_eq!(state.json::<Value>(), json!({ "enabled": true, "users_percent": 100 }));
    assert_eq!(site.get("/api/v1/users/1/preferences").await.body, new);
    assert_eq!(site.hits("/api/v1/users/1/preferences").await, new);
    site.get(BOARDS[0]).await;
    site.hits(BOARDS[0]).await;
}

async fn pages_are_warmed(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let leaders = site.get(BOARDS[0]).await.body;
    let warmed: Value = site.program.post("/api/v1/cache/warm", json!({ "leaders": 5 })).await.json();
    assert_eq!(warmed["loaded"], 5);
    for leader in leaders.as_array().unwrap() {
        site.hits(&format!("/api/v1/users/{}/full-profile", leader["user"])).await;
    }
    // What is there is not loaded again; and the program does it by itself when it starts.
    let again: Value = site.program.post("/api/v1/cache/warm", json!({ "leaders": 5 })).await.json();
    assert_eq!(again["loaded"], 0);
    drop(site);
    let _ = backend.server().map(|server| server.tell::<()>(&["FLUSHALL"]));
    let site = Site::start_with(&backend, &database, &[("CACHE_WARM_USERS", "5")]);
    // Nobody has asked for a page.
    let profiles =
        async || site.program.json::<Value>("/stats").await["functions"]["user:<id>:profile"][1].as_u64();
    until_async(async || profiles().await == Some(5)).await;
}

/// `CACHE_ENABLED=false` is the way back to a program without a cache.
async fn without_a_cache_every_page_asks_the_database(backend: Backend) {
    let database = Database::new();
    let site =
        Site::start_with(&backend, &database, &[("CACHE_WARM_USERS", "0"), ("CACHE_ENABLED", "false")]);
    for path in [&user(1)[0], BOARDS[0]] {
        for _ in 0..2 {
            let page = site.get(path).await;
            assert!(page.came == "bypassed" && page.queries > 0, "{path}: {page:?}");
        }
    }
}

async fn bad_input_is_answered(backend: Backend) {
    let database = Database::new();
    let site = Site::start(&backend, &database);
    let (get, put, post) = (Method::GET, Method::PUT, Method::POST);
    let cases = [
        (&get, "/api/v1/users/abc", json!(null), 400, "abc"),
        (&get, "/api/v1/users/0", json!(null), 404, "such as 1"),
        (&get, "/api/v1/users/999999/full-profile", json!(null), 404, "such as 1"),
        (&get, "/api/v1/achievements/leaderboard?limit=0", json!(null), 400, "1 to 100"),
        (&get, "/api/v1/achievements/leaderboard?limit=10&offset=10001", json!(null), 400, "10000"),
        (&get, "/api/v1/achievements/leaderboard?limit=-1", json!(null), 400, "limit"),
        (&put, "/api/v1/users/1", json!({ "name": " " }), 400, "leave `name` out"),
        (&put, "/api/v1/users/1", json!({ "nam": "A" }), 422, "`name`"),
        (&put, "/api/v1/users/999999", json!({ "name": "A" }), 404, "such as 1"),
        (&put, "/api/v1/users/1/preferences", json!({ "theme": "dark" }), 422, "locale"),
        (&post, "/api/v1/achievements/1", json!({ "badge": "x", "points": 0 }), 400, "1 to 1000"),
        (&post, "/api/v1/achievements/999999", json!({ "badge": "x", "points": 5 }), 404, "such as 1"),
        (&post, "/api/v1/users/cache/invalidate", json!({ "user": "*" }), 422, "user"),
        (&post, "/api/v1/cache/warm", json!({ "leaders": 101 }), 400, "1 to 100"),
        (&put, "/api/v1/cache", json!({ "users_percent": 101 }), 400, "0 to 100"),
    ];
    for (method, path, body, status, text) in cases {
        let reply = site.program.send(method.clone(), path, Some(&body), &[]).await;
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(
            reply.status.as_u16() == status && said.contains(text),
            "{method} {path}: {} {said}",
            reply.status
        );
    }
}

/// Two programs on one database and one Redis: what one writes, the other shows.
async fn what_one_program_writes_the_other_shows(backend: Backend) {
    let database = Database::new();
    let (one, other) = (Site::start(&backend, &database), Site::start(&backend, &database));
    one.visit(&["/api/v1/users/1/preferences".to_owned()]).await;
    // It comes from Redis: this program has asked no database.
    other.hits("/api/v1/users/1/preferences").await;
    let new = json!({ "theme": "sepia", "locale": "fr", "digest": true });
    one.put("/api/v1/users/1/preferences", new.clone()).await;
    // At once on Redis; with near copies, when the other has heard of it.
    until_async(async || other.get("/api/v1/users/1/preferences").await.body == new).await;
    assert_eq!(one.get("/api/v1/users/1/preferences").await.body, new);
}

/// A failed invalidation never fails the operation, and is made up for.
async fn writes_succeed_without_redis(mut server: Server, of: fn(Server) -> Backend) {
    let database = Database::new();
    let port = server.port();
    let url = format!("redis://127.0.0.1:{port}");
    let variables = [("CACHE_WARM_USERS", "0"), ("REDIS_URL", url.as_str()), ("REDIS_TIMEOUT", "100ms")];
    // The test keeps the server, so that it can end it: the program hears of it by its address.
    let name = of(Server::start());
    let site = Site::start_with(&name, &database, &variables);
    until_async(async || site.get("/api/v1/users/1").await.queries == 0).await;
    server.kill();
    let changed: Value = site.put("/api/v1/users/1", json!({ "name": "Akinyi" })).await.json();
    assert_eq!(changed["name"], "Akinyi");
    assert_eq!(site.get("/api/v1/users/1").await.body["name"], "Akinyi");
    let owed = site.program.json::<Value>("/stats").await["owed_invalidations"].as_u64();
    assert!(owed > Some(0), "{owed:?}");
    server.restart();
    until_async(async || {
        let page = site.get("/api/v1/users/1").await;
        assert_eq!(page.body["name"], "Akinyi");
        page.queries == 0
    })
    .await;
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
    every_page_is_cached,
    a_profile_update_drops_all_of_the_user,
    a_change_of_preferences_drops_two_entries,
    an_award_drops_the_achievements_and_the_boards,
    five_endpoints_drop_by_hand,
    caching_is_enabled_by_degrees,
    pages_are_warmed,
    without_a_cache_every_page_asks_the_database,
    bad_input_is_answered,
}

#[tokio::test]
async fn two_programs_on_redis() {
    what_one_program_writes_the_other_shows(Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn two_programs_on_tiers() {
    what_one_program_writes_the_other_shows(Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn writes_succeed_without_redis_on_redis() {
    writes_succeed_without_redis(Server::start(), Backend::Redis).await;
}

#[tokio::test]
async fn writes_succeed_without_redis_on_tiers() {
    writes_succeed_without_redis(Server::start(), Backend::Tiered).await;
}

#[tokio::test]
async fn every_family_lives_as_long_as_the_environment_says() {
    let (database, backend) = (Database::new(), Backend::Redis(Server::start()));
    let variables = [
        ("CACHE_WARM_USERS", "0"),
        ("CACHE_USER_TTL", "10000"),
        ("CACHE_ACHIEVEMENT_TTL", "20000"),
        ("CACHE_LEADERBOARD_TTL", "40000"),
        ("CACHE_RECENT_TTL", "80000"),
    ];
    let site = Site::start_with(&backend, &database, &variables);
    site.visit(&all(1)).await;
    let server = backend.server().unwrap();
    let families = [
        ("user:1:preferences", 10),
        ("achievements:1:summary", 20),
        ("global:leaderboard", 40),
        ("recent_", 80),
    ];
    for (family, thousands) in families {
        let keys: Vec<String> = server.tell(&["KEYS", &format!("*{family}*")]);
        let left: Vec<i64> = keys.iter().map(|key| server.tell(&["TTL", key])).collect();
        // Give or take a tenth, so that what is written together does not end together.
        let about = thousands * 890..=thousands * 1110;
        assert!(left.iter().any(|left| about.contains(left)), "{family}: {keys:?} {left:?}");
    }
}

#[test]
fn a_bad_setting_ends_the_program_and_says_what_would_do() {
    let cases = [
        ("CACHE_BACKEND", "memcached", "one of `memory` (or `local`), `redis`, `tiered`"),
        ("CACHE_USER_TTL", "soon", "such as `3600`"),
        ("CACHE_LEADERBOARD_TTL", "0", "above zero"),
        ("CACHE_USERS_PERCENT", "101", "from `0` to `100`"),
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

/// The report counts the same traffic twice: with the cache, fewer queries.
#[test]
fn the_load_report_says_what_was_saved() {
    let ended = Command::new(BINARY).args(["load", "200"]).env("CACHE_BACKEND", "memory").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{said} {}", String::from_utf8_lossy(&ended.stderr));
    let line = said.lines().find(|line| line.starts_with("database queries")).unwrap();
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] > numbers[1] && numbers[1] > 0, "{line}");
    for row in ["profile pages", "achievement pages", "leaderboards"] {
        assert_eq!(said.lines().filter(|line| line.starts_with(row)).count(), 3, "{said}");
    }
}
