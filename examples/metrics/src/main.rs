//! A shop under synthetic traffic, whose cache Prometheus can watch.
//!
//! `cargo run -p metrics-server`, or with a Redis: `REDIS_URL=redis://127.0.0.1:6379 cargo run -p metrics-server`. Then
//! `curl http://127.0.0.1:9100/metrics`, and import `grafana.json` as a dashboard.

use std::error::Error;
use std::time::Duration;

use metrics_server::{open, record, serve, traffic};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let recorded = record()?;
    let cache = open(std::env::var("REDIS_URL").ok().as_deref())?;
    let listener = TcpListener::bind("127.0.0.1:9100").await?;
    println!("http://{}/metrics", listener.local_addr()?);
    let shop = cache.clone();
    tokio::spawn(async move {
        for round in 0.. {
            shop.scope(traffic(round)).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    serve(&listener, &cache, &recorded).await?;
    Ok(())
}
