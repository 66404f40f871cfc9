//! What the cache says of itself, and what it makes of rubbish.

use serde_json::{Value, json};
use tests::eventually;
use tests::program::{Backend, Program};
use tests::redis::Server;

use crate::{get, is_hit, is_miss, put, start};

async fn health(backend: &Backend) {
    let (program, _database) = start(backend);
    get(&program, "/users/1").await;
    is_hit(&program, "/users/1", "queries").await;
    put(&program, "/users/1", json!({ "name": "Ada", "plan": "studio" })).await;

    let health = report(&program).await;
    assert_eq!((&health["enabled"], &health["namespace"]), (&json!(true), &json!("larder")));
    let stats = &health["stats"];
    let [hits, misses, loads] = ["hits", "misses", "loads"].map(|name| number(&stats[name]));
    assert!(hits >= 1.0 && misses >= 1.0 && loads >= 1.0, "{stats}");
    assert!((number(&stats["hit_rate"]) - hits / (hits + misses)).abs() < 1e-9, "{stats}");
    assert!(number(&stats["invalidations"]) >= 1.0, "{stats}");
    for times in ["hit_times", "load_times"] {
        let [median, p99] = ["median_ms", "p99_ms"].map(|name| number(&stats[times][name]));
        assert!(median > 0.0 && median <= p99, "{times}: {stats}");
    }
    let functions = health["functions"].as_array().expect("a list");
    let user =
        functions.iter().find(|function| function["key"] == "user:<id>" && function["function"] == "user");
    let user = user.expect("the function was called");
    assert!(number(&user["hits"]) >= 1.0 && number(&user["misses"]) >= 1.0, "{user}");

    let redis = &health["redis"];
    match backend {
        Backend::Memory => {
            assert_eq!((redis, &health["healthy"]), (&Value::Null, &json!(true)));
            assert_eq!(
                stats["errors"],
                json!({ "loads": 0, "redis": 0, "timeouts": 0, "refused_values": 0 })
            );
            assert_eq!((hits, misses), (1.0, 1.0), "{stats}");
        }
        Backend::Redis(_) | Backend::Tiered(_) => {
            eventually(async || report(&program).await["healthy"] == true).await;
            let redis = report(&program).await["redis"].clone();
            assert_eq!((&redis["connected"], &redis["breaker"]), (&json!(true), &json!("closed")), "{redis}");
            assert!(redis["version"].is_string() && number(&redis["used_memory"]) > 0.0, "{redis}");
            assert!(number(&redis["keys"]) >= 1.0 && number(&redis["round_trip_ms"]) > 0.0, "{redis}");
            let near = matches!(backend, Backend::Tiered(_));
            assert_eq!(redis["hearing"], if near { "feed" } else { "no near copies" });
        }
    }
}

async fn report(program: &Program) -> Value {
    program.json("/health").await
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn health_on_memory() {
    health(&Backend::Memory).await;
}

#[tokio::test]
async fn health_on_redis() {
    health(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn health_on_tiered() {
    health(&Backend::Tiered(Server::start())).await;
}

/// Somebody else writes to our keys: that is a miss, counted, and no error.
#[tokio::test]
async fn rubbish_in_redis_is_a_miss() {
    let backend = Backend::Redis(Server::start());
    let (program, _database) = start(&backend);
    let server = backend.server().expect("a server");
    get(&program, "/users/1").await;
    is_hit(&program, "/users/1", "queries").await;
    let whole: Vec<u8> = server.tell(&["GET", "larder:user:1"]);
    let cut = whole.get(..whole.len() - 5).expect("a value");
    for rubbish in [b"rubbish", br#"{"id":1,"name":"Mallory","plan":"free","revision":1}"#, cut] as [&[u8]; 3]
    {
        let mut set = redis::cmd("SET");
        server.ask::<()>(set.arg("larder:user:1").arg(rubbish));
        is_miss(&program, "/users/1", "queries").await;
        assert_eq!(get(&program, "/users/1").await["name"], "Listener 1");
        // And it is replaced.
        is_hit(&program, "/users/1", "queries").await;
    }
    eventually(async || number(&report(&program).await["stats"]["errors"]["refused_values"]) >= 1.0).await;
}
