//! The admin router: what it answers, what it does, and that whoever is refused learns nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::http::axum::Router;
use larder::http::axum::body::{Body, to_bytes};
use larder::http::axum::http::{HeaderMap, Method, Request, StatusCode};
use larder::http::{Bearer, Caller, Refusal, admin};
use larder::{Cache, Memory, Named, Redis, cache_invalidate, cached};
use serde_json::{Value, json};
use tests::log::Log;
use tests::secrets::{self, MARK};
use tower_service::Service as _;

const TOKEN: &str = "a-token-of-sufficient-length";

static SHOP: Named = Named::new("shop");
static LOADS: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = 300, key = "account:<name>", tags = ["crew:<team>"], skip(team), cache = SHOP)]
async fn account(name: &str, team: &str) -> String {
    LOADS.fetch_add(1, Ordering::SeqCst);
    format!("{MARK} is what {name} of {team} has")
}

#[cached(ttl = 60, stale = 30, key = "basket:<owner>:<number>", cache = SHOP)]
async fn basket(owner: String, number: u32) -> u32 {
    LOADS.fetch_add(1, Ordering::SeqCst);
    let _ = owner;
    number
}

#[cache_invalidate("account:*", tags = ["crew:<team>"], cache = SHOP)]
async fn rename_team(team: &str) {}

#[cache_invalidate(basket(owner.to_owned(), _), cache = SHOP)]
async fn check_out(owner: &str) {}

/// What a request was answered with.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A router and its cache, asked without a network.
struct Desk {
    router: Router,
    cache: Cache,
}

impl Desk {
    fn over(cache: Cache) -> Self {
        secrets::watch();
        let router = admin(cache.clone(), Bearer::new("operations", TOKEN).unwrap());
        Self { router, cache }
    }

    fn new() -> Self {
        Self::over(Cache::builder().namespace("shop").local(Memory::new(1_000)).build())
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        let shown = format!("{:?}{text}", parts.headers);
        assert!(!shown.contains(MARK), "a secret is shown: {shown}");
        for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")] {
            assert_eq!(parts.headers[name], value, "{shown}");
        }
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header("authorization", format!("Bearer {TOKEN}"));
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.post_with(path, body, &[]).await
    }

    async fn post_with(&self, path: &str, body: impl Into<Body>, more: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header("authorization", format!("Bearer {TOKEN}"));
        if !more.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        self.ask(request.body(body.into()).unwrap()).await
    }
}

const QUESTIONS: [&str; 3] = ["/stats", "/health", "/keys"];
const CHANGES: [(&str, &str); 3] =
    [("/invalidate", r#"{"pattern": "*"}"#), ("/clear", "{}"), ("/enabled", r#"{"enabled": false}"#)];

#[tokio::test]
async fn who_has_no_token_learns_and_changes_nothing() {
    let desk = Desk::new();
    desk.cache.set("kept", &1_u64, Duration::from_secs(60)).await.unwrap();
    let wrong: [&[&str]; 9] = [
        &[],
        &[""],
        &["Bearer"],
        &["Bearer "],
        &[TOKEN],
        &["Basic a-token-of-sufficient-length"],
        &["Bearer a-token-of-sufficient-lengtH"],
        &["Bearer a-token-of-sufficient-length\u{9}x"],
        &["Bearer a-token-of-sufficient-length", "Bearer a-token-of-sufficient-length"],
    ];
    for sent in wrong {
        let questions = QUESTIONS.map(|path| (Method::GET, path, ""));
        let changes = CHANGES.map(|(path, body)| (Method::POST, path, body));
        for (method, path, body) in questions.into_iter().chain(changes) {
            let mut request = Request::builder().method(method).uri(path);
            request = request.header("content-type", "application/json");
            for authorization in sent {
                request = request.header("authorization", *authorization);
            }
            let answer = desk.ask(request.body(Body::from(body)).unwrap()).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {sent:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"larder\""));
            assert_eq!(answer.json()["error"], "unauthorized");
            assert!(!answer.text.contains("shop"), "{}", answer.text);
        }
    }
    assert!(desk.cache.is_enabled() && desk.cache.exists("kept").await.unwrap());
}

#[tokio::test]
async fn the_users_own_authoriser_decides_about_each_request() {
    let readers = |request: &larder::http::axum::http::request::Parts| {
        if request.method == Method::GET { Ok(Caller::named("reader")) } else { Err(Refusal::Forbidden) }
    };
    let cache = Cache::builder().local(Memory::new(10)).build();
    let desk = Desk { router: admin(cache.clone(), readers), cache };
    assert_eq!(desk.get("/stats").await.status, StatusCode::OK);
    for (path, body) in CHANGES {
        assert_eq!(desk.post(path, body).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(desk.cache.is_enabled());
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let desk = Desk::new();
    let tricks = [
        "/statS",
        "/stats/",
        "//stats",
        "/../stats",
        "/./stats",
        "/%73tats",
        "/stats%00",
        "/stats;a=b",
        "/stats%2f",
        "/dashboard/index.html",
        "/..%2f..%2fetc%2fpasswd",
        "/index.html",
        "/invalidate/user:42",
    ];
    for path in tricks {
        let answer = desk.get(path).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (StatusCode::NOT_FOUND, &json!("not_found")),
            "{path}"
        );
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "canary"] {
        let request = Request::builder().method(method).uri("/stats").body(Body::empty()).unwrap();
        let answer = desk.ask(request).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    }
    let answer = desk.get("/clear").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("POST")));
    assert_eq!(answer.json()["error"], "method_not_allowed");
}

#[tokio::test]
async fn another_site_cannot_make_a_browser_change_anything() {
    let desk = Desk::new();
    let hostile: [&[(&str, &str)]; 6] = [
        &[("host", "cache.example"), ("origin", "https://evil.example")],
        &[("host", "cache.example"), ("origin", "null")],
        &[("host", "cache.example"), ("origin", "https://cache.example"), ("origin", "https://evil.example")],
        &[("host", "cache.example"), ("sec-fetch-site", "cross-site")],
        &[("host", "cache.example"), ("sec-fetch-site", "same-site"), ("origin", "https://cache.example")],
        &[("origin", "https://cache.example")],
    ];
    for headers in hostile {
        for (path, body) in CHANGES {
            let answer = desk.post_with(path, body, headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
            assert_eq!(answer.json()["error"], "cross_origin");
        }
    }
    assert!(desk.cache.is_enabled());
    let own =
        [("host", "cache.example"), ("origin", "https://cache.example"), ("sec-fetch-site", "same-origin")];
    assert_eq!(desk.post_with("/enabled", r#"{"enabled": false}"#, &own).await.status, StatusCode::OK);
    assert!(!desk.cache.is_enabled());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_what_it_should_be_is_refused_with_the_right_status() {
    let desk = Desk::new();
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "application/json5", "", "multipart/form-data"]
    {
        let answer = desk.post_with("/clear", "{}", &[("content-type", kind)]).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    let answer = desk.post_with("/clear", "{}", &[("content-type", "Application/JSON; charset=utf-8")]).await;
    assert_eq!(answer.status, StatusCode::OK);

    let malformed: [&[u8]; 8] =
        [b"", b"{", b"nothing", b"{\"key\": tru", b"\xff\xfe{}", b"\0", b"{\"tag\": \"a\0b\"}", b"{} {}"];
    for body in malformed {
        tokio::time::advance(Duration::from_secs(60)).await;
        let answer = desk.post("/invalidate", body.to_vec()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", String::from_utf8_lossy(body));
        assert_eq!(answer.json()["error"], "malformed");
    }

    let long = json!({ "pattern": "a".repeat(2_049) }).to_string();
    let deep = "[".repeat(10_000);
    let senseless = [
        deep.as_str(),
        "null",
        "[]",
        r#"["a", null, null, false]"#,
        "7",
        "\"*\"",
        "{}",
        r#"{"key": null}"#,
        r#"{"key": 7}"#,
        r#"{"key": ["a"]}"#,
        r#"{"key": {"pattern": "*"}}"#,
        r#"{"pattern": true}"#,
        r#"{"key": "a", "tag": "b"}"#,
        r#"{"key": "a", "pattern": "b*", "tag": "c"}"#,
        r#"{"key": "a", "key": "b"}"#,
        r#"{"key": "a", "canary": 1}"#,
        r#"{"key": "a", "preview": "yes"}"#,
        r#"{"key": ""}"#,
        r#"{"tag": ""}"#,
        r#"{"key": "canary:*"}"#,
        r#"{"key": "a\u0000b"}"#,
        r#"{"tag": "a\r\nSet-Cookie: canary=1"}"#,
        r#"{"pattern": "a\u007f*"}"#,
        long.as_str(),
    ];
    for body in senseless {
        tokio::time::advance(Duration::from_secs(60)).await;
        let answer = desk.post("/invalidate", body.to_owned()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body:.80}");
        assert_eq!(answer.json()["error"], "senseless");
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    for (path, body) in [
        ("/clear", r#"{"all": true}"#),
        ("/clear", "[]"),
        ("/enabled", "[false]"),
        ("/enabled", "{}"),
        ("/enabled", r#"{"enabled": 1}"#),
    ] {
        assert_eq!(desk.post(path, body).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {body}");
    }
    assert_eq!(desk.cache.stats().invalidations, 1, "only the one clear");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_bounded_in_size_and_time() {
    let desk = Desk::new();
    let huge = format!("{{\"key\": \"{}\"}}", "x".repeat(20_000));
    let announced = huge.len().to_string();
    let stream = || futures_util::stream::iter([(); 3].map(|()| Ok::<_, std::io::Error>(huge.clone())));
    let answers = [
        desk.post("/invalidate", huge.clone()).await,
        desk.post_with("/invalidate", huge.clone(), &[("content-length", &announced)]).await,
        desk.post("/invalidate", Body::from_stream(stream())).await,
        desk.post_with("/invalidate", "{}", &[("content-length", "18446744073709551615")]).await,
    ];
    for answer in answers {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
    let never = Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
    assert_eq!(desk.post("/clear", never).await.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(desk.cache.stats().invalidations, 0);
}

#[tokio::test(start_paused = true)]
async fn changes_are_limited_and_questions_are_not() {
    let desk = Desk::new();
    let unknown =
        || Request::post("/clear").header("content-type", "application/json").body("{}".into()).unwrap();
    for _ in 0..100 {
        assert_eq!(desk.ask(unknown()).await.status, StatusCode::UNAUTHORIZED);
    }
    for round in 0..20 {
        assert_eq!(desk.post("/clear", "{}").await.status, StatusCode::OK, "{round}");
    }
    let answer = desk.post("/clear", "{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("1")));
    assert_eq!(answer.json()["error"], "too_many");
    for _ in 0..100 {
        assert_eq!(desk.get("/stats").await.status, StatusCode::OK);
    }
    assert_eq!(desk.post("/enabled", r#"{"enabled": false}"#).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(desk.cache.is_enabled());
    tokio::time::advance(Duration::from_secs(1)).await;
    for status in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(desk.post("/clear", "{}").await.status, status);
    }
    let other = Desk::new();
    assert_eq!(other.post("/clear", "{}").await.status, StatusCode::OK, "each router has a limit of its own");
}

#[tokio::test]
async fn what_is_invalidated_is_loaded_again_and_what_is_not_stays() {
    let desk = Desk::new();
    desk.cache.clone().install_as(&SHOP).unwrap();
    let (name, team) = (format!("{MARK}-name"), format!("{MARK}-team"));
    let count = || LOADS.load(Ordering::SeqCst);
    let read = async || {
        let before = count();
        account(&name, &team).await;
        basket(name.clone(), 1).await;
        count() - before
    };
    assert_eq!(read().await, 2);
    assert_eq!(read().await, 0);

    let key = json!({ "key": format!("account:{name}") }).to_string();
    let preview = json!({ "key": format!("account:{name}"), "preview": true }).to_string();
    let answer = desk.post("/invalidate", preview).await;
    assert_eq!(answer.json(), json!({ "preview": "key", "reaches": ["account:<name>"] }));
    assert_eq!(read().await, 0, "a preview changes nothing");

    let answer = desk.post("/invalidate", key).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["reaches"], json!(["account:<name>"]));
    assert_eq!(answer.json()["delivered"], true);
    assert_eq!(read().await, 1);

    let tag = json!({ "tag": format!("crew:{team}") }).to_string();
    assert_eq!(desk.post("/invalidate", tag).await.json()["reaches"], json!(["account:<name>"]));
    assert_eq!(read().await, 1);

    // Built to be slow where patterns are matched by going back.
    let hostile = json!({ "pattern": format!("zz{}b", "a*".repeat(1_000)) }).to_string();
    assert_eq!(desk.post("/invalidate", hostile).await.json()["reaches"], json!([]));
    assert_eq!(read().await, 0);
    let pattern = r#"{"pattern": "basket:*"}"#;
    assert_eq!(desk.post("/invalidate", pattern).await.json()["reaches"], json!(["basket:<owner>:<number>"]));
    assert_eq!(read().await, 1);

    assert_eq!(desk.post("/clear", "{}").await.status, StatusCode::OK);
    assert_eq!(read().await, 2);

    assert_eq!(desk.post("/enabled", r#"{"enabled": false}"#).await.json(), json!({ "enabled": false }));
    assert_eq!((read().await, read().await), (2, 2), "bodies run");
    assert_eq!(desk.get("/health").await.json()["enabled"], false);
    assert_eq!(desk.post("/enabled", r#"{"enabled": true}"#).await.status, StatusCode::OK);
    assert_eq!(read().await, 0, "it still has what it had");

    rename_team(&team).await;
    check_out(&name).await;
    let recent = desk.get("/stats").await.json()["recent_invalidations"].clone();
    assert_eq!(recent[0]["reached"], json!(["basket:<owner>:<number>"]));
    assert_eq!(recent[0]["source"], "here");
    assert_eq!((&recent[1]["scopes"], &recent[1]["reached"]), (&json!(2), &json!(["account:<name>"])));
    assert_eq!(recent.as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn stats_have_our_names_and_those_of_other_caches() {
    let desk = Desk::new();
    desk.cache.set("one", &1_u64, Duration::from_secs(60)).await.unwrap();
    for key in ["one", "one", "one", "two"] {
        desk.cache.get::<u64>(key).await.unwrap();
    }
    desk.cache.invalidate("three").await.unwrap();
    let stats = desk.get("/stats").await.json();
    let expected = [
        ("hits", json!(3)),
        ("misses", json!(1)),
        ("total_requests", json!(4)),
        ("hit_rate", json!("75.00%")),
        ("hit_ratio", json!(0.75)),
        ("sets", json!(1)),
        ("stores", json!(1)),
        ("deletes", json!(1)),
        ("invalidations", json!(1)),
        ("errors", json!(0)),
        ("db_size", json!(1)),
        ("entries", json!(1)),
        ("namespace", json!("shop")),
        ("enabled", json!(true)),
    ];
    for (name, value) in expected {
        assert_eq!(stats[name], value, "{name}");
    }
    let health = desk.get("/health").await.json();
    assert_eq!((&health["status"], &health["remote"]), (&json!("well"), &Value::Null));
}

#[tokio::test]
async fn keys_say_what_invalidates_them() {
    let keys = Desk::new().get("/keys").await.json();
    let of = |template: &str| {
        let mut keys = keys["keys"].as_array().unwrap().iter();
        keys.find(|key| key["template"] == template).unwrap().clone()
    };
    let by = |key: &Value| -> Vec<Value> {
        let by = key["invalidated_by"].as_array().unwrap().iter();
        by.map(|by| json!([by["function"], by["target"], by["by"]])).collect()
    };
    let (account, basket) = (of("account:<name>"), of("basket:<owner>:<number>"));
    assert_eq!(account["function"], "account");
    assert_eq!(account["tags"], json!(["crew:<team>"]));
    assert_eq!(account["cache"], "SHOP");
    assert_eq!((&basket["ttl_seconds"], &basket["stale_seconds"]), (&json!(60.0), &json!(30.0)));
    assert!(basket["file"].as_str().unwrap().ends_with("admin.rs"));
    assert_eq!(
        by(&account),
        [json!(["rename_team", "account:*", "key"]), json!(["rename_team", "crew:<team>", "tag"])]
    );
    assert_eq!(by(&basket), [json!(["check_out", "basket", "function"])]);
}

#[tokio::test]
async fn a_store_that_is_gone_is_shown_by_the_kind_of_its_trouble() {
    // Nobody listens there, and the address is full of secrets.
    let redis = Redis::open(format!("redis://{MARK}-user:{MARK}-password@127.0.0.1:1/0")).unwrap();
    let desk = Desk::over(Cache::builder().namespace("shop").local(Memory::new(10)).remote(redis).build());
    let answer = desk.post("/invalidate", json!({ "key": format!("account:{MARK}") }).to_string()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let said = answer.json();
    assert_eq!((&said["delivered"], &said["ticket"]), (&json!(false), &Value::Null));
    assert_eq!(said["owed_invalidations"], 1);
    let health = desk.get("/health").await;
    assert_eq!(health.status, StatusCode::OK);
    let said = health.json();
    assert_eq!((&said["status"], &said["healthy"]), (&json!("degraded"), &json!(false)));
    assert_eq!(
        (&said["remote"]["reachable"], &said["remote"]["trouble"]),
        (&json!(false), &json!("unavailable"))
    );
    assert_eq!(said["remote"]["owed_invalidations"], 1);
    assert!(!health.text.contains("127.0.0.1"), "{}", health.text);
    assert_eq!(desk.get("/stats").await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_change_and_every_refusal_is_on_record() {
    secrets::watch();
    let log = Log::of_this_process();
    let cache = Cache::builder().local(Memory::new(10)).build();
    let desk = Desk { router: admin(cache.clone(), Bearer::new("the-auditor", TOKEN).unwrap()), cache };
    desk.post("/invalidate", json!({ "key": format!("account:{MARK}") }).to_string()).await;
    desk.post("/invalidate", json!({ "tag": MARK }).to_string()).await;
    desk.post("/clear", "{}").await;
    desk.post("/enabled", r#"{"enabled": false}"#).await;
    desk.post("/clear", "{").await;
    desk.post_with("/clear", "{}", &[("sec-fetch-site", "cross-site")]).await;
    desk.get("/stats").await;
    let text = log.text();
    let said: Vec<&str> = text.lines().filter(|line| line.contains("the-auditor")).collect();
    let change =
        |rest: &str| format!("INFO larder::audit changed who=\"the-auditor\" {rest} outcome=\"done\"");
    assert_eq!(
        said,
        [
            change(r#"action="invalidate" kind="key""#),
            change(r#"action="invalidate" kind="tag""#),
            change(r#"action="clear" kind="everything""#),
            change(r#"action="enabled" kind="off""#),
            r#"WARN larder::audit refused who="the-auditor" method=POST status=400 outcome="malformed""#
                .to_owned(),
            r#"WARN larder::audit refused who="the-auditor" method=POST status=403 outcome="cross_origin""#
                .to_owned(),
        ]
    );
    secrets::assert_kept();
}

#[tokio::test]
async fn the_page_is_whole_by_itself_and_shows_nothing_to_who_has_no_token() {
    let desk = Desk::new();
    let app = Router::new().nest("/admin/cache", admin(desk.cache.clone(), Bearer::new("a", TOKEN).unwrap()));
    let nested = Desk { router: app, cache: desk.cache.clone() };
    let ask = async |desk: &Desk, path: &str| desk.ask(Request::get(path).body(Body::empty()).unwrap()).await;
    let kinds =
        [("dashboard.css", "text/css; charset=utf-8"), ("dashboard.js", "text/javascript; charset=utf-8")];
    for (desk, page, folder) in [(&desk, "/", "./"), (&nested, "/admin/cache", "./cache/")] {
        let answer = ask(desk, page).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, Some("text/html; charset=utf-8"))
        );
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'self';"));
        assert!(!answer.text.contains("shop"), "the namespace");
        for inline in
            ["<style", " style=", " onclick", " onload", "<script>", "javascript:", "http://", "https://"]
        {
            assert!(!answer.text.contains(inline), "{inline}");
        }
        for (file, kind) in kinds {
            assert!(answer.text.contains(&format!("\"{folder}{file}\"")), "{file}");
            let path = if page == "/" { format!("/{file}") } else { format!("{page}/{file}") };
            let answer = ask(desk, &path).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (StatusCode::OK, Some(kind)),
                "{path}"
            );
            assert!(!answer.text.contains("innerHTML"), "{file}: data becomes text, never markup");
        }
    }
}
