//! Pages on a real Redis: two processes that share it have one set of pages, whatever is in them, and no trouble of the
//! server is ever a client's. The cases of `http_cases` that say nothing about time hold there as well.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use larder::http::CacheLayer;
use larder::{Cache, Codec, Memory, Redis, Tag};
use tests::http_site::{Site, ask, get};
use tests::redis::{Server, patient};
use tests::until_async;
use tower::{Layer as _, ServiceExt as _, service_fn};

/// How two processes share a server.
const BUILDS: [fn(&str, Codec) -> Cache; 2] = [
    |url, codec| Cache::builder().remote(patient(url)).codec(codec).build(),
    |url, codec| Cache::builder().local(Memory::new(1000)).remote(patient(url)).codec(codec).build(),
];

fn hit(response: &Response<String>) -> bool {
    response.headers()["cache-status"].to_str().unwrap().starts_with("larder; hit")
}

#[tokio::test]
async fn what_one_process_has_made_another_serves() {
    for build in BUILDS {
        for codec in [Codec::Json, Codec::MessagePack] {
            let server = Server::start();
            let [one, two] = [(); 2].map(|()| build(&server.url(), codec));
            let site = Site::new();
            site.says(&[
                ("cache-control", "max-age=60"),
                ("link", "</a>"),
                ("link", "</b>"),
                ("vary", "x-a"),
            ]);
            let layer = |cache: &Cache| {
                CacheLayer::new(cache.clone()).tags(|request| [format!("page:{}", request.uri.path())])
            };
            let (here, there) = (site.behind(&layer(&one)), site.behind(&layer(&two)));
            let first = ask(&here, get("/a?z=1&b=2")).await;
            let second = ask(&there, get("/a?b=2&z=1")).await;
            assert!(!hit(&first) && hit(&second), "{second:?}");
            assert_eq!(first.body(), second.body());
            let links: Vec<_> = second.headers().get_all("link").iter().collect();
            assert_eq!(links, ["</a>", "</b>"]);
            assert_eq!(first.headers()["etag"], second.headers()["etag"]);
            // A variant, a HEAD and a request that chooses.
            let mut other = get("/a?b=2&z=1");
            other.headers_mut().insert("x-a", "1".parse().unwrap());
            assert!(!hit(&ask(&here, other.clone()).await) && hit(&ask(&there, other).await));
            let mut head = get("/a?b=2&z=1");
            *head.method_mut() = Method::HEAD;
            assert!(hit(&ask(&there, head).await));
            let mut picky = get("/a?b=2&z=1");
            picky.headers_mut().insert("cache-control", "max-age=50".parse().unwrap());
            assert!(hit(&ask(&there, picky).await));
            assert_eq!(site.calls(), 2);
            // An invalidation in one process, by tag and by a write, counts in the other once it is acknowledged there.
            site.write();
            let ticket = one.invalidate(Tag::from("page:/a")).await.unwrap();
            two.at_least(&ticket).await.unwrap();
            assert_eq!(ask(&there, get("/a?b=2&z=1")).await.body(), "1");
            let write = Request::builder().method(Method::POST).uri("/a").body(Full::default()).unwrap();
            ask(&there, write).await;
            until_async(async || ask(&here, get("/a?b=2&z=1")).await.body() == "2").await;
        }
    }
}

#[tokio::test]
async fn any_bytes_come_back_as_they_were() {
    let server = Server::start();
    let every: Vec<u8> = (0..=255).cycle().take(5000).collect();
    for (path, bytes) in
        [("/text", "grün\n".as_bytes().to_vec()), ("/bytes", every), ("/nothing", Vec::new())]
    {
        for codec in [Codec::Json, Codec::MessagePack] {
            let calls = Arc::new(AtomicU64::new(0));
            let name = format!("{codec:?}").to_lowercase();
            let answer = |_: u8| {
                let cache =
                    Cache::builder().namespace(&name).remote(patient(server.url())).codec(codec).build();
                let (calls, bytes) = (Arc::clone(&calls), bytes.clone());
                CacheLayer::new(cache).layer(service_fn(move |_: Request<Full<Bytes>>| {
                    calls.fetch_add(1, Ordering::SeqCst);
                    let latin = HeaderValue::from_bytes(b"caf\xe9").unwrap();
                    let response =
                        Response::builder().header("cache-control", "max-age=60").header("x-a", latin);
                    ready(Ok::<_, Infallible>(response.body(Full::<Bytes>::from(bytes.clone())).unwrap()))
                }))
            };
            for service in [answer(0), answer(1)] {
                let response = service.oneshot(get(path)).await.unwrap();
                assert_eq!(response.headers()["x-a"].as_bytes(), b"caf\xe9");
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), bytes);
            }
            assert_eq!(calls.load(Ordering::SeqCst), 1, "{path} as {name}");
        }
    }
}

#[tokio::test]
async fn without_its_server_every_request_is_answered() {
    let mut server = Server::start();
    let redis = Redis::builder().url(server.url()).build().unwrap();
    let cache = Cache::builder().remote(redis).build();
    let site = Site::new();
    let service = site.behind(&CacheLayer::new(cache));
    assert_eq!(ask(&service, get("/a")).await.body(), "0");
    server.kill();
    for number in 0..5_u64 {
        site.write();
        let response = ask(&service, get("/a")).await;
        assert_eq!((response.status().as_u16(), response.body()), (200, &(number + 1).to_string()));
        let mut picky = get("/b");
        picky.headers_mut().insert("cache-control", "no-cache".parse().unwrap());
        assert_eq!(ask(&service, picky).await.status(), 200);
    }
    let write = Request::builder().method(Method::POST).uri("/a").body(Full::default()).unwrap();
    assert_eq!(ask(&service, write).await.status(), 200, "a write as well");
}

#[tokio::test]
async fn a_value_that_is_no_page_is_a_miss() {
    let server = Server::start();
    let cache = Cache::builder().remote(patient(server.url())).build();
    cache.set("http::/a:", &"no page".to_owned(), Duration::from_secs(60)).await.unwrap();
    let site = Site::new();
    assert_eq!(ask(&site.behind(&CacheLayer::new(cache)), get("/a")).await.body(), "0");
}

#[tokio::test]
async fn a_page_that_learns_its_tags_is_shared_if_its_request_names_them() {
    let server = Server::start();
    let site = Site::new();
    site.says(&[("cache-control", "max-age=60"), ("cache-tag", "page:/a")]);
    for names in [false, true] {
        let [one, two] = [(); 2].map(|()| {
            let name = format!("names{names}");
            let near = Cache::builder().namespace(name).local(Memory::new(100)).remote(patient(server.url()));
            let layer = CacheLayer::new(near.build());
            let tags =
                move |request: &http::request::Parts| names.then(|| format!("page:{}", request.uri.path()));
            site.behind(&layer.tags(tags))
        });
        assert!(!hit(&ask(&one, get("/a")).await));
        assert!(hit(&ask(&one, get("/a")).await), "in its own process");
        assert_eq!(hit(&ask(&two, get("/a")).await), names, "and in another");
    }
}
