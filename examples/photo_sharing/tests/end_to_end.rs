//! The whole program over HTTP, on each backend: what is a hit, what every write makes anew, and what is refused.

mod service;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use service::{Service, photo};
use tests::program::{Backend, Database};
use tests::redis::Server;
use tests::until_async;

/// Every configuration that answers a `GET`, with the query that fills it.
const KEPT: [(&str, &str); 18] = [
    // First, since the lists of a user ask whether there is such a user.
    ("/users/1/profile", "user profile"),
    ("/users/1/albums", "albums of a user"),
    ("/albums/1", "album details"),
    ("/albums/1/faces", "faces of an album"),
    ("/albums/1/summary", "album summary"),
    ("/albums/1/clusters", "clusters of an album"),
    ("/albums/1/photos", "photos of an album"),
    ("/photos/1", "photo details"),
    ("/photos/1/status", "photo status"),
    ("/faces/1", "face details"),
    ("/faces/1/embedding", "face embedding"),
    ("/faces/1/similar", "ids of faces"),
    ("/users/1/settings", "user settings"),
    ("/users/1/permissions", "user permissions"),
    ("/search?q=boat", "search"),
    ("/search?q=BOAT", "search"),
    ("/search/suggestions?q=ha", "suggestions"),
    ("/users/1/albums/search?title=har&min_photos=1", "search albums"),
];

async fn every_answer_is_kept(backend: &Backend) {
    let database = Database::new();
    let service = Service::start(backend, &database);
    let boat = service.upload(1, "boat.png", &photo(100)).await;
    service.processed(boat).await;
    service.change(Method::DELETE, "/api/v1/cache", None).await;
    for (path, query) in KEPT {
        let before = service.asked(query).await;
        let first: Value = service.json(path).await;
        assert_eq!(service.asked(query).await, before + 1, "GET {path}");
        assert_eq!(service.hit(path).await, first, "{path}");
    }
    // What is looked for in the list of faces is no part of its key.
    assert_eq!(service.hit("/albums/1/faces?person=Ada").await, json!([]));
    // All that albums are filtered by is in the key.
    for other in ["title=zoo&min_photos=1", "title=har&min_photos=2", "min_photos=2"] {
        assert_eq!(service.json::<Value>(&format!("/users/1/albums/search?{other}")).await, json!([]));
    }
    assert_eq!(service.json::<Value>("/users/1/albums/search").await[0]["title"], "Harbour");
    // A selfie is known by its bytes.
    let search = async |bytes: Vec<u8>| {
        let reply = service.send_bytes(Method::POST, "/search/by-selfie", bytes, &[]).await;
        assert_eq!(reply.status, StatusCode::OK);
        (reply.json::<Value>(), service.asked("ids of faces").await)
    };
    let (found, asked) = search(photo(90)).await;
    assert_eq!(found, json!([{ "what": "face", "id": 1, "name": "0.994" }]));
    assert_eq!(search(photo(90)).await, (found, asked));
    assert_eq!(search(photo(0)).await, (json!([]), asked + 1));
    // What was searched for last is in the cache alone.
    service.change(Method::GET, "/search?q=boat", None).await;
    assert_eq!(service.hit("/users/1/last-search").await, json!({ "words": "boat" }));
}

async fn writes_are_seen_at_once(backend: &Backend) {
    let database = Database::new();
    let service = Service::start(backend, &database);
    let pages =
        ["/albums/1", "/users/1/albums", "/search?q=quay", "/users/1/settings", "/users/1/permissions"];
    for page in pages.into_iter().chain(["/users/1/profile", "/albums/1/summary"]) {
        service.json::<Value>(page).await;
        service.hit(page).await;
    }
    service.put("/albums/1", json!({ "title": "Quay" })).await;
    assert_eq!(service.json::<Value>("/albums/1").await["title"], "Quay");
    assert_eq!(service.json::<Value>("/users/1/albums").await[0]["title"], "Quay");
    let found: Value = service.json("/search?q=quay").await;
    assert_eq!(found, json!([{ "what": "album", "id": 1, "name": "Quay" }]));
    // Nothing else is asked for again.
    service.hit("/albums/1/summary").await;
    service.hit("/users/1/settings").await;

    service.put("/users/1/settings", json!({ "theme": "dark", "per_page": 50 })).await;
    assert_eq!(service.hit("/users/1/settings").await, json!({ "theme": "dark", "per_page": 50 }));
    service.put("/users/1/profile", json!({ "name": "Ada L", "email": "ada@example.org" })).await;
    assert_eq!(service.hit("/users/1/profile").await["name"], "Ada L");
    assert_eq!(service.json::<Value>("/users/3/permissions").await["may_upload"], false);
    assert_eq!(service.json::<Value>("/users/3/profile").await["role"], "guest");
    service.put("/users/3/role", json!({ "role": "member" })).await;
    assert_eq!(service.json::<Value>("/users/3/permissions").await["may_upload"], true);
    assert_eq!(service.json::<Value>("/users/3/profile").await["role"], "member");

    service.change(Method::POST, "/users/1/albums", Some(json!({ "title": "Boats" }))).await;
    assert_eq!(service.json::<Value>("/users/1/albums").await[1]["title"], "Boats");
}

async fn faces_appear_when_they_have_been_found(backend: &Backend) {
    let database = Database::new();
    let service = Service::start(backend, &database);
    let shown = ["/albums/1/faces", "/albums/1/clusters"];
    for page in shown.into_iter().chain(["/albums/1/summary", "/albums/1/photos"]) {
        service.json::<Value>(page).await;
        service.hit(page).await;
    }
    for (name, count) in [("one.png", 100), ("two.png", 90), ("three.png", 60)] {
        let photo = service.upload(1, name, &photo(count)).await;
        service.processed(photo).await;
    }
    assert_eq!(service.json::<Value>("/albums/1/photos").await.as_array().map(Vec::len), Some(3));
    assert_eq!(service.json::<Value>("/albums/1/faces").await.as_array().map(Vec::len), Some(3));
    let summary: Value = service.json("/albums/1/summary").await;
    assert_eq!(summary, json!({ "photos": 3, "bytes": 300, "processed": 3, "faces": 3, "people": 0 }));
    assert_eq!(service.json::<Value>("/albums/1/clusters").await, json!([[1, 2], [3]]));
    service.put("/albums/1/clusters", json!({ "threshold": 0.8 })).await;
    assert_eq!(service.json::<Value>("/albums/1/clusters").await, json!([[1, 2, 3]]));
    assert_eq!(service.json::<Value>("/albums/1").await["threshold"], 0.8);
    let similar: Value = service.json("/faces/1/similar").await;
    assert_eq!(similar.as_array().unwrap().iter().map(|face| &face["face_id"]).collect::<Vec<_>>(), [2, 3]);
    // Those embeddings were fetched at once, and are the entries of the single ones.
    service.hit("/faces/3/embedding").await;
    // A new face is similar to those that are known.
    let four = service.upload(1, "four.png", &photo(95)).await;
    service.processed(four).await;
    assert_eq!(service.json::<Value>("/faces/1/similar").await[0]["face_id"], 4);

    // People: the second face of the same name needs no question who that is.
    service.put("/faces/1/person", json!({ "name": "Mary" })).await;
    assert_eq!(service.asked("get or create person").await, 1);
    service.put("/faces/2/person", json!({ "name": "Mary" })).await;
    assert_eq!(service.asked("get or create person").await, 1);
    assert_eq!(service.json::<Value>("/albums/1/summary").await["people"], 1);
    let ids = async |person: &str| {
        let faces: Vec<Value> = service.json(&format!("/albums/1/faces?person={person}")).await;
        faces.iter().filter_map(|face| face["id"].as_i64()).collect::<Vec<_>>()
    };
    assert_eq!(ids("Mary").await, [1, 2]);
    // A cascade: who renames a person clears the faces that show the name, and what was searched for.
    assert_eq!(service.json::<Value>("/search?q=mary").await[0]["what"], "person");
    service.put("/people/1", json!({ "name": "Marie" })).await;
    assert_eq!((ids("Mary").await, ids("Marie").await), (vec![], vec![1, 2]));
    assert_eq!(service.json::<Value>("/search?q=mary").await, json!([]));
    // The old name is nobody's now.
    service.put("/faces/3/person", json!({ "name": "Mary" })).await;
    assert_eq!((ids("Mary").await, ids("Marie").await), (vec![3], vec![1, 2]));
}

async fn an_album_goes_with_all_that_is_in_it(backend: &Backend) {
    let database = Database::new();
    let service = Service::start(backend, &database);
    for name in ["one.png", "two.png"] {
        let photo = service.upload(1, name, &photo(100)).await;
        service.processed(photo).await;
    }
    let kept = service.upload(2, "kept.png", &photo(100)).await;
    service.processed(kept).await;
    service.put("/faces/1/person", json!({ "name": "Mary" })).await;
    service.get("/photos/2/download").await;
    let of_the_album = [
        "/albums/1",
        "/albums/1/summary",
        "/albums/1/faces",
        "/albums/1/clusters",
        "/albums/1/photos",
        "/photos/2",
        "/photos/2/status",
        "/photos/2/file",
        "/photos/2/downloads",
        "/faces/2",
        "/faces/2/embedding",
        "/faces/2/similar",
    ];
    for page in of_the_album.into_iter().chain(["/faces/3/similar", "/photos/3", "/users/1/albums"]) {
        assert_eq!(service.status(page).await, StatusCode::OK, "{page}");
        assert_eq!(service.status(page).await, StatusCode::OK, "{page}");
    }
    service.hit("/faces/3/similar").await;
    service.change(Method::DELETE, "/albums/1", None).await;
    for page in of_the_album {
        assert_eq!(service.status(page).await, StatusCode::NOT_FOUND, "{page}");
    }
    assert_eq!(service.json::<Value>("/faces/3/similar").await, json!([]));
    assert_eq!(service.json::<Value>("/users/1/albums").await, json!([]));
    // One that stays stays cached.
    service.hit("/photos/3").await;
}

async fn a_login_fetches_what_its_first_page_shows(backend: &Backend) {
    let database = Database::new();
    let service = Service::start(backend, &database);
    let login =
        async || -> Value { service.post("/login", json!({ "email": "grace@example.org" })).await.json() };
    assert_eq!(login().await, json!({ "id": 2, "warmed": 2 }));
    for page in ["profile", "settings", "permissions", "albums"] {
        service.hit(&format!("/users/2/{page}")).await;
    }
    service.hit("/albums/2/summary").await;
    // What is there is not fetched again.
    assert_eq!(login().await, json!({ "id": 2, "warmed": 0 }));
    assert_eq!(service.asked("album summary").await, 1);
}

async fn downloads_are_written_every_ten_and_never_lost(backend: &Backend) {
    let database = Database::new();
    let mut service = Service::start(backend, &database);
    service.upload(1, "boat.png", &photo(100)).await;
    for _ in 0..25 {
        let reply = service.get("/photos/1/download").await;
        assert_eq!(reply.header("content-disposition"), Some("attachment; filename=\"boat.png\""));
        assert_eq!(reply.body, photo(100));
    }
    assert_eq!(service.hit("/photos/1/downloads").await, json!({ "downloads": 25 }));
    assert_eq!(service.asked("write downloads").await, 2);
    // Cleared with everything else, and counted on from where it was.
    service.change(Method::DELETE, "/api/v1/cache", None).await;
    assert_eq!(service.asked("write downloads").await, 3);
    service.get("/photos/1/download").await;
    assert_eq!(service.json::<Value>("/photos/1/downloads").await, json!({ "downloads": 26 }));
    assert_eq!(service.asked("write downloads").await, 3);
    // Interrupted, it writes the rest: what was in the cache is not needed any more.
    service.interrupt();
    if let Some(server) = backend.server() {
        server.tell::<()>(&["FLUSHALL"]);
    }
    let service = Service::start(backend, &database);
    assert_eq!(service.json::<Value>("/photos/1/downloads").await, json!({ "downloads": 26 }));
}

async fn whole_responses_are_kept_by_everybody(backend: &Backend) {
    let database = Database::new();
    let service = Service::start(backend, &database);
    let photo_id = service.upload(1, "boat.png", &photo(100)).await;
    service.processed(photo_id).await;
    for page in ["/photos/1/file", "/faces/1"] {
        let first = service.get(page).await;
        assert_eq!(first.header("cache-control"), Some("max-age=3600, immutable"), "{page}");
        let before = service.queries().await;
        let again = service.get(page).await;
        assert!(again.header("cache-status").unwrap().starts_with("larder; hit"), "{page}: {again:?}");
        assert_eq!((&again.body, again.header("etag")), (&first.body, first.header("etag")), "{page}");
        let etag = first.header("etag").unwrap();
        let asked = service.send(Method::GET, page, None::<&Value>, &[("if-none-match", etag)]).await;
        assert_eq!((asked.status, asked.body.len()), (StatusCode::NOT_MODIFIED, 0), "{page}");
        assert_eq!(service.queries().await, before, "{page}");
    }
    assert_eq!(service.get("/photos/1/file").await.body, photo(100));
    // A page that is not there may be one day.
    assert_eq!(service.get("/photos/2/file").await.header("cache-control"), Some("no-store"));
}

async fn its_numbers_have_the_names_of_the_system(backend: &Backend) {
    let database = Database::new();
    let service = Service::start(backend, &database);
    let before: Value = service.json("/api/v1/cache/stats").await;
    let names: Vec<_> = before.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected =
        ["hits", "misses", "total_requests", "hit_rate", "sets", "deletes", "errors", "db_size"];
    expected.sort_unstable();
    assert_eq!(names, expected);
    for _ in 0..4 {
        service.json::<Value>("/users/1/settings").await;
    }
    let number = |stats: &Value, name: &str| stats[name].as_u64().unwrap();
    let stats: Value = service.json("/api/v1/cache/stats").await;
    assert_eq!(number(&stats, "hits"), number(&before, "hits") + 3);
    assert_eq!(number(&stats, "misses"), number(&before, "misses") + 1);
    assert_eq!(number(&stats, "total_requests"), number(&stats, "hits") + number(&stats, "misses"));
    assert_eq!((stats["hit_rate"].as_str(), number(&stats, "errors")), (Some("75.00%"), 0));
    // In each of its stores.
    assert!(number(&stats, "sets") > number(&before, "sets"));
    assert!(number(&stats, "db_size") >= 1);
    service.put("/users/1/settings", json!({ "theme": "dark", "per_page": 50 })).await;
    let after: Value = service.json("/api/v1/cache/stats").await;
    assert!(number(&after, "deletes") > number(&stats, "deletes"));

    // By pattern: what was searched for, and nothing else.
    for page in ["/search?q=har", "/search/suggestions?q=har", "/users/1/albums"] {
        service.json::<Value>(page).await;
        service.hit(page).await;
    }
    service.change(Method::DELETE, "/api/v1/cache?pattern=search:*", None).await;
    service.hit("/users/1/albums").await;
    let before = service.asked("search").await + service.asked("suggestions").await;
    service.json::<Value>("/search?q=har").await;
    service.json::<Value>("/search/suggestions?q=har").await;
    assert_eq!(service.asked("search").await + service.asked("suggestions").await, before + 2);
}

async fn what_makes_no_sense_is_refused(backend: &Backend) {
    let database = Database::new();
    let service = Service::start(backend, &database);
    let refused = async |method: Method, path: &str, body: Value, headers: &[(&str, &str)], status: u16| {
        let body = (!body.is_null()).then_some(&body);
        let reply = service.send(method, path, body, headers).await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {reply:?}");
        assert!(reply.body.len() > 10, "{path} says nothing: {reply:?}");
    };
    let (get, put, post) = (Method::GET, Method::PUT, Method::POST);
    let (ada, grace, linus) = ([("x-user", "1")], [("x-user", "2")], [("x-user", "3")]);
    for nowhere in
        ["/albums/9", "/albums/9/faces", "/albums/9/summary", "/photos/9", "/photos/9/file", "/faces/9"]
            .into_iter()
            .chain(["/photos/9/download", "/faces/9/similar", "/faces/9/embedding", "/users/9/profile"])
            .chain(["/users/9/albums", "/users/9/settings", "/photos/9/status", "/photos/9/downloads"])
    {
        refused(get.clone(), nowhere, Value::Null, &[], 404).await;
    }
    for wrong in ["/albums/x", "/search", "/search?q=", "/users/1/albums/search?min_photos=many"] {
        refused(get.clone(), wrong, Value::Null, &[], 400).await;
    }
    let title = json!({ "title": "Mine" });
    refused(put.clone(), "/albums/1", title.clone(), &[], 401).await;
    refused(put.clone(), "/albums/1", title.clone(), &[("x-user", "me")], 401).await;
    refused(put.clone(), "/albums/1", title.clone(), &grace, 403).await;
    refused(put.clone(), "/albums/9", title.clone(), &ada, 404).await;
    refused(put.clone(), "/albums/1", json!({ "title": "  " }), &ada, 400).await;
    refused(put.clone(), "/albums/1", json!({ "name": "x" }), &ada, 422).await;
    refused(post.clone(), "/users/3/albums", title.clone(), &linus, 403).await;
    refused(post.clone(), "/users/2/albums", title, &ada, 403).await;
    refused(Method::DELETE, "/albums/1", Value::Null, &grace, 403).await;
    refused(Method::DELETE, "/api/v1/cache", Value::Null, &grace, 403).await;
    refused(Method::DELETE, "/api/v1/cache?pattern=", Value::Null, &ada, 400).await;
    refused(put.clone(), "/albums/1/clusters", json!({ "threshold": 2 }), &ada, 400).await;
    refused(put.clone(), "/users/1/settings", json!({ "theme": "pink", "per_page": 1 }), &ada, 400).await;
    refused(put.clone(), "/users/1/role", json!({ "role": "king" }), &ada, 400).await;
    refused(put.clone(), "/users/1/role", json!({ "role": "admin" }), &grace, 403).await;
    let taken = json!({ "name": "Ada", "email": "grace@example.org" });
    refused(put.clone(), "/users/1/profile", taken, &ada, 409).await;
    refused(post.clone(), "/login", json!({ "email": "nobody@example.org" }), &[], 400).await;
    refused(put.clone(), "/people/9", json!({ "name": "x" }), &ada, 404).await;
    refused(put, "/faces/9/person", json!({ "name": "x" }), &ada, 404).await;
    refused(post.clone(), "/search/by-selfie", Value::Null, &[], 400).await;
    // Uploads: their kind, their name, their bytes, their size.
    let png = [("x-user", "1"), ("content-type", "image/png")];
    for (path, headers, bytes, status) in [
        ("/albums/1/photos?name=a.png", &ada[..], vec![1], 415),
        ("/albums/1/photos?name=..%2Fa.png", &png[..], vec![1], 400),
        ("/albums/1/photos", &png[..], vec![1], 400),
        ("/albums/1/photos?name=a.png", &png[..], vec![], 400),
        ("/albums/1/photos?name=a.png", &png[..], vec![1; (8 << 20) + 1], 413),
        ("/albums/9/photos?name=a.png", &png[..], vec![1], 404),
    ] {
        let reply = service.send_bytes(post.clone(), path, bytes, headers).await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {reply:?}");
    }
}

async fn searches_go_by_themselves(backend: &Backend) {
    let database = Database::new();
    let service = Service::start(backend, &database);
    assert_eq!(service.json::<Value>("/search?q=boat").await, json!([]));
    let boat = service.upload(1, "boat.png", &photo(100)).await;
    service.processed(boat).await;
    // For ten minutes: nothing tells it of the upload.
    assert_eq!(service.hit("/search?q=boat").await, json!([]));
    drop(service);
    let service = Service::start_with(backend, &database, &[("SEARCH_TTL", "1")]);
    assert_eq!(service.json::<Value>("/search?q=ship").await, json!([]));
    service.upload(1, "ship.png", &photo(100)).await;
    until_async(async || service.json::<Value>("/search?q=ship").await[0]["name"] == "ship.png").await;
}

#[tokio::test]
async fn every_answer_is_kept_on_memory() {
    every_answer_is_kept(&Backend::Memory).await;
}

#[tokio::test]
async fn every_answer_is_kept_on_redis() {
    every_answer_is_kept(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn every_answer_is_kept_on_tiered() {
    every_answer_is_kept(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn writes_are_seen_at_once_on_memory() {
    writes_are_seen_at_once(&Backend::Memory).await;
}

#[tokio::test]
async fn writes_are_seen_at_once_on_redis() {
    writes_are_seen_at_once(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn writes_are_seen_at_once_on_tiered() {
    writes_are_seen_at_once(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn faces_appear_when_they_have_been_found_on_memory() {
    faces_appear_when_they_have_been_found(&Backend::Memory).await;
}

#[tokio::test]
async fn faces_appear_when_they_have_been_found_on_redis() {
    faces_appear_when_they_have_been_found(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn faces_appear_when_they_have_been_found_on_tiered() {
    faces_appear_when_they_have_been_found(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn an_album_goes_with_all_that_is_in_it_on_memory() {
    an_album_goes_with_all_that_is_in_it(&Backend::Memory).await;
}

#[tokio::test]
async fn an_album_goes_with_all_that_is_in_it_on_redis() {
    an_album_goes_with_all_that_is_in_it(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn an_album_goes_with_all_that_is_in_it_on_tiered() {
    an_album_goes_with_all_that_is_in_it(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn a_login_fetches_what_its_first_page_shows_on_memory() {
    a_login_fetches_what_its_first_page_shows(&Backend::Memory).await;
}

#[tokio::test]
async fn a_login_fetches_what_its_first_page_shows_on_redis() {
    a_login_fetches_what_its_first_page_shows(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn a_login_fetches_what_its_first_page_shows_on_tiered() {
    a_login_fetches_what_its_first_page_shows(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn downloads_are_written_every_ten_and_never_lost_on_memory() {
    downloads_are_written_every_ten_and_never_lost(&Backend::Memory).await;
}

#[tokio::test]
async fn downloads_are_written_every_ten_and_never_lost_on_redis() {
    downloads_are_written_every_ten_and_never_lost(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn downloads_are_written_every_ten_and_never_lost_on_tiered() {
    downloads_are_written_every_ten_and_never_lost(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn whole_responses_are_kept_by_everybody_on_memory() {
    whole_responses_are_kept_by_everybody(&Backend::Memory).await;
}

#[tokio::test]
async fn whole_responses_are_kept_by_everybody_on_redis() {
    whole_responses_are_kept_by_everybody(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn whole_responses_are_kept_by_everybody_on_tiered() {
    whole_responses_are_kept_by_everybody(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn its_numbers_have_the_names_of_the_system_on_memory() {
    its_numbers_have_the_names_of_the_system(&Backend::Memory).await;
}

#[tokio::test]
async fn its_numbers_have_the_names_of_the_system_on_redis() {
    its_numbers_have_the_names_of_the_system(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn its_numbers_have_the_names_of_the_system_on_tiered() {
    its_numbers_have_the_names_of_the_system(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_on_memory() {
    what_makes_no_sense_is_refused(&Backend::Memory).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_on_redis() {
    what_makes_no_sense_is_refused(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_on_tiered() {
    what_makes_no_sense_is_refused(&Backend::Tiered(Server::start())).await;
}

#[tokio::test]
async fn searches_go_by_themselves_on_memory() {
    searches_go_by_themselves(&Backend::Memory).await;
}

#[tokio::test]
async fn searches_go_by_themselves_on_redis() {
    searches_go_by_themselves(&Backend::Redis(Server::start())).await;
}

#[tokio::test]
async fn searches_go_by_themselves_on_tiered() {
    searches_go_by_themselves(&Backend::Tiered(Server::start())).await;
}
