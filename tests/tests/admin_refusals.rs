//! The admin router and those who are not to use it, or not like this: each is told so, learns nothing and changes
//! nothing.

use std::time::Duration;

use larder::http::axum;
use larder::http::axum::body::Body;
use larder::http::axum::http::request::Parts;
use larder::http::axum::http::{Method, Request, StatusCode};
use larder::http::{Caller, Refusal, admin};
use larder::{Cache, Memory};
use serde_json::json;
use tests::desk::{Desk, TOKEN};
use tests::secrets::MARK;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const QUESTIONS: [&str; 3] = ["/stats", "/health", "/keys"];
const CHANGES: [(&str, &str); 3] =
    [("/invalidate", r#"{"pattern": "*"}"#), ("/clear", "{}"), ("/enabled", r#"{"enabled": false}"#)];

#[tokio::test]
async fn who_has_no_token_learns_and_changes_nothing() {
    let desk = Desk::shop();
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
    let readers = |request: &Parts| {
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
    let desk = Desk::shop();
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
    let desk = Desk::shop();
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
    let desk = Desk::shop();
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
    let desk = Desk::shop();
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
    let desk = Desk::shop();
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
    let other = Desk::shop();
    assert_eq!(other.post("/clear", "{}").await.status, StatusCode::OK, "each router has a limit of its own");
}

/// Sends bytes that no client would, and gives the first line of the answer. Whatever comes is looked through.
async fn raw(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // Who is refused early may be hung up on before all of it is sent, and without an answer.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(!answer.contains(MARK) && !answer.contains("injected"), "{answer}");
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_is_no_http_at_all_changes_nothing() {
    let desk = Desk::shop();
    desk.cache.set("kept", &1_u64, Duration::from_secs(60)).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(axum::serve(listener, desk.router.clone()).into_future());
    let authorised = format!("Host: a\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n");
    let with = |line: &str, more: &str| format!("{line}\r\n{authorised}{more}\r\n").into_bytes();
    let json = "Content-Type: application/json\r\n";
    let refused = [
        with("GET /stats HTTP/1.1\0", ""),
        with("GET /st\0ats HTTP/1.1", ""),
        with("GET /stats\r\nX-Injected: injected HTTP/1.1", ""),
        with("POST /clear HTTP/1.1", &format!("{json}X: a\0b\r\nContent-Length: 2\r\n")),
        with("POST /clear HTTP/1.1", &format!("{json}Content-Length: 2\r\nContent-Length: 9\r\n")),
        with("POST /clear HTTP/1.1", &format!("{json}Content-Length: -1\r\n")),
        with("POST /clear HTTP/1.1", &format!("{json}Transfer-Encoding: chunked\r\n\r\nZZ\r\n{{}}")),
        format!("GET /stats HTTP/1.1\r\n{}\r\n\r\n", "a".repeat(1 << 20)).into_bytes(),
        MARK.repeat(100).into_bytes(),
    ];
    for bytes in refused {
        let line = raw(port, &bytes).await;
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert!(line.is_empty() || line.starts_with("HTTP/1.1 4"), "{shown}: {line}");
    }
    assert!(desk.cache.exists("kept").await.unwrap() && desk.cache.stats().invalidations == 0);
    let clear = with("POST /clear HTTP/1.1", &format!("{json}Content-Length: 2\r\n"));
    let clear = [clear, b"{}".to_vec()].concat();
    assert_eq!(raw(port, &clear).await, "HTTP/1.1 200 OK", "the same, done right");
    assert_eq!(desk.cache.stats().invalidations, 1);
    server.abort();
}
