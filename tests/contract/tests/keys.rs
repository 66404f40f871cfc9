//! §2: templates, placeholders, formatters, escaping; and what the manual API sees of them.
#![cfg(feature = "memory")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use larder::{Cache, Memory, cache_invalidate, cached};
use serde::{Deserialize, Serialize};

static LOADS: AtomicU64 = AtomicU64::new(0);

fn load() -> u64 {
    LOADS.fetch_add(1, Ordering::SeqCst) + 1
}

async fn scoped<F: Future>(future: impl FnOnce(Cache) -> F) -> F::Output {
    let cache = Cache::builder().local(Memory::new(100)).build();
    cache.scope(future(cache.clone())).await
}

#[cached(ttl = 300, key = "profile:<user.id>")]
async fn profile(user: &Person) -> Result<u64, Infallible> {
    let _ = &user.name;
    Ok(load())
}

#[derive(Clone, Serialize, Deserialize)]
struct Person {
    id: u64,
    name: String,
}

#[cached(ttl = 300, key = "pair:<a>:<b>")]
async fn pair(a: &str, b: &str) -> u64 {
    let _ = (a, b);
    load()
}

#[cached(ttl = 300, key = "search:<filter:hash>")]
async fn search(filter: &HashMap<String, Vec<f64>>) -> u64 {
    let _ = filter;
    load()
}

#[cached(ttl = 300, key = "mail:<address:lower>")]
async fn by_mail(address: String) -> u64 {
    let _ = address;
    load()
}

#[cached(ttl = 300, key = "{<id>}:profile")]
async fn hash_tagged(id: u64) -> u64 {
    let _ = id;
    load()
}

#[cached(ttl = 300)]
async fn without_key(id: u64, name: Option<&str>) -> u64 {
    let _ = (id, name);
    load()
}

#[cached(ttl = 300, key = "text:<text>")]
async fn text(text: String) -> u64 {
    let _ = text;
    load()
}

#[cache_invalidate("text:<id>")]
async fn forget(id: &str) {
    let _ = id;
}

#[tokio::test]
async fn the_manual_api_sees_what_an_attribute_stored() {
    scoped(|cache| async move {
        let user = Person { id: 42, name: "Ada".to_owned() };
        let Ok(value) = profile(&user).await;
        assert_eq!(cache.get::<u64>("profile:42").await.unwrap(), Some(value));
    })
    .await;
}

#[tokio::test]
async fn values_are_escaped_and_never_meet() {
    scoped(|cache| async move {
        let one = pair("a:b", "c").await;
        assert_ne!(one, pair("a", "b:c").await);
        assert_eq!(cache.get::<u64>("pair:a%3Ab:c").await.unwrap(), Some(one));
    })
    .await;
}

#[tokio::test]
async fn a_star_in_a_value_invalidates_one_entry() {
    scoped(|_| async move {
        let (star, other) = (text("*".to_owned()).await, text("x".to_owned()).await);
        forget("*").await;
        assert_eq!(text("x".to_owned()).await, other);
        assert_ne!(text("*".to_owned()).await, star);
    })
    .await;
}

#[tokio::test]
async fn formatters() {
    scoped(|cache| async move {
        let filter = |order: &[&str]| order.iter().map(|name| ((*name).to_owned(), vec![0.5])).collect();
        assert_eq!(search(&filter(&["a", "b"])).await, search(&filter(&["b", "a"])).await);
        let value = by_mail("Ada@Example.org".to_owned()).await;
        assert_eq!(cache.get::<u64>("mail:ada@example.org").await.unwrap(), Some(value));
    })
    .await;
}

#[tokio::test]
async fn a_literal_hash_tag() {
    scoped(|cache| async move {
        let value = hash_tagged(7).await;
        assert_eq!(cache.get::<u64>("{7}:profile").await.unwrap(), Some(value));
    })
    .await;
}

#[tokio::test]
async fn without_a_key_it_is_the_path_and_every_argument() {
    scoped(|cache| async move {
        let value = without_key(1, Some("x")).await;
        assert_eq!(without_key(1, Some("x")).await, value);
        assert_ne!(without_key(1, None).await, value);
        assert_eq!(cache.get::<u64>("keys::without_key:1:x").await.unwrap(), Some(value));
    })
    .await;
}

#[tokio::test]
async fn a_long_key_is_stored_by_its_head_and_a_digest() {
    scoped(|cache| async move {
        let long = "y".repeat(600);
        let value = text(long.clone()).await;
        assert_eq!(text(long.clone()).await, value);
        assert_eq!(cache.get::<u64>(format!("text:{long}")).await.unwrap(), Some(value));
        assert_ne!(text(format!("{long}y")).await, value);
    })
    .await;
}
