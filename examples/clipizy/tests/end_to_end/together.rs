//! Two programs with one database, one Redis and one folder of files: what one writes, the other shows.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::eventually;
use tests::program::{Backend, Database, Program};
use tests::redis::Server;

use crate::{ask, delete, folder, get, is_hit, post, put, refused, start, start_on, text};

async fn two_programs(backend: &Backend) {
    let database = Database::new();
    let one = start_on(backend, &database, &[]);
    // Its weather service is nowhere.
    let other = start_on(backend, &database, &[("WEATHER_URL", "http://127.0.0.1:1")]);
    // In Redis it is new when the write has returned; a near copy goes within `max_staleness`.
    let shows = async |is_new: &dyn Fn(&Value) -> bool, path: &str| match backend {
        Backend::Tiered(_) => eventually(async || is_new(&get(&other, path).await)).await,
        Backend::Memory | Backend::Redis(_) => assert!(is_new(&get(&other, path).await), "{path} is old"),
    };

    for path in ["/users/1", "/clips/popular"] {
        get(&one, path).await;
        is_hit(&one, path, "queries").await;
        is_hit(&other, path, "queries").await;
    }
    put(&one, "/users/1", json!({ "name": "Ada", "plan": "studio" })).await;
    shows(&|user| user["name"] == "Ada", "/users/1").await;

    // The outside is asked by one, and answers for both.
    get(&one, "/weather/Canillo").await;
    is_hit(&one, "/weather/Canillo", "outside_calls").await;
    eventually(async || ask(&other, Method::GET, "/weather/Canillo", None).await.status == StatusCode::OK)
        .await;
    let nobody = ask(&other, Method::GET, "/weather/Ordino", None).await;
    refused(&nobody, StatusCode::BAD_GATEWAY, "the weather service cannot be asked");

    let token = post(&one, "/sessions", json!({ "user": 7 })).await.json::<Value>()["token"].clone();
    let header = format!("Bearer {}", token.as_str().expect("a token"));
    let session = async |program: &Program, method: Method| {
        program.send(method, "/session", None::<&Value>, &[("authorization", &header)]).await.status
    };
    assert_eq!(session(&other, Method::GET).await, StatusCode::OK);
    assert_eq!(session(&one, Method::DELETE).await, StatusCode::OK);
    match backend {
        Backend::Tiered(_) => {
            eventually(async || session(&other, Method::GET).await == StatusCode::UNAUTHORIZED).await;
        }
        Backend::Memory | Backend::Redis(_) => {
            assert_eq!(session(&other, Method::GET).await, StatusCode::UNAUTHORIZED);
        }
    }

    put(&one, "/files/lyrics.txt", json!({ "text": "la la" })).await;
    assert_eq!(text(&ask(&other, Method::GET, "/files/lyrics.txt", None).await), "la la");

    // A lock is one for both.
    put(&one, "/cache/locks/render:3", Value::Null).await;
    let busy = ask(&other, Method::POST, "/clips/3/render", None).await;
    refused(&busy, StatusCode::CONFLICT, "is being rendered");
    delete(&one, "/cache/locks/render:3").await;
    let (here, there) = tokio::join!(
        ask(&one, Method::POST, "/clips/3/render?wait=10", None),
        ask(&other, Method::POST, "/clips/3/render?wait=10", None)
    );
    let new = [here, there].map(|reply| reply.json::<Value>()["new"] == true);
    assert_eq!(new.iter().filter(|new| **new).count(), 1, "rendered once");
}

#[tokio::test]
async fn two_programs_on_redis() {
    two_programs(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn two_programs_on_tiered() {
    two_programs(&Backend::Tiered(Server::start())).await;
}

/// Redis remembers what a program read of a file that was changed while no program ran.
async fn nobody_looked(backend: &Backend) {
    let (program, database) = start(backend);
    // It was there before the watcher, which has nothing to say of it.
    let read = async |program: &Program| text(&ask(program, Method::GET, "/files/countries.tsv", None).await);
    let server = backend.server().expect("a server");
    eventually(async || {
        assert!(read(&program).await.contains("Andorra"));
        server.tell::<usize>(&["STRLEN", "larder:file:countries.tsv:text"]) > 5000
    })
    .await;
    drop(program);
    std::fs::write(folder(&database).join("countries.tsv"), "Atlantis").expect("a file");
    let program = start_on(backend, &database, &[]);
    eventually(async || read(&program).await == "Atlantis").await;
}

#[tokio::test]
async fn a_change_while_nobody_looked_is_seen_on_redis() {
    nobody_looked(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn a_change_while_nobody_looked_is_seen_on_tiered() {
    nobody_looked(&Backend::Tiered(Server::start())).await;
}
