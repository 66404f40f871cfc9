#![deny(warnings)]

use std::time::Duration;

use larder::cached;

const TTL: Duration = Duration::from_secs(5);

struct Config {
    ttl: Duration,
}

#[cached(key = "a:<n>", ttl = 300)]
async fn seconds(n: u64) -> u64 {
    n
}

#[cached(key = "b:<n>", ttl = "1h 30m")]
async fn text(n: u64) -> u64 {
    n
}

#[cached(key = "c:<n>", ttl = TTL)]
async fn constant(n: u64) -> u64 {
    n
}

#[cached(key = "d:<n>", ttl = Duration::from_secs(n) + TTL)]
async fn expression(n: u64) -> u64 {
    n
}

#[cached(key = "e:<n>", ttl = config.ttl, skip(config))]
async fn argument(config: &Config, n: u64) -> u64 {
    let _ = config;
    n
}

#[cached(key = "f:<n>", ttl = |value| Duration::from_secs(*value))]
async fn of_the_value(n: u64) -> u64 {
    n
}

#[cached(key = "g:<n>", ttl = |value: &u64| Duration::from_secs(*value))]
async fn of_the_typed_value(n: u64) -> Option<u64> {
    Some(n)
}

#[tokio::main]
async fn main() {
    let config = Config { ttl: TTL };
    assert_eq!(seconds(1).await, 1);
    assert_eq!(text(1).await, 1);
    assert_eq!(constant(1).await, 1);
    assert_eq!(expression(1).await, 1);
    assert_eq!(argument(&config, 1).await, 1);
    assert_eq!(of_the_value(1).await, 1);
    assert_eq!(of_the_typed_value(1).await, Some(1));
}
