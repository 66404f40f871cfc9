//! The HTTP layer in servers that people run, over real sockets: axum with handlers that invalidate, inside compression, and
//! hyper without a framework. What is kept for how long is in `http_cases`.

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use larder::http::CacheLayer;
use larder::{Cache, Memory, cache_invalidate, cached};
use tests::Gate;
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::compression::CompressionLayer;

/// An application as a user has it.
#[derive(Clone)]
struct Shop {
    cache: Cache,
    /// The database: the name of every product.
    name: Arc<AtomicU64>,
    pages: Arc<AtomicU64>,
    gate: Gate,
}

impl Shop {
    fn new() -> Self {
        let cache = Cache::builder().local(Memory::new(1000)).build();
        let shop = Self { cache, name: Arc::default(), pages: Arc::default(), gate: Gate::default() };
        shop.gate.open();
        shop
    }

    #[cached(key = "product:<id>", ttl = 300, tags = ["product:<id>"], skip(self), cache = self.cache)]
    async fn product(&self, id: u64) -> String {
        format!("{id} is called {}", self.name.load(Ordering::SeqCst))
    }

    #[cache_invalidate(tags = ["product:<id>"], cache = self.cache)]
    async fn rename(&self, id: u64) {
        self.name.fetch_add(1, Ordering::SeqCst);
    }

    fn router(&self) -> Router {
        let pages = Router::new()
            .route("/products/{id}", get(product))
            .route("/long", get(async || ([(CACHE_CONTROL, "max-age=60")], "a line of text\n".repeat(200))))
            .route("/me", get(async || ([(CACHE_CONTROL, "private")], "you")))
            .layer(CacheLayer::new(self.cache.clone()))
            .route("/rename/{id}", post(rename))
            .with_state(self.clone());
        pages.layer(CompressionLayer::new())
    }
}

async fn product(State(shop): State<Shop>, Path(id): Path<u64>) -> impl IntoResponse {
    shop.pages.fetch_add(1, Ordering::SeqCst);
    let product = shop.product(id).await;
    shop.gate.pass().await;
    ([(CACHE_CONTROL, "max-age=60, stale-while-revalidate=30")], product)
}

async fn rename(State(shop): State<Shop>, Path(id): Path<u64>) -> StatusCode {
    shop.rename(id).await;
    StatusCode::NO_CONTENT
}

/// The router on a port of its own, until the test ends.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// One connection.
struct Client(SendRequest<Full<Bytes>>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    async fn ask(&mut self, method: Method, uri: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(uri).header("host", "shop.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.0.send_request(request.body(Full::default()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    async fn get(&mut self, uri: &str) -> Response<Bytes> {
        self.ask(Method::GET, uri, &[]).await
    }
}

fn status<B>(response: &Response<B>) -> &str {
    response.headers()["cache-status"].to_str().unwrap().split("; ttl").next().unwrap()
}

#[tokio::test]
async fn a_write_handler_of_axum_clears_the_pages_of_what_it_changed() {
    let shop = Shop::new();
    let address = serve(shop.router()).await;
    let mut client = Client::connect(address).await;
    let first = client.get("/products/1").await;
    assert_eq!(
        (status(&first), &**first.body()),
        ("larder; fwd=uri-miss; stored", b"1 is called 0".as_slice())
    );
    let second = client.get("/products/1").await;
    assert_eq!((status(&second), &**second.body()), ("larder; hit", b"1 is called 0".as_slice()));
    client.get("/products/2").await;
    let renamed = client.ask(Method::POST, "/rename/1", &[]).await;
    assert_eq!(renamed.status(), StatusCode::NO_CONTENT);
    let third = client.get("/products/1").await;
    assert_eq!(
        (status(&third), &**third.body()),
        ("larder; fwd=uri-miss; stored", b"1 is called 1".as_slice())
    );
    assert_eq!(status(&client.get("/products/2").await), "larder; hit", "the other one stays");
    assert_eq!(shop.pages.load(Ordering::SeqCst), 3);
    assert_eq!(status(&client.get("/me").await), "larder; fwd=uri-miss");
}

#[tokio::test]
async fn a_crowd_on_connections_of_its_own_makes_one_page() {
    let shop = Shop { gate: Gate::default(), ..Shop::new() };
    let address = serve(shop.router()).await;
    let clients = (0..20).map(|_| {
        tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            client.get("/products/1").await.into_body()
        })
    });
    let clients: Vec<_> = clients.collect();
    shop.gate.arrived(1).await;
    tests::until(|| shop.cache.stats().joins == 19).await;
    shop.gate.open();
    for body in join_all(clients).await {
        assert_eq!(&**body.as_ref().unwrap(), b"1 is called 0");
    }
    assert_eq!(shop.pages.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn inside_compression_a_page_is_kept_once_and_its_tag_is_that_of_its_bytes() {
    let address = serve(Shop::new().router()).await;
    let mut client = Client::connect(address).await;
    let plain = client.get("/long").await;
    let tag = plain.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with('"'), "strong");
    let zipped = client.ask(Method::GET, "/long", &[("accept-encoding", "gzip")]).await;
    assert_eq!(
        (status(&zipped), &zipped.headers()["content-encoding"]),
        ("larder; hit", &"gzip".parse().unwrap())
    );
    assert!(zipped.body().len() < plain.body().len() / 2);
    let known = [("accept-encoding", "gzip"), ("if-none-match", &tag)];
    let same = client.ask(Method::GET, "/long", &known).await;
    assert_eq!((same.status(), same.body().len()), (StatusCode::NOT_MODIFIED, 0));
    let again = client.get("/long").await;
    assert_eq!(again.body(), plain.body());
    let head = client.ask(Method::HEAD, "/long", &[]).await;
    assert_eq!(
        (head.body().len(), &head.headers()["content-length"]),
        (0, &plain.headers()["content-length"])
    );
}

/// Whatever a hyper service is asked with, in a form that can also be empty.
type Body = BoxBody<Bytes, hyper::Error>;

#[tokio::test]
async fn a_plain_hyper_service_is_served_from_the_cache() {
    let cache = Cache::builder().local(Memory::new(1000)).build();
    let calls = Arc::new(AtomicU64::new(0));
    let service = {
        let calls = Arc::clone(&calls);
        service_fn(move |request: Request<Body>| {
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            let response = Response::builder().header("cache-control", "max-age=60").header("vary", "x-mode");
            let text = format!("{} {} {call}", request.method(), request.uri());
            ready(Ok::<_, Infallible>(response.body(Full::<Bytes>::from(text)).unwrap()))
        })
    };
    let service = CacheLayer::new(cache).layer(service);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service =
                service.clone().map_request(|request: Request<Incoming>| request.map(BodyExt::boxed));
            let service = TowerToHyperService::new(service);
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    let (mut one, mut two) = (Client::connect(address).await, Client::connect(address).await);
    assert_eq!(**one.get("/a?b=1&a=2").await.body(), *b"GET /a?b=1&a=2 1");
    let hit = two.get("/a?a=2&b=1").await;
    assert_eq!((status(&hit), &**hit.body()), ("larder; hit", b"GET /a?b=1&a=2 1".as_slice()));
    let other = two.ask(Method::GET, "/a?a=2&b=1", &[("x-mode", "dark")]).await;
    assert_eq!(
        (status(&other), &**other.body()),
        ("larder; fwd=vary-miss; stored", b"GET /a?a=2&b=1 2".as_slice())
    );
    let head = one.ask(Method::HEAD, "/a?b=1&a=2", &[]).await;
    assert_eq!((head.body().len(), &head.headers()["content-length"]), (0, &"16".parse().unwrap()));
    assert_eq!(**one.ask(Method::PUT, "/a?a=2&b=1", &[]).await.body(), *b"PUT /a?a=2&b=1 3");
    assert_eq!(**one.get("/a?a=2&b=1").await.body(), *b"GET /a?a=2&b=1 4");
    assert_eq!(calls.load(Ordering::SeqCst), 4);
}
