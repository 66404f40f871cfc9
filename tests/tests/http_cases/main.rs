//! The HTTP layer against the cases that caches on the web are tested with: what a shared cache in front of an origin may,
//! must and must not answer with. The groups are those of the public test suite for HTTP caches (http-cache-tests); each
//! case is written anew, for a cache that sits in the process of its origin.
//!
//! Which of its groups are not here, and why:
//!
//! - *Revalidation with the origin* (304 to a cache, updates of stored headers): the origin is a function call away and has
//!   nothing to save by a 304. The layer asks for the whole page, so there is nothing to merge.
//! - *Partial content* (storing, combining and completing 206): ranges go through, see `range`.
//! - *Heuristic freshness*: nothing is guessed. What does not say how long it lives is not kept; the suite calls it optional.
//! - *Surrogate and CDN-Cache-Control, Pragma in responses beyond no-cache*: not claimed. `Pragma: no-cache` is in `no-store`.
//! - *Interim responses, trailers, connection handling and header syntax on the wire*: those are hyper's. That headers of
//!   `Connection` are not kept is in `storing`.
//! - *Private caches*: this one is shared.
//! - *Updates by HEAD*: a HEAD is loaded as a GET and makes the whole page.
//! - *Status codes that nobody knows*: kept are those that http-cache-semantics understands, see `storing`.
//! - *Warning*: gone from HTTP.

mod table;

use std::convert::Infallible;
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use larder::http::CacheLayer;
use larder::{Cache, Memory};
use tests::redis::{Server, patient};
use tests::until;
use tokio::time::advance;
use tower::{Layer as _, ServiceExt as _, service_fn};

/// What the service would say, and how often it was asked.
#[derive(Clone, Default)]
struct Origin {
    answer: Arc<Mutex<String>>,
    calls: Arc<AtomicU64>,
}

impl Origin {
    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn respond(&self) -> Response<Full<Bytes>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = self.answer.lock().unwrap().clone();
        let (status, headers) = answer.split_once(' ').unwrap_or((&answer, ""));
        let mut response = Response::builder().status(status.parse::<u16>().unwrap());
        for (name, value) in fields(headers) {
            response = response.header(name, value);
        }
        response.body(Full::from(call.to_string())).unwrap()
    }
}

/// The headers in braces.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
    let lines = inner.split(';').map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.split_once(": ").unwrap_or((line.trim_end_matches(':'), "")))
}

fn request(text: &str) -> Request<Full<Bytes>> {
    let (line, headers) = text.split_once('{').unwrap_or((text, ""));
    let (method, uri) = line.trim().split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri).header("host", "shop.example");
    for (name, value) in fields(headers) {
        request = request.header(name, value);
    }
    request.body(Full::default()).unwrap()
}

/// Plays one case; what is wrong with it, if anything is.
async fn play(script: &str, layer: CacheLayer) -> Result<(), String> {
    let origin = Origin::default();
    let inner = {
        let origin = origin.clone();
        service_fn(move |_: Request<Full<Bytes>>| ready(Ok::<_, Infallible>(origin.respond())))
    };
    let service = layer.layer(inner);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(seconds) = line.strip_prefix("wait ") {
            advance(Duration::from_secs(seconds.parse().unwrap())).await;
            continue;
        }
        let mut parts = line.split(" | ");
        let (asked, said, expected) = (parts.next(), parts.next(), parts.next());
        said.unwrap().trim().clone_into(&mut origin.answer.lock().unwrap());
        let before = origin.calls();
        let response = service.clone().oneshot(request(asked.unwrap())).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let mut words = expected.unwrap().split_whitespace();
        let (outcome, number) = (words.next().unwrap(), words.next().unwrap());
        let wanted_calls = match outcome {
            "made" | "sent" => number.parse().unwrap(),
            "kept" => before,
            "stale" => {
                until(|| origin.calls() > before).await;
                before + 1
            }
            other => panic!("no such outcome: {other}"),
        };
        let words: Vec<_> = words.collect();
        let says_no_body = words.contains(&"empty") || outcome == "sent";
        let fault = |what: String| Err(format!("{line}\n  {what}\n  {head:?}"));
        if origin.calls() != wanted_calls {
            return fault(format!("{} calls, and {wanted_calls} were expected", origin.calls()));
        }
        if (outcome == "made" || outcome == "sent") && wanted_calls != before + 1 {
            return fault(format!("there were {before} calls before"));
        }
        if !says_no_body && body != number {
            return fault(format!("the body is {body:?}"));
        }
        for word in words {
            let text = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            let holds = match word.split_once('=') {
                Some(("status", status)) => head.status == StatusCode::from_bytes(status.as_bytes()).unwrap(),
                // A space in a value is written `_`.
                Some((name, value)) => text(name).is_some_and(|text| text.replace(' ', "_") == value),
                None if word == "empty" => body.is_empty(),
                None => text(word.trim_start_matches('!')).is_none() == word.starts_with('!'),
            };
            if !holds {
                return fault(format!("{word} does not hold; the body is {body:?}"));
            }
        }
    }
    Ok(())
}

type Case = (&'static str, &'static str, &'static str);

/// The cases for which `play` finds a fault, each with it.
async fn faults(cases: impl Iterator<Item = &Case>, mut cache: impl FnMut() -> Cache) -> Vec<String> {
    let mut faults = Vec::new();
    for (group, title, script) in cases {
        if let Err(fault) = play(script, CacheLayer::new(cache())).await {
            faults.push(format!("{group}: {title}\n  {fault}"));
        }
    }
    faults
}

fn in_memory() -> Cache {
    Cache::builder().local(Memory::new(1000)).build()
}

#[tokio::test(start_paused = true)]
async fn every_case_of_the_table_holds() {
    let faults = faults(table::CASES.iter(), in_memory).await;
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), table::CASES.len(), faults.join("\n"));
}

/// On a server no clock stands still: those in which time passes are left out. And one more: who makes a page anew has
/// leased its key by then, so that after an error there is no page.
#[tokio::test]
async fn every_case_without_time_holds_on_redis_and_under_a_near_cache() {
    let server = Server::start();
    for near in [false, true] {
        let mut number = 0;
        let shared = || {
            number += 1;
            let cache = Cache::builder().namespace(format!("{near}{number}")).remote(patient(server.url()));
            if near { cache.local(Memory::new(1000)).build() } else { cache.build() }
        };
        let timeless = table::CASES.iter().filter(|(.., script)| {
            let leased = script.contains("no-cache} | 503");
            !script.contains("wait") && !leased
        });
        let count = timeless.clone().count();
        assert!(count > 50, "{count} cases");
        let faults = faults(timeless, shared).await;
        assert!(faults.is_empty(), "{} of {count} cases:\n{}", faults.len(), faults.join("\n"));
    }
}

/// Each group fails where what it is about is switched off: the table is no list of things that hold anyway.
#[tokio::test(start_paused = true)]
async fn the_table_notices_a_cache_that_keeps_nothing() {
    let off = || {
        let cache = in_memory();
        cache.set_enabled(false);
        cache
    };
    let faults = faults(table::CASES.iter(), off).await;
    for group in
        ["freshness", "Vary", "conditional", "HEAD", "Age", "stale", "invalidation", "query", "storing"]
    {
        assert!(faults.iter().any(|fault| fault.starts_with(group)), "{group} holds without a cache");
    }
}
