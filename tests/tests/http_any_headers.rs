//! Whatever stands in the headers of requests and responses, a client gets an answer: what the service has said, or that
//! the client has it, or that there is none. Nothing panics, neither here nor in the crates that read headers.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use larder::http::CacheLayer;
use larder::{Cache, Memory};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::runtime::Builder;
use tokio::time::advance;
use tower::{Layer as _, ServiceExt as _, service_fn};

type Headers = Vec<(&'static str, Vec<u8>)>;

/// Headers that somebody reads, with values that are right, nearly right, or anything.
fn headers() -> impl Strategy<Value = Headers> {
    let names = [
        "age",
        "authorization",
        "cache-control",
        "cache-status",
        "cache-tag",
        "connection",
        "content-length",
        "content-location",
        "date",
        "etag",
        "expires",
        "host",
        "if-modified-since",
        "if-none-match",
        "last-modified",
        "location",
        "pragma",
        "vary",
        "warning",
        "x-a",
    ];
    let values = [
        "max-age=60",
        "max-age=60, stale-while-revalidate=60",
        "max-age=18446744073709551615",
        "max-age=99999999999999999999999, stale-if-error=18446744073709551615",
        "max-age=60, stale-while-revalidate=99999999999999, immutable",
        "max-age=\"",
        "\"\\",
        "no-cache",
        "min-fresh=18446744073709551615",
        "max-stale",
        "max-stale=18446744073709551615",
        "only-if-cached",
        "18446744073709551615",
        "-1",
        "x-a",
        "X-A, ,, x-a",
        "*",
        "\"v1\"",
        "W/\"v1\", \"v2\"",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Thu, 01 Jan 1900 00:00:00 GMT",
        "http://[::1",
        "//shop.example/a",
        "/a?b",
        "http://user@SHOP.example:99999/",
        "199 - \"w\"",
        ",",
        "",
    ];
    let value = prop_oneof![
        4 => select(values.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec((select(names.to_vec()), value), 0..8)
}

fn add(into: &mut http::HeaderMap, headers: &Headers) {
    for (name, value) in headers {
        // What is no value at all never comes this far.
        if let Ok(value) = HeaderValue::from_bytes(value) {
            into.append(*name, value);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_request_is_answered(
        method in select(vec!["GET", "HEAD", "POST", "OPTIONS"]),
        says in headers(),
        asks in vec((headers(), 0..100_u64), 1..5),
        uri in select(vec!["/", "/a?b&=&&c=%zz", "http://shop.example/a", "*", "/%2A:*?*"]),
    ) {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let cache = Cache::builder().local(Memory::new(100)).build();
            let service = CacheLayer::new(cache).ttl(Duration::from_secs(30)).layer(service_fn(
                move |_: Request<Full<Bytes>>| {
                    let mut response = Response::new(Full::<Bytes>::from("page"));
                    add(response.headers_mut(), &says);
                    ready(Ok::<_, Infallible>(response))
                },
            ));
            for (asks, wait) in &asks {
                for method in ["GET", method, "GET"] {
                    let mut request = Request::builder().method(method).uri(uri).body(Full::default()).unwrap();
                    add(request.headers_mut(), asks);
                    let response = service.clone().oneshot(request).await.unwrap();
                    let status = response.status().as_u16();
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    match (status, method) {
                        (200, "HEAD") | (304 | 504, _) => {}
                        (200, _) => assert_eq!(body, "page"),
                        _ => panic!("{status}"),
                    }
                }
                advance(Duration::from_secs(*wait)).await;
            }
        });
    }
}
