//! The cache's own operations over HTTP, and what becomes of keys that people type.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::eventually;
use tests::program::Backend;
use tests::redis::Server;

use crate::{ask, delete, get, is_hit, is_miss, post, put, refused, start};

async fn values(backend: &Backend) {
    let (program, _database) = start(backend);
    let missing = ask(&program, Method::GET, "/cache/keys/greeting", None).await;
    refused(&missing, StatusCode::NOT_FOUND, "nothing under this key");

    assert_eq!(put(&program, "/cache/keys/greeting?ttl=60", json!({ "en": "hello" })).await.status, 204);
    assert_eq!(get(&program, "/cache/keys/greeting").await, json!({ "en": "hello" }));
    assert_eq!(get(&program, "/cache/keys/greeting/exists").await, json!({ "exists": true }));
    let left = get(&program, "/cache/keys/greeting/ttl").await["seconds"].as_f64().expect("a time");
    assert!(left > 0.0 && left <= 60.0, "{left}");
    let kept = put(&program, "/cache/keys/greeting/ttl?seconds=600", Value::Null).await;
    assert_eq!(kept.json::<Value>(), json!({ "existed": true }));
    let left = get(&program, "/cache/keys/greeting/ttl").await["seconds"].as_f64().expect("a time");
    assert!(left > 60.0 && left <= 600.0, "{left}");

    let there = put(&program, "/cache/keys/greeting?if_absent=true", json!("hi")).await;
    refused(&there, StatusCode::CONFLICT, "leave out `if_absent`");
    assert_eq!(delete(&program, "/cache/keys/greeting").await.json::<Value>(), json!({ "existed": true }));
    assert_eq!(delete(&program, "/cache/keys/greeting").await.json::<Value>(), json!({ "existed": false }));
    assert_eq!(get(&program, "/cache/keys/greeting/exists").await, json!({ "exists": false }));
    assert_eq!(get(&program, "/cache/keys/greeting/ttl").await, json!({ "seconds": null }));
    let gone = put(&program, "/cache/keys/greeting/ttl?seconds=600", Value::Null).await;
    assert_eq!(gone.json::<Value>(), json!({ "existed": false }));
    put(&program, "/cache/keys/greeting?if_absent=true", json!("hi")).await;
    assert_eq!(get(&program, "/cache/keys/greeting").await, "hi");

    put(&program, "/cache/keys/short?ttl=1", json!(1)).await;
    eventually(async || get(&program, "/cache/keys/short/exists").await["exists"] == false).await;

    put(&program, "/cache/many?ttl=60", json!({ "a": 1, "b": [2], "c": { "d": 3 } })).await;
    assert_eq!(get(&program, "/cache/many?keys=a,b,none,c").await, json!([1, [2], null, { "d": 3 }]));
}

#[tokio::test]
async fn values_on_memory() {
    values(&Backend::Memory).await;
}

#[tokio::test]
async fn values_on_redis() {
    values(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn values_on_tiered() {
    values(&Backend::Tiered(Server::start())).await;
}

async fn counters(backend: &Backend) {
    let (program, _database) = start(backend);
    let mut last = 0;
    for by in [1, 5, -2] {
        let path = format!("/cache/counters/views?by={by}");
        last = post(&program, &path, Value::Null).await.json::<Value>()["value"].as_i64().expect("a number");
    }
    assert_eq!(get(&program, "/cache/counters/views").await["value"], last);
    // A number is no JSON document, and a document no number.
    let other = ask(&program, Method::GET, "/cache/keys/views", None).await;
    refused(&other, StatusCode::NOT_FOUND, "nothing under this key");
    put(&program, "/cache/keys/text", json!("text")).await;
    let other = ask(&program, Method::GET, "/cache/counters/text", None).await;
    refused(&other, StatusCode::NOT_FOUND, "nobody has counted this yet");
    match backend {
        Backend::Memory => assert_eq!(last, 4),
        // One whose answer was late may have been asked for twice.
        Backend::Redis(_) | Backend::Tiered(_) => assert!(last >= 2, "{last}"),
    }
}

#[tokio::test]
async fn counters_on_memory() {
    counters(&Backend::Memory).await;
}

#[tokio::test]
async fn counters_on_redis() {
    counters(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn counters_on_tiered() {
    counters(&Backend::Tiered(Server::start())).await;
}

async fn patterns(backend: &Backend) {
    let (program, _database) = start(backend);
    let clear = async |pattern: &str| post(&program, "/cache/clear", json!({ "pattern": pattern })).await;
    for path in ["/users/1", "/users/1/clips", "/users/2", "/clips/1"] {
        get(&program, path).await;
        is_hit(&program, path, "queries").await;
    }

    // A level of the keys, exactly; and less than a level, which takes all of it in Redis.
    assert!(clear("user:1:*").await.json::<Value>()["ticket"].is_string());
    is_miss(&program, "/users/1/clips", "queries").await;
    is_hit(&program, "/users/1", "queries").await;
    is_hit(&program, "/users/2", "queries").await;
    clear("user:1*").await;
    is_miss(&program, "/users/1", "queries").await;
    is_miss(&program, "/users/1/clips", "queries").await;
    if matches!(backend, Backend::Memory) {
        is_hit(&program, "/users/2", "queries").await;
    }
    get(&program, "/users/2").await;
    clear("user:*").await;
    is_miss(&program, "/users/2", "queries").await;
    is_hit(&program, "/clips/1", "queries").await;
    clear("*").await;
    is_miss(&program, "/clips/1", "queries").await;

    refused(&clear("").await, StatusCode::BAD_REQUEST, "the pattern is empty");
    refused(
        &clear("user:\u{7}*").await,
        StatusCode::BAD_REQUEST,
        "letter 6 of the pattern is a control character",
    );
    let unnamed = post(&program, "/cache/clear", json!({})).await;
    refused(&unnamed, StatusCode::UNPROCESSABLE_ENTITY, "missing field `pattern`");
}

#[tokio::test]
async fn patterns_on_memory() {
    patterns(&Backend::Memory).await;
}

#[tokio::test]
async fn patterns_on_redis() {
    patterns(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn patterns_on_tiered() {
    patterns(&Backend::Tiered(Server::start())).await;
}

async fn typed_keys(backend: &Backend) {
    let (program, _database) = start(backend);
    for (key, value) in [("*", 1), ("a", 2), ("a:b", 3), ("user:1", 4), ("ключ", 5)] {
        let path = format!("/cache/keys/{}", in_path(key));
        assert_eq!(put(&program, &path, json!(value)).await.status, 204, "{key}");
        assert_eq!(get(&program, &path).await, value, "{key}");
    }
    // A star names one entry: deleting it deletes no other.
    assert_eq!(delete(&program, "/cache/keys/%2A").await.json::<Value>(), json!({ "existed": true }));
    assert_eq!(get(&program, "/cache/many?keys=*,a,a:b").await, json!([null, 2, 3]));

    // What is typed is not where the program keeps its own: neither read nor written there.
    assert_eq!(get(&program, "/users/1").await["name"], "Listener 1");
    get(&program, "/users/2").await;
    let user = ask(&program, Method::GET, "/cache/keys/user:2", None).await;
    refused(&user, StatusCode::NOT_FOUND, "nothing under this key");

    for (key, why) in [
        ("%20", "the key is empty"),
        ("line%0Abreak", "letter 5 of the key is a control character"),
        ("nul%00", "letter 4 of the key is a control character"),
        (&"x".repeat(201), "write 200 at most"),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let reply = ask(&program, method, &format!("/cache/keys/{key}"), Some(json!(1))).await;
            refused(&reply, StatusCode::BAD_REQUEST, why);
        }
    }
    let many = put(&program, "/cache/many", json!({ "good": 1, "bad\n": 2 })).await;
    refused(&many, StatusCode::BAD_REQUEST, "control character");
    assert_eq!(get(&program, "/cache/many?keys=good").await, json!([null]), "all or none");
    let never = put(&program, "/cache/keys/a?ttl=0", json!(1)).await;
    refused(&never, StatusCode::BAD_REQUEST, "from 1 to 604800");
    let unclear = put(&program, "/cache/keys/a?ttl=soon", json!(1)).await;
    refused(&unclear, StatusCode::BAD_REQUEST, "ttl");
}

/// `key` as a segment of a path: every byte by its number.
fn in_path(key: &str) -> String {
    let numbers: Vec<String> = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
    numbers.concat()
}

#[tokio::test]
async fn typed_keys_on_memory() {
    typed_keys(&Backend::Memory).await;
}

#[tokio::test]
async fn typed_keys_on_redis() {
    typed_keys(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn typed_keys_on_tiered() {
    typed_keys(&Backend::Tiered(Server::start())).await;
}

async fn locks(backend: &Backend) {
    let (program, _database) = start(backend);
    let lock = || put(&program, "/cache/locks/billing?lease=60", Value::Null);
    let first = lock().await.json::<Value>()["fence"].as_u64().expect("a number");
    refused(&lock().await, StatusCode::CONFLICT, "somebody holds the lock `billing`");
    assert_eq!(put(&program, "/cache/locks/other", Value::Null).await.status, StatusCode::OK);
    let released = delete(&program, "/cache/locks/billing").await;
    assert_eq!(released.json::<Value>(), json!({ "was_held": true }));
    let second = lock().await.json::<Value>()["fence"].as_u64().expect("a number");
    assert!(second > first, "{second} follows {first}");
    let unclear = put(&program, "/cache/locks/%09", Value::Null).await;
    refused(&unclear, StatusCode::BAD_REQUEST, "the name of the lock is empty");
    let unknown = delete(&program, "/cache/locks/unknown").await;
    refused(&unknown, StatusCode::NOT_FOUND, "nobody holds the lock `unknown` here");
}

#[tokio::test]
async fn locks_on_memory() {
    locks(&Backend::Memory).await;
}

#[tokio::test]
async fn locks_on_redis() {
    locks(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn locks_on_tiered() {
    locks(&Backend::Tiered(Server::start())).await;
}
