//! A page over loopback, in requests a second: `cargo bench -p benches --bench http`, with `-- --quick` to see that it runs.
//!
//! The same axum handler without a cache, behind `larder::http::CacheLayer`, and behind `http-cache-tower-server` over moka; and as
//! a bound a route that only copies bytes. The server has one thread and the clients another; the routes take turns. Then the
//! layers without sockets: what one call of the service takes.
//!
//! `-- --serve` leaves the server running at the address that it prints, for a load generator of your own.

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use benches::table::{Table, number};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_cache::{MokaCache, MokaManager};
use http_cache_tower_server::ServerCacheLayer;
use larder::http::CacheLayer;
use larder::{Cache, Memory};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

/// Connections of clients, each with one request under way.
const CONNECTIONS: usize = 32;
/// Products on a page.
const PRODUCTS: u64 = 50;
const ROUTES: [(&str, &str); 4] = [
    ("/bytes", "bytes that are there (the bound)"),
    ("/uncached", "the handler, uncached"),
    ("/larder", "larder"),
    ("/peer", "http-cache-tower-server, moka"),
];

#[derive(Serialize)]
struct Product {
    id: u64,
    name: String,
    cents: u64,
    tags: [&'static str; 3],
}

/// A page that is made anew each time it is asked for: a few kilobytes of JSON, and no database to wait for.
async fn page() -> impl IntoResponse {
    let product = |id| Product {
        id,
        name: format!("product number {id}"),
        cents: 100 * id + 99,
        tags: ["new", "on sale", "in stock"],
    };
    let products: Vec<_> = (0..PRODUCTS).map(product).collect();
    let json = serde_json::to_vec(&black_box(products)).unwrap_or_default();
    ([(CACHE_CONTROL, "max-age=3600"), (CONTENT_TYPE, "application/json")], json)
}

fn router() -> Router {
    let cache = Cache::builder().local(Memory::new(10_000)).build();
    let manager = MokaManager::new(MokaCache::new(10_000));
    let failed = async |error: BoxError| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let peer =
        ServiceBuilder::new().layer(HandleErrorLayer::new(failed)).layer(ServerCacheLayer::new(manager));
    let bytes = Bytes::from(vec![b'x'; 5000]);
    Router::new()
        .route("/bytes", get(async move || bytes.clone()))
        .route("/uncached", get(page))
        .merge(Router::new().route("/larder", get(page)).layer(CacheLayer::new(cache)))
        .merge(Router::new().route("/peer", get(page)).layer(peer))
}

fn main() -> std::io::Result<()> {
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    let (rounds, block) = if asked("--quick") { (3, 50) } else { (31, 500) };
    let (server, clients) = (runtime()?, runtime()?);
    let listener = server.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let serving =
        std::thread::spawn(move || server.block_on(async { axum::serve(listener, router()).await }));
    if asked("--serve") {
        println!("http://{address}, with {}", ROUTES.map(|(path, _)| path).join(", "));
        return serving.join().unwrap_or(Ok(()));
    }

    let mut table = Table::new(&["one page, over loopback", "requests/s", "of uncached", "p50 µs", "p99 µs"]);
    let measured = clients.block_on(over_loopback(address, rounds, block))?;
    let uncached = measured[1].rate();
    for ((_, name), mut measured) in ROUTES.into_iter().zip(measured) {
        let rate = measured.rate();
        table.row(vec![
            name.to_owned(),
            number(rate),
            format!("{:.2}", rate / uncached),
            number(measured.latency(50)),
            number(measured.latency(99)),
        ]);
    }
    println!("{table}");

    let mut table = Table::new(&["one call, without sockets", "µs"]);
    for ((_, name), micros) in ROUTES.into_iter().zip(clients.block_on(in_process(rounds, block))) {
        table.row(vec![name.to_owned(), number(micros)]);
    }
    println!("{table}");
    Ok(())
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// What was measured of one route.
#[derive(Default)]
struct Measured {
    /// Requests a second, for each round.
    rates: Vec<f64>,
    /// Of single requests, in microseconds.
    latencies: Vec<f64>,
}

impl Measured {
    fn rate(&self) -> f64 {
        median(self.rates.clone())
    }

    fn latency(&mut self, percent: usize) -> f64 {
        self.latencies.sort_by(f64::total_cmp);
        let at = self.latencies.len() * percent / 100;
        self.latencies.get(at).copied().unwrap_or(f64::NAN)
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// All routes, in turns: `block` requests on each connection, `rounds` times.
async fn over_loopback(address: SocketAddr, rounds: usize, block: usize) -> std::io::Result<Vec<Measured>> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        connections.push(stream);
    }
    let mut measured: Vec<Measured> = ROUTES.iter().map(|_| Measured::default()).collect();
    // The first round fills the caches.
    for round in 0..=rounds {
        for turn in 0..ROUTES.len() {
            let route = (turn + round) % ROUTES.len();
            let start = Instant::now();
            let asking: Vec<_> = connections
                .drain(..)
                .map(|stream| tokio::spawn(ask_often(stream, ROUTES[route].0, block)))
                .collect();
            let mut latencies = Vec::new();
            for asked in asking {
                let (stream, own) = asked.await.map_err(std::io::Error::other)??;
                connections.push(stream);
                latencies.extend(own.iter().map(|time: &Duration| time.as_secs_f64() * 1e6));
            }
            if round > 0 {
                #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
                let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
                measured[route].rates.push(rate);
                measured[route].latencies.extend(latencies);
            }
        }
    }
    Ok(measured)
}

/// Asks for a page `times` times, one after the other; how long each took.
async fn ask_often(
    mut stream: TcpStream,
    path: &str,
    times: usize,
) -> std::io::Result<(TcpStream, Vec<Duration>)> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n");
    let (mut answer, mut took) = (Vec::with_capacity(16 * 1024), Vec::with_capacity(times));
    for _ in 0..times {
        let start = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        answer.clear();
        loop {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(std::io::Error::other("the server has gone away"));
            }
            if whole(&answer)? {
                break;
            }
        }
        took.push(start.elapsed());
    }
    Ok((stream, took))
}

/// Whether all of an answer is there.
fn whole(answer: &[u8]) -> std::io::Result<bool> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        return Err(std::io::Error::other(text));
    }
    if text.contains("transfer-encoding: chunked") {
        return Ok(answer.ends_with(b"\r\n0\r\n\r\n"));
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let length: usize = length.ok_or_else(|| std::io::Error::other("an answer without a length"))?;
    Ok(answer.len() >= head + 4 + length)
}

/// The routes as a service: for each the median of what a call takes, in microseconds.
async fn in_process(rounds: usize, block: usize) -> Vec<f64> {
    let router = router();
    let mut samples = vec![Vec::new(); ROUTES.len()];
    for round in 0..=rounds {
        for turn in 0..ROUTES.len() {
            let route = (turn + round) % ROUTES.len();
            let start = Instant::now();
            for _ in 0..block {
                let mut request = Request::new(Body::empty());
                *request.uri_mut() = ROUTES[route].0.parse().unwrap_or_default();
                let answer: Result<_, Infallible> = router.clone().oneshot(request).await;
                let Ok(answer) = answer;
                black_box(answer.into_body().collect().await.map(http_body_util::Collected::to_bytes).ok());
            }
            if round > 0 {
                let calls = u32::try_from(block).unwrap_or(u32::MAX);
                samples[route].push(start.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
            }
        }
    }
    samples.into_iter().map(median).collect()
}
