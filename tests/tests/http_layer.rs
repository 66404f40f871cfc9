//! The HTTP layer under concurrency and in trouble: one call for a crowd, nothing of one client for another, nobody kept
//! waiting for what is not for him, and bodies that arrive whole. What is kept for how long is in `http_cases`, that
//! invalidation wins in `http_rule`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use larder::http::CacheLayer;
use larder::{Cache, Memory, Tag, cached};
use tests::http_site::{Site, ask, get};
use tests::{Gate, until};
use tokio::time::advance;
use tower::{Layer as _, ServiceExt as _, service_fn};

const CROWD: usize = 50;

fn in_memory() -> Cache {
    Cache::builder().local(Memory::new(1000)).build()
}

/// Clients that ask for `/a` at once; what they get.
fn crowd(site: &Site, layer: &CacheLayer) -> Vec<tokio::task::JoinHandle<Response<String>>> {
    let service = site.behind(layer);
    let clients = (0..CROWD).map(|_| {
        let service = service.clone();
        tokio::spawn(async move { ask(&service, get("/a")).await })
    });
    clients.collect()
}

fn status(response: &Response<String>) -> &str {
    response.headers()["cache-status"].to_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_crowd_makes_one_call() {
    let cache = in_memory();
    let (site, layer) = (Site::new().held(), CacheLayer::new(cache.clone()));
    let clients = crowd(&site, &layer);
    site.gate.arrived(1).await;
    until(|| cache.stats().joins == CROWD as u64 - 1).await;
    advance(Duration::from_secs(1)).await;
    site.gate.open();
    let answers: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(site.calls(), 1);
    assert!(answers.iter().all(|answer| answer.body() == "0"));
    let said = |what| answers.iter().filter(|answer| status(answer) == what).count();
    assert_eq!(said("larder; fwd=uri-miss; stored"), 1);
    assert_eq!(said("larder; fwd=uri-miss; collapsed"), CROWD - 1);
}

#[tokio::test(start_paused = true)]
async fn a_stale_page_is_renewed_by_one_call() {
    let (site, layer) = (Site::new(), CacheLayer::new(in_memory()));
    site.says(&[("cache-control", "max-age=60, stale-while-revalidate=60")]);
    ask(&site.behind(&layer), get("/a")).await;
    advance(Duration::from_secs(61)).await;
    site.write();
    let held = site.held();
    for answer in join_all(crowd(&held, &layer)).await {
        let answer = answer.unwrap();
        assert_eq!((answer.body().as_str(), &answer.headers()["age"]), ("0", &"61".parse().unwrap()));
    }
    held.gate.arrived(1).await;
    held.gate.open();
    until(|| layer_is_idle(&layer)).await;
    assert_eq!(site.calls(), 2);
    assert_eq!(ask(&site.behind(&layer), get("/a")).await.body(), "1");
}

fn layer_is_idle(layer: &CacheLayer) -> bool {
    format!("{layer:?}").contains("aloft: 0")
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_what_is_for_another_and_nobody_waits_for_long() {
    for uncacheable in [("cache-control", "private, max-age=60"), ("set-cookie", "session=1")] {
        let cache = in_memory();
        let layer = CacheLayer::new(cache.clone()).ttl(Duration::from_secs(60));
        let leader = Site::new().held();
        leader.says(&[uncacheable]);
        let calls = Arc::new(AtomicU64::new(0));
        let gate = Gate::default();
        let (name, value) = (uncacheable.0.to_owned(), uncacheable.1.to_owned());
        // Every call makes a body of its own. The first stops at one gate, all others at the next.
        let service = layer.layer(service_fn({
            let (calls, first, others) = (Arc::clone(&calls), leader.gate.clone(), gate.clone());
            move |_: Request<Full<Bytes>>| {
                let call = calls.fetch_add(1, Ordering::SeqCst);
                let gate = if call == 0 { first.clone() } else { others.clone() };
                let response = Response::builder().header(&name, &value);
                let answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
                    gate.pass().await;
                    Ok::<_, Infallible>(response.body(Full::<Bytes>::from(call.to_string())).unwrap())
                });
                answer
            }
        }));
        let clients: Vec<_> = (0..CROWD)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move {
                    let response = service.oneshot(get("/a")).await.unwrap();
                    response.into_body().collect().await.unwrap().to_bytes()
                })
            })
            .collect();
        leader.gate.arrived(1).await;
        until(|| cache.stats().joins == CROWD as u64 - 1).await;
        leader.gate.open();
        // All at once: none of them waits for another.
        gate.arrived(CROWD as u64 - 1).await;
        gate.open();
        let mut bodies: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), CROWD, "to each his own");
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_uri_is_known_to_be_uncacheable_nobody_waits_at_all() {
    let (site, layer) = (Site::new(), CacheLayer::new(in_memory()));
    site.says(&[("cache-control", "no-store")]);
    ask(&site.behind(&layer), get("/a")).await;
    let held = site.held();
    let clients = crowd(&held, &layer);
    held.gate.arrived(CROWD as u64).await;
    held.gate.open();
    for answer in join_all(clients).await {
        assert_eq!(status(&answer.unwrap()), "larder; fwd=bypass");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_takes_nobody_with_it() {
    let (site, layer) = (Site::new().held(), CacheLayer::new(in_memory()));
    let service = site.behind(&layer);
    let first = tokio::spawn(async move { ask(&service, get("/a")).await });
    site.gate.arrived(1).await;
    let clients = crowd(&site, &layer);
    tokio::task::yield_now().await;
    first.abort();
    site.gate.arrived(2).await;
    site.gate.open();
    for answer in join_all(clients).await {
        assert_eq!(answer.unwrap().body(), "0");
    }
    assert_eq!(site.calls(), 2, "the one that was dropped, and one more");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_service_is_the_clients_own_and_a_stale_page_is_better() {
    let fails = Arc::new(AtomicBool::new(true));
    let service = {
        let fails = Arc::clone(&fails);
        service_fn(move |_: Request<Full<Bytes>>| {
            let fails = fails.load(Ordering::SeqCst);
            let response = || {
                let response = Response::builder().header("cache-control", "max-age=60, stale-if-error=60");
                response.body(Full::<Bytes>::from("page")).unwrap()
            };
            std::future::ready(if fails { Err("broken") } else { Ok(response()) })
        })
    };
    let service = CacheLayer::new(in_memory()).layer(service);
    let ask = async || service.clone().oneshot(get("/a")).await.map(|response| response.status());
    assert_eq!(ask().await, Err("broken"));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(ask().await, Ok(StatusCode::OK));
    fails.store(true, Ordering::SeqCst);
    advance(Duration::from_secs(61)).await;
    assert_eq!(ask().await, Ok(StatusCode::OK), "stale");
    advance(Duration::from_secs(60)).await;
    assert_eq!(ask().await, Err("broken"));
}

/// A body in pieces, with whatever comes last.
struct Pieces {
    pieces: VecDeque<Result<Frame<Bytes>, &'static str>>,
    /// How many were taken.
    taken: Arc<AtomicU64>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(self.pieces.pop_front())
    }
}

/// What a client gets of pieces behind a layer: the bytes, the trailers and the error, twice; and the calls.
async fn through(
    last: fn() -> Option<Result<Frame<Bytes>, &'static str>>,
    length: usize,
    layer: CacheLayer,
) -> (Vec<(usize, Option<HeaderMap>, Option<&'static str>)>, u64) {
    let calls = Arc::new(AtomicU64::new(0));
    let service = {
        let calls = Arc::clone(&calls);
        layer.layer(service_fn(move |_: Request<Full<Bytes>>| {
            calls.fetch_add(1, Ordering::SeqCst);
            let pieces = (0..length / 10).map(|_| Ok(Frame::data(Bytes::from_static(b"0123456789"))));
            let pieces = pieces.chain(last()).collect();
            let response = Response::builder().header("cache-control", "max-age=60");
            let body = Pieces { pieces, taken: Arc::default() };
            std::future::ready(Ok::<_, Infallible>(response.body(body).unwrap()))
        }))
    };
    let mut got = Vec::new();
    for _ in 0..2 {
        let response = service.clone().oneshot(get("/a")).await.unwrap();
        let (mut bytes, mut trailers, mut failed) = (Vec::new(), None, None);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => bytes.extend_from_slice(&data),
                Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
                Err(error) => failed = Some(error),
            }
        }
        assert!(bytes.chunks(10).all(|piece| piece == b"0123456789"), "in order, and nothing twice");
        got.push((bytes.len(), trailers, failed));
    }
    (got, calls.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_body_up_to_the_bound_is_kept_and_a_longer_one_goes_through_whole() {
    let layer = || CacheLayer::new(in_memory()).max_body(100);
    let whole = |length| vec![(length, None, None); 2];
    assert_eq!(through(|| None, 100, layer()).await, (whole(100), 1));
    assert_eq!(through(|| None, 110, layer()).await, (whole(110), 2));
    assert_eq!(through(|| None, 100_000, layer()).await, (whole(100_000), 2));
    assert_eq!(through(|| None, 1024 * 1024 + 20, CacheLayer::new(in_memory())).await.1, 2, "by default");
    assert_eq!(through(|| None, 0, layer()).await, (whole(0), 1), "an empty one is a body");
}

#[tokio::test]
async fn a_body_that_breaks_or_has_trailers_goes_through_as_it_is() {
    let layer = || CacheLayer::new(in_memory());
    let (got, calls) = through(|| Some(Err("cut")), 50, layer()).await;
    assert_eq!((got, calls), (vec![(50, None, Some("cut")); 2], 2));
    let last = || {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        Some(Ok(Frame::trailers(trailers)))
    };
    let (got, calls) = through(last, 50, layer()).await;
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "1".parse().unwrap())]);
    assert_eq!((got, calls), (vec![(50, Some(trailers), None); 2], 2));
}

#[tokio::test]
async fn a_stream_that_is_not_kept_is_not_read_ahead() {
    let taken = Arc::new(AtomicU64::new(0));
    let service = {
        let taken = Arc::clone(&taken);
        CacheLayer::new(in_memory()).layer(service_fn(move |_: Request<Full<Bytes>>| {
            let pieces = (0..1000).map(|_| Ok(Frame::data(Bytes::from_static(b"data: x\n\n")))).collect();
            let body = Pieces { pieces, taken: Arc::clone(&taken) };
            let response = Response::builder().header("content-type", "text/event-stream");
            std::future::ready(Ok::<_, Infallible>(response.body(body).unwrap()))
        }))
    };
    let mut response = service.oneshot(get("/events")).await.unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 0, "not a byte before the client wants one");
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_life_of_a_route_is_for_what_says_nothing() {
    let layer = CacheLayer::new(in_memory())
        .ttl(Duration::from_secs(30))
        .stale_while_revalidate(Duration::from_secs(10))
        .stale_if_error(Duration::from_secs(300));
    let site = Site::new();
    let ask = async |uri: &str| ask(&site.behind(&layer), get(uri)).await;
    site.says(&[]);
    let silent = ask("/silent").await;
    let control = &silent.headers()["cache-control"];
    assert_eq!(control, "max-age=30, stale-while-revalidate=10, stale-if-error=300");
    assert_eq!(status(&ask("/silent").await), "larder; hit; ttl=30");
    site.says(&[("cache-control", "max-age=5")]);
    assert_eq!(ask("/own").await.headers()["cache-control"], "max-age=5");
    site.says(&[("set-cookie", "a=b")]);
    let personal = ask("/personal").await;
    assert!(!personal.headers().contains_key("cache-control"), "no cache on the way is to keep it either");
    let mut request = get("/somebody");
    site.says(&[]);
    request.headers_mut().insert("authorization", "Basic YTpi".parse().unwrap());
    let somebody = tests::http_site::ask(&site.behind(&layer), request).await;
    assert!(!somebody.headers().contains_key("cache-control"));
}

#[tokio::test]
async fn tags_of_the_response_are_for_the_cache_and_for_others_if_wanted() {
    let cache = in_memory();
    let site = Site::new();
    site.says(&[("cache-control", "max-age=60"), ("x-keys", "team:7,user:1  user:2")]);
    let layer = CacheLayer::new(cache.clone()).tag_header("x-keys".parse().unwrap());
    for (round, tag) in (0..).zip(["team:7", "user:1", "user:2"]) {
        let answer = ask(&site.behind(&layer), get("/a")).await;
        assert!(!answer.headers().contains_key("x-keys"));
        assert_eq!(ask(&site.behind(&layer), get("/a")).await.body(), &round.to_string());
        site.write();
        cache.invalidate(Tag::from(tag)).await.unwrap();
    }
    cache.clear().await.unwrap();
    let answer = ask(&site.behind(&layer.show_tags()), get("/a")).await;
    assert_eq!(answer.headers()["x-keys"], "team:7,user:1  user:2");
}

#[tokio::test]
async fn a_page_goes_with_what_its_handler_has_used() {
    #[cached(key = "name:<id>", ttl = 300, skip(cache, calls), tags = ["user:<id>"], cache = cache)]
    async fn name(cache: &Cache, id: u64, calls: &AtomicU64) -> u64 {
        let _ = (cache, id);
        calls.fetch_add(1, Ordering::SeqCst)
    }
    let (cache, calls) = (in_memory(), Arc::new(AtomicU64::new(0)));
    let service = {
        let (cache, calls) = (cache.clone(), Arc::clone(&calls));
        service_fn(move |_: Request<Full<Bytes>>| {
            let (cache, calls) = (cache.clone(), Arc::clone(&calls));
            let answer: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
                let name = name(&cache, 7, &calls).await;
                let response = Response::builder().header("cache-control", "max-age=60");
                Ok::<_, Infallible>(response.body(Full::<Bytes>::from(name.to_string())).unwrap())
            });
            answer
        })
    };
    let service = CacheLayer::new(cache.clone()).layer(service);
    let ask = async || {
        let response = service.clone().oneshot(get("/a")).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    };
    assert_eq!((ask().await, ask().await), ("0".into(), "0".into()));
    cache.invalidate(Tag::from("user:7")).await.unwrap();
    assert_eq!(ask().await, "1");
}

#[tokio::test]
async fn a_request_with_a_body_and_one_that_cannot_choose() {
    let site = Site::new();
    let layer = CacheLayer::new(in_memory()).ignore_request_directives();
    let service = site.behind(&layer);
    ask(&service, get("/a")).await;
    let mut reload = get("/a");
    reload.headers_mut().insert("cache-control", "no-cache".parse().unwrap());
    assert_eq!(status(&ask(&service, reload).await), "larder; hit; ttl=60");
    let with_body = Request::get("/a").body(Full::from("x")).unwrap();
    assert_eq!(status(&ask(&service, with_body).await), "larder; fwd=bypass");
}

#[tokio::test]
async fn nested_routers_keep_their_pages_apart_by_prefix() {
    let cache = in_memory();
    let (one, two) = (Site::new(), Site::new());
    two.write();
    let layer = |prefix| CacheLayer::new(cache.clone()).prefix(prefix);
    assert_eq!(ask(&one.behind(&layer("/one")), get("/a")).await.body(), "0");
    assert_eq!(ask(&two.behind(&layer("/two")), get("/a")).await.body(), "1");
    let write = Request::builder().method(Method::POST).uri("/a").body(Full::default()).unwrap();
    ask(&one.behind(&layer("/one")), write).await;
    assert_eq!(status(&ask(&one.behind(&layer("/one")), get("/a")).await), "larder; fwd=uri-miss; stored");
    assert!(status(&ask(&two.behind(&layer("/two")), get("/a")).await).starts_with("larder; hit"));
}
