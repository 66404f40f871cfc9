//! A shop under synthetic traffic, and the page that shows its cache: `cargo run --example dashboard --features full`.
//!
//! With `REDIS_URL` set, values are shared there as well; `PORT` chooses the port. What is cached is in `dashboard/shop.rs`.

#[path = "dashboard/shop.rs"]
mod shop;
#[path = "dashboard/traffic.rs"]
mod traffic;

use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};

use larder::http::axum::{self, Router};
use larder::http::{Bearer, admin};
use larder::{Cache, Memory, Redis};
use tokio::net::TcpListener;

/// Customers who are in the shop at once.
const CUSTOMERS: u64 = 12;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut cache = Cache::builder().namespace("shop").local(Memory::builder().max_bytes(64 << 20).build());
    if let Ok(url) = std::env::var("REDIS_URL") {
        cache = cache.remote(Redis::open(url)?);
    }
    let cache = cache.build();
    cache.clone().install().map_err(|_| "there is a cache already")?;

    // A token for this run. A real service takes one from its configuration.
    let token = format!("{:016x}{:016x}", RandomState::new().hash_one(1), RandomState::new().hash_one(2));
    let router = Router::new().nest("/cache", admin(cache, Bearer::new("demonstration", &token)?));

    let port = std::env::var("PORT").map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("address  http://{}/cache", listener.local_addr()?);
    println!("token    {token}");
    println!("It runs until you stop it with Ctrl-C.");

    for customer in 0..CUSTOMERS {
        tokio::spawn(traffic::shops(customer));
    }
    tokio::spawn(traffic::keeps_shop());
    axum::serve(listener, router).await?;
    Ok(())
}
