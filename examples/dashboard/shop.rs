//! What the shop knows: functions that take their time, and what changes their answers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// The database is away now and then.
#[derive(Clone, Debug)]
pub(crate) struct Away;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) description: String,
}

#[cached(ttl = 300, stale = 60, key = "product:<id>", tags = ["catalogue"])]
pub(crate) async fn product(id: u64) -> Result<Product, Away> {
    database(12).await?;
    let description = format!("Product {id}, of which there is much to say. ").repeat(8);
    Ok(Product { id, name: format!("Product {id}"), description })
}

#[cached(ttl = 30, key = "product:<id>:price")]
pub(crate) async fn price(id: u64) -> Result<u64, Away> {
    database(5).await?;
    Ok(100 + id * 7)
}

#[cached(ttl = 3, key = "stock:<id>")]
pub(crate) async fn stock(id: u64) -> Result<u32, Away> {
    database(3).await?;
    Ok(u32::try_from(id % 40).unwrap_or_default())
}

#[cached(ttl = 60, key = "search:<words>:<page>", tags = ["catalogue"])]
pub(crate) async fn search(words: &str, page: u64) -> Result<Vec<u64>, Away> {
    database(60).await?;
    let first = page * 10 + words.len() as u64;
    Ok((first..first + 10).collect())
}

#[cached(ttl = 20, key = "recommended:<customer>", tags = ["customer:<customer>"])]
pub(crate) async fn recommended(customer: u64) -> Result<Vec<Product>, Away> {
    database(180).await?;
    let mut found = Vec::new();
    for id in [customer, customer + 3, customer * 2] {
        found.push(product(id).await?);
    }
    Ok(found)
}

#[cached(ttl = 600, key = "basket:<customer>", tags = ["customer:<customer>"])]
pub(crate) async fn basket(customer: u64) -> Result<Vec<u64>, Away> {
    database(8).await?;
    Ok(vec![customer, customer + 1])
}

#[cache_invalidate(product(id), "product:<id>:*")]
pub(crate) async fn rename_product(id: u64) -> Result<(), Away> {
    database(10).await
}

#[cache_invalidate(tags = ["catalogue"])]
pub(crate) async fn import_catalogue() -> Result<(), Away> {
    database(80).await
}

#[cache_invalidate(basket(customer), tags = ["customer:<customer>"])]
pub(crate) async fn order(customer: u64) -> Result<(), Away> {
    database(25).await
}

#[cache_invalidate("stock:*")]
pub(crate) async fn deliver() -> Result<(), Away> {
    database(15).await
}

/// Takes as long as a database would, and fails once in 400 times.
async fn database(millis: u64) -> Result<(), Away> {
    static ASKED: AtomicU64 = AtomicU64::new(0);

    let asked = ASKED.fetch_add(1, Ordering::Relaxed);
    sleep(Duration::from_millis(millis + asked * 7919 % (millis + 1))).await;
    if asked % 400 == 399 { Err(Away) } else { Ok(()) }
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database is away")
    }
}

impl std::error::Error for Away {}
