#![deny(warnings)]

use std::error::Error;
use std::fmt::Display;

use larder::{cache_invalidate, cached};

type Boxed = Box<dyn Error + Send + Sync>;

const SITE: u64 = 0;

// Names that an expansion might use.
#[cached(key = "names:<key>:<lookup>:<miss>")]
async fn names(key: u64, lookup: u64, miss: u64) -> u64 {
    let output = key + lookup;
    let site = output + miss;
    site + SITE
}
const OUTPUT: u64 = 1;

#[cached(key = "parse:<text>")]
async fn parse(text: &str) -> Result<u64, Boxed> {
    if text.is_empty() {
        return Err(Box::new(std::fmt::Error));
    }
    let text = text.trim();
    Ok(text.parse::<u64>()?)
}

#[cache_invalidate("parse:*")]
async fn parse_all(text: &str) -> Result<u64, Boxed> {
    if text.is_empty() {
        return Err("nothing".into());
    }
    let number = text.parse::<u64>()?;
    Ok(number)
}

#[cache_invalidate("parse:*")]
async fn opaque(text: &str) -> impl Display {
    text.to_owned()
}

#[cache_invalidate("parse:*")]
async fn nothing() {
    if OUTPUT == 1 {
        return;
    }
    panic!("unreachable")
}

#[cache_invalidate("parse:*")]
async fn always_returns() -> u64 {
    return 1;
}

#[cached(key = "fact:<n>")]
async fn factorial(n: u64) -> u64 {
    if n == 0 { 1 } else { n * Box::pin(factorial(n - 1)).await }
}

#[tokio::main]
async fn main() {
    assert_eq!(names(1, 2, 3).await, 6);
    assert_eq!(parse(" 1 ").await.unwrap(), 1);
    assert!(parse("x").await.is_err());
    assert_eq!(parse_all("1").await.unwrap(), 1);
    assert_eq!(opaque("a").await.to_string(), "a");
    nothing().await;
    assert_eq!(always_returns().await, 1);
    assert_eq!(factorial(5).await, 120);
}
