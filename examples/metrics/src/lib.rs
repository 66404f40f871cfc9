//! The parts of the program: a recorder for Prometheus, a cache, traffic for it, and a server for `/metrics`.

use std::io;
use std::time::Duration;

use larder::{Cache, Memory, Redis, cache_invalidate, cached};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Upper bounds of durations, in seconds: from a hit in this process to a slow load.
const DURATIONS: [f64; 14] =
    [1e-7, 2e-7, 5e-7, 1e-6, 1e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 2e-2, 1e-1, 1.0, 10.0];

/// The longest request line that is read, in bytes.
const MAX_REQUEST: usize = 1024;

/// The price of a product, that its database takes a while to tell.
#[cached(ttl = "1m", stale = "1m", key = "price:<product>", tags = ["prices"])]
async fn price(product: u64) -> Result<u64, String> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    if product % 50 == 49 { Err("the connection was reset".to_owned()) } else { Ok(100 * product) }
}

/// How many there are.
#[cached(ttl = "10s", key = "stock:<product>")]
async fn stock(product: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(2)).await;
    product % 7
}

/// A product has another price from now on.
#[cache_invalidate("price:<product>")]
async fn reprice(product: u64) {
    let _ = product;
}

/// Sends all metrics of this program to a recorder that Prometheus can ask.
pub fn record() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &DURATIONS)?
        .install_recorder()
}

/// The cache of the shop: in this process, and over a Redis if there is one at `redis`.
pub fn open(redis: Option<&str>) -> larder::Result<Cache> {
    let cache = Cache::builder().namespace("shop").local(Memory::new(10_000));
    Ok(match redis {
        Some(url) => cache.remote(Redis::open(url)?).build(),
        None => cache.build(),
    })
}

/// What a few customers ask for, some products more often than others, and now and then a new price.
pub async fn traffic(round: u64) {
    for customer in 0..20 {
        let product = (round * 31 + customer * customer) % 100;
        // Who finds no price asks again.
        let _ = price(product).await;
        stock(product % 10).await;
    }
    reprice(round % 100).await;
}

/// Answers Prometheus for as long as the listener works.
pub async fn serve(listener: &TcpListener, cache: &Cache, recorded: &PrometheusHandle) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // Whoever hangs up, or asks too slowly, gets no answer.
        let _ = tokio::time::timeout(Duration::from_secs(5), answer(stream, cache, recorded)).await;
    }
}

async fn answer(stream: TcpStream, cache: &Cache, recorded: &PrometheusHandle) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(MAX_REQUEST, stream);
    let request = stream.fill_buf().await?;
    let (status, body) = if request.starts_with(b"GET /metrics ") {
        // Nothing was recorded while customers were answered.
        cache.publish_metrics();
        ("200 OK", recorded.render())
    } else {
        ("404 Not Found", String::new())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}
