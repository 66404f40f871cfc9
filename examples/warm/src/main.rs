//! Fills a cache before the first caller comes, with a progress bar.
//!
//! `cargo run -p warm`

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use larder::{Cache, Key, Memory};

const PRODUCTS: u64 = 400;
const AT_A_TIME: usize = 16;

/// A database that takes its time, and at first does not answer for every product.
#[derive(Clone, Default)]
struct Db {
    asked: Arc<Mutex<HashSet<u64>>>,
}

impl Db {
    async fn price(&self, product: u64) -> Result<u64, String> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let first_time = self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(product);
        if first_time && product % 50 == 7 {
            return Err("the connection was reset".to_owned());
        }
        Ok(product * 100)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), larder::Error> {
    let cache = Cache::builder().local(Memory::new(10_000)).build();
    let db = Db::default();
    let keys = (1..=PRODUCTS).map(|product| Key::from(format!("price:{product}")));

    let failed = warm(&cache, &db, keys.collect()).await;
    println!("{} prices are missing: {}", failed.len(), listed(&failed));

    // What is there is not loaded again, so the same keys would do as well as those that failed.
    let failed = warm(&cache, &db, failed).await;
    println!("{} prices are missing", failed.len());

    // A caller with a loader of its own has no use for it.
    let price: u64 = cache.get_or_load("price:7", Duration::from_secs(60), || db.price(0)).await.unwrap_or(0);
    println!("product 7 costs {price}, after {} loads in all", cache.stats().loads);
    Ok(())
}

/// Loads what is missing; the keys that failed.
async fn warm(cache: &Cache, db: &Db, keys: Vec<Key>) -> Vec<Key> {
    let bar = ProgressBar::new(keys.len() as u64).with_style(style());
    let warmed = cache
        .warm(keys, AT_A_TIME, |key| async move {
            let product = key.as_str().strip_prefix("price:").and_then(|id| id.parse().ok());
            db.price(product.unwrap_or_default()).await
        })
        .ttl(Duration::from_secs(300))
        .on_progress(|so_far| {
            bar.set_position(so_far.count() as u64);
            bar.set_message(format!("{} failed", so_far.failed.len()));
        })
        .await;
    bar.finish_and_clear();
    warmed.failed.into_iter().map(|(key, _)| key).collect()
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos} of {len}, {msg}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn listed(keys: &[Key]) -> String {
    keys.iter().map(Key::as_str).collect::<Vec<_>>().join(", ")
}
