//! The four services, rendering and warming: what is cached, and what each change invalidates.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::eventually;
use tests::program::Backend;
use tests::redis::Server;

use crate::{ask, delete, done, folder, get, is_hit, is_miss, post, put, refused, start, text};

async fn users(backend: &Backend) {
    let (program, _database) = start(backend);
    assert_eq!(get(&program, "/users/1").await["name"], "Listener 1");
    for path in ["/users/1", "/users/1/summary", "/users/1/clips", "/users?ids=1,2,3"] {
        get(&program, path).await;
        is_hit(&program, path, "queries").await;
    }

    // The entries of many are those of each.
    is_hit(&program, "/users/3", "queries").await;
    get(&program, "/users?ids=3,4,5").await;
    is_hit(&program, "/users/4", "queries").await;

    let reply = put(&program, "/users/1", json!({ "name": "Ada", "plan": "studio" })).await;
    assert_eq!(reply.json::<Value>()["revision"], 2);
    assert_eq!(get(&program, "/users/1").await["name"], "Ada");
    assert_eq!(get(&program, "/users?ids=2,1").await[0]["name"], "Ada");
    // Loaded by hand, under a key that begins like those of the user.
    assert_eq!(get(&program, "/users/1/summary").await["name"], "Ada");
    is_hit(&program, "/users/2", "queries").await;

    let change = json!({ "name": "Ada", "plan": "free" });
    refused(&put(&program, "/users/4711", change).await, StatusCode::NOT_FOUND, "no such user");
    refused(&ask(&program, Method::GET, "/users/4711", None).await, StatusCode::NOT_FOUND, "no such user");
    refused(&ask(&program, Method::GET, "/users/ada", None).await, StatusCode::BAD_REQUEST, "write a number");
    refused(
        &ask(&program, Method::GET, "/users?ids=1,x", None).await,
        StatusCode::BAD_REQUEST,
        "write a number",
    );
    let nameless = json!({ "name": " ", "plan": "free" });
    refused(&put(&program, "/users/1", nameless).await, StatusCode::BAD_REQUEST, "`name` is empty");
    let half = put(&program, "/users/1", json!({ "name": "Ada" })).await;
    refused(&half, StatusCode::UNPROCESSABLE_ENTITY, "missing field `plan`");
}

#[tokio::test]
async fn users_on_memory() {
    users(&Backend::Memory).await;
}

#[tokio::test]
async fn users_on_redis() {
    users(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn users_on_tiered() {
    users(&Backend::Tiered(Server::start())).await;
}

async fn clips(backend: &Backend) {
    let (program, _database) = start(backend);
    let owner = get(&program, "/clips/1").await["owner"].as_i64().expect("an id");
    let of_owner = format!("/users/{owner}/clips");
    let paths = ["/clips/1", &of_owner, "/clips?search=andorra", "/clips/popular", "/places/fr", "/settings"];
    for path in paths {
        get(&program, path).await;
        is_hit(&program, path, "queries").await;
    }
    assert!(get(&program, "/places/fr").await.as_array().expect("a list").len() > 100);
    // The key is in lower case, so both are one entry.
    is_hit(&program, "/places/FR", "queries").await;

    put(&program, "/clips/1/title", json!({ "title": "A day in the Pyrenees" })).await;
    assert_eq!(get(&program, "/clips/1").await["title"], "A day in the Pyrenees");
    assert_eq!(get(&program, &of_owner).await[0]["title"], "A day in the Pyrenees");
    assert_eq!(get(&program, "/clips?search=andorra").await, json!([]));
    assert_eq!(get(&program, "/clips?search=pyrenees").await[0]["id"], 1);
    is_hit(&program, "/places/fr", "queries").await;

    put(&program, "/settings/sign_up", json!({ "value": "closed" })).await;
    assert_eq!(get(&program, "/settings").await["sign_up"], "closed");

    // A star is a letter: it finds nothing, and is a key of its own.
    assert_eq!(get(&program, "/clips?search=*").await, json!([]));
    assert_ne!(get(&program, "/clips?search=night").await, json!([]));
    let empty = ask(&program, Method::GET, "/clips?search=", None).await;
    refused(&empty, StatusCode::BAD_REQUEST, "write a part of a title");
    refused(&ask(&program, Method::GET, "/clips/4711", None).await, StatusCode::NOT_FOUND, "no such clip");
    refused(&ask(&program, Method::GET, "/places/xyz", None).await, StatusCode::BAD_REQUEST, "two letters");
    let untitled = put(&program, "/clips/1/title", json!({ "title": "" })).await;
    refused(&untitled, StatusCode::BAD_REQUEST, "`title` is empty");
}

#[tokio::test]
async fn clips_on_memory() {
    clips(&Backend::Memory).await;
}

#[tokio::test]
async fn clips_on_redis() {
    clips(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn clips_on_tiered() {
    clips(&Backend::Tiered(Server::start())).await;
}

async fn weather(backend: &Backend) {
    let (program, _database) = start(backend);
    assert_eq!(get(&program, "/weather/Canillo").await["place"], "Canillo");
    is_hit(&program, "/weather/Canillo", "outside_calls").await;
    is_hit(&program, "/weather/CANILLO", "outside_calls").await;
    is_miss(&program, "/weather/Ordino", "outside_calls").await;
    // What a user types is a value in the key, and one segment of the path outside.
    for nowhere in ["/weather/Atlantis", "/weather/*", "/weather/%2F..%2F", "/weather/%00"] {
        let reply = ask(&program, Method::GET, nowhere, None).await;
        refused(&reply, StatusCode::NOT_FOUND, "no such weather");
    }
}

#[tokio::test]
async fn weather_on_memory() {
    weather(&Backend::Memory).await;
}

#[tokio::test]
async fn weather_on_redis() {
    weather(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn weather_on_tiered() {
    weather(&Backend::Tiered(Server::start())).await;
}

async fn sessions(backend: &Backend) {
    let (program, _database) = start(backend);
    let log_in = async |seconds: u64| {
        let reply = post(&program, "/sessions", json!({ "user": 7, "seconds": seconds })).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", text(&reply));
        reply.json::<Value>()["token"].as_str().expect("a token").to_owned()
    };
    let with = async |method: Method, token: &str| {
        let header = format!("Bearer {token}");
        program.send(method, "/session", None::<&Value>, &[("authorization", &header)]).await
    };

    let token = log_in(60).await;
    let is_hit = async || {
        let before = done(&program, "queries").await;
        assert_eq!(with(Method::GET, &token).await.json::<Value>()["user"], 7);
        done(&program, "queries").await == before
    };
    match backend {
        // It was stored when it was made: the first look is a hit.
        Backend::Memory => assert!(is_hit().await),
        Backend::Redis(server) | Backend::Tiered(server) => {
            eventually(is_hit).await;
            for name in server.tell::<Vec<String>>(&["KEYS", "*"]) {
                assert!(!name.contains(&token), "a token in a key");
                // What is no string has no value to read.
                if server.tell::<String>(&["TYPE", &name]) == "string" {
                    let value: Vec<u8> = server.tell(&["GET", &name]);
                    assert!(!String::from_utf8_lossy(&value).contains(&token), "a token in a value");
                }
            }
        }
    }

    assert_eq!(with(Method::DELETE, &token).await.json::<Value>()["was_logged_in"], true);
    refused(&with(Method::GET, &token).await, StatusCode::UNAUTHORIZED, "the session is over");
    assert_eq!(with(Method::DELETE, &token).await.json::<Value>()["was_logged_in"], false);

    let short = log_in(1).await;
    eventually(async || with(Method::GET, &short).await.status == StatusCode::UNAUTHORIZED).await;

    let nobody = post(&program, "/sessions", json!({ "user": 4711 })).await;
    refused(&nobody, StatusCode::NOT_FOUND, "no user 4711");
    let endless = post(&program, "/sessions", json!({ "user": 7, "seconds": 0 })).await;
    refused(&endless, StatusCode::BAD_REQUEST, "from 1 to 86400");
    let tokenless = ask(&program, Method::GET, "/session", None).await;
    refused(&tokenless, StatusCode::UNAUTHORIZED, "authorization: Bearer");
}

#[tokio::test]
async fn sessions_on_memory() {
    sessions(&Backend::Memory).await;
}

#[tokio::test]
async fn sessions_on_redis() {
    sessions(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn sessions_on_tiered() {
    sessions(&Backend::Tiered(Server::start())).await;
}

async fn files(backend: &Backend) {
    let (program, database) = start(backend);
    let folder = folder(&database);
    let shown = async |path: &str| text(&ask(&program, Method::GET, path, None).await);

    assert!(shown("/files/LICENSE-APACHE").await.contains("Apache License"));
    let about = get(&program, "/files/countries.tsv/about").await;
    assert_eq!((&about["lines"], &about["bytes"]), (&json!(250), &json!(5816)));
    is_hit(&program, "/files/countries.tsv/about", "disk_reads").await;

    // A change through the program: at once.
    let written = put(&program, "/files/lyrics.txt", json!({ "text": "la la la" })).await;
    assert_eq!(written.status, StatusCode::NO_CONTENT);
    assert_eq!(shown("/files/lyrics.txt").await, "la la la");
    assert_eq!(get(&program, "/files/lyrics.txt/about").await["words"], 3);
    put(&program, "/files/lyrics.txt", json!({ "text": "la la" })).await;
    assert_eq!(shown("/files/lyrics.txt").await, "la la");
    assert_eq!(get(&program, "/files/lyrics.txt/about").await["words"], 2);

    // By somebody else, past the program: when the watcher has seen it.
    std::fs::write(folder.join("lyrics.txt"), "doo wop doo wop").expect("a file");
    eventually(async || shown("/files/lyrics.txt").await == "doo wop doo wop").await;
    eventually(async || get(&program, "/files/lyrics.txt/about").await["words"] == 4).await;
    std::fs::remove_file(folder.join("lyrics.txt")).expect("a file");
    eventually(async || shown("/files/lyrics.txt").await.contains("no such file")).await;

    assert_eq!(delete(&program, "/files/LICENSE-APACHE").await.json::<Value>()["existed"], true);
    refused(
        &ask(&program, Method::GET, "/files/LICENSE-APACHE", None).await,
        StatusCode::NOT_FOUND,
        "no such file",
    );
    for name in ["..%2Fclipizy.db", ".hidden", "a%20b", "%2A"] {
        let path = format!("/files/{name}");
        refused(&ask(&program, Method::GET, &path, None).await, StatusCode::BAD_REQUEST, "use letters");
        refused(&put(&program, &path, json!({ "text": "" })).await, StatusCode::BAD_REQUEST, "use letters");
    }
}

#[tokio::test]
async fn files_on_memory() {
    files(&Backend::Memory).await;
}

#[tokio::test]
async fn files_on_redis() {
    files(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn files_on_tiered() {
    files(&Backend::Tiered(Server::start())).await;
}

async fn rendering(backend: &Backend) {
    let (program, _database) = start(backend);
    let render = |path: &'static str| ask(&program, Method::POST, path, None);

    // A crowd that waits has one rendering among it.
    let path = "/clips/1/render?wait=10";
    let crowd = tokio::join!(render(path), render(path), render(path), render(path), render(path));
    let crowd = [crowd.0, crowd.1, crowd.2, crowd.3, crowd.4].map(|reply| reply.json::<Value>());
    assert!(crowd.iter().all(|rendered| rendered["file"] == "clip-1.svg"), "{crowd:?}");
    assert_eq!(crowd.iter().filter(|rendered| rendered["new"] == true).count(), 1, "{crowd:?}");
    assert_eq!(done(&program, "renders").await, 1);
    assert!(text(&ask(&program, Method::GET, "/files/clip-1.svg", None).await).starts_with("<svg"));
    assert_eq!(get(&program, "/clips/1").await["rendered"], "clip-1.svg");

    // Who does not wait is sent away while somebody is at it.
    assert_eq!(put(&program, "/cache/locks/render:2", Value::Null).await.status, StatusCode::OK);
    refused(&render("/clips/2/render").await, StatusCode::CONFLICT, "is being rendered");
    refused(&render("/clips/2/render?wait=1").await, StatusCode::CONFLICT, "is being rendered");
    assert_eq!(delete(&program, "/cache/locks/render:2").await.status, StatusCode::OK);
    assert_eq!(render("/clips/2/render").await.json::<Value>()["new"], true);
    assert_eq!(done(&program, "renders").await, 2);

    // A new title is a new clip to render.
    put(&program, "/clips/1/title", json!({ "title": "Again" })).await;
    assert_eq!(render("/clips/1/render").await.json::<Value>()["new"], true);
    refused(&render("/clips/4711/render").await, StatusCode::NOT_FOUND, "no clip 4711");
}

#[tokio::test]
async fn rendering_on_memory() {
    rendering(&Backend::Memory).await;
}

#[tokio::test]
async fn rendering_on_redis() {
    rendering(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn rendering_on_tiered() {
    rendering(&Backend::Tiered(Server::start())).await;
}

async fn warming(backend: &Backend) {
    let (program, _database) = start(backend);
    let warm = async || post(&program, "/warm", Value::Null).await.json::<Value>();
    // Twenty users, ten clips, and the settings.
    let first = warm().await;
    assert_eq!(first, json!({ "loaded": 31, "there_already": 0, "failed": 0 }));
    eventually(async || warm().await["there_already"] == 31).await;
    // It is in Redis under the key of the function, which would otherwise load it itself.
    if let Some(server) = backend.server() {
        eventually(async || server.tell::<usize>(&["STRLEN", "larder:user:35"]) > 40).await;
    }
    // The most active user, and the most popular clip.
    let clip = get(&program, "/clips/popular").await[0]["id"].clone();
    for path in ["/users/35", "/settings", &format!("/clips/{clip}")] {
        is_hit(&program, path, "queries").await;
    }
    // Who was here longest ago is not among them: the last of forty.
    is_miss(&program, "/users/6", "queries").await;
}

#[tokio::test]
async fn warming_on_memory() {
    warming(&Backend::Memory).await;
}

#[tokio::test]
async fn warming_on_redis() {
    warming(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn warming_on_tiered() {
    warming(&Backend::Tiered(Server::start())).await;
}
