//! The admin router: what it answers, what it does, and what it puts on record. Who is refused is in `admin_refusals`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::http::axum::Router;
use larder::http::axum::body::Body;
use larder::http::axum::http::{Request, StatusCode};
use larder::http::{Bearer, admin};
use larder::{Cache, Memory, Named, Redis, cache_invalidate, cached};
use serde_json::{Value, json};
use tests::apart::Process;
use tests::desk::{Desk, TOKEN};
use tests::log::Log;
use tests::redis::{Server, patient};
use tests::secrets::{self, MARK};
use tests::until_async;

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

#[tokio::test]
async fn what_is_invalidated_is_loaded_again_and_what_is_not_stays() {
    let desk = Desk::shop();
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
    let desk = Desk::shop();
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
    let keys = Desk::shop().get("/keys").await.json();
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
async fn what_another_process_has_invalidated_is_shown_as_theirs() {
    let server = Server::start();
    let truth = Arc::new(AtomicU64::new(1));
    let [here, elsewhere] = [(), ()].map(|()| Process::new(patient(server.url()), &truth));
    here.read("account:a").await;
    here.until_it_hears(true).await;
    elsewhere.cache.invalidate(format!("account:{MARK}").as_str()).await.unwrap();
    let desk = Desk::over(here.cache.clone());
    until_async(async || !here.cache.recent_invalidations().is_empty()).await;
    let recent = desk.get("/stats").await.json()["recent_invalidations"].clone();
    assert_eq!(recent.as_array().unwrap().len(), 1);
    assert_eq!(
        (&recent[0]["source"], &recent[0]["reached"]),
        (&json!("elsewhere"), &json!(["account:<name>"]))
    );
    assert_eq!(desk.get("/health").await.json()["remote"]["hearing"]["mode"], "feed");
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
    let desk = Desk::shop();
    let app = Router::new().nest("/admin/cache", admin(desk.cache.clone(), Bearer::new("a", TOKEN).unwrap()));
    let nested = Desk { router: app, cache: desk.cache.clone() };
    let ask = async |desk: &Desk, path: &str| desk.ask(Request::get(path).body(Body::empty()).unwrap()).await;
    let scripts = ["act", "charts", "connection", "dashboard", "dom", "format", "history", "view"];
    let scripts = scripts.map(|name| (format!("{name}.js"), "text/javascript; charset=utf-8"));
    let mut files = scripts.to_vec();
    files.push(("dashboard.css".to_owned(), "text/css; charset=utf-8"));
    files.push(("icon.svg".to_owned(), "image/svg+xml"));
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
        for named in ["dashboard.css", "dashboard.js", "icon.svg"] {
            assert!(answer.text.contains(&format!("\"{folder}{named}\"")), "{named}");
        }
        for (file, kind) in &files {
            let path = format!("{}/{file}", page.trim_end_matches('/'));
            let answer = ask(desk, &path).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (StatusCode::OK, Some(*kind)),
                "{path}"
            );
            assert!(!answer.text.contains("innerHTML"), "{file}: data becomes text, never markup");
        }
    }
}
