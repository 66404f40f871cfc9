#![deny(warnings)]

use std::collections::HashMap;

use larder::{KeyPart, cached};
use serde::Serialize;

#[derive(KeyPart)]
struct Id(u64);

struct User {
    id: Id,
    team: (u64, String),
}

#[derive(Serialize)]
struct Filter {
    text: String,
    limits: HashMap<String, f64>,
}

#[cached(key = "user:<user.id>:<user.team.0>:<user.team.1>")]
async fn fields(user: &User) -> u64 {
    user.id.0
}

#[cached(key = "find:<filter:hash>:<name:lower>")]
async fn formatted(filter: &Filter, name: &str) -> String {
    format!("{}{}{name}", filter.text, filter.limits.len())
}

#[cached(key = "{<id>}:cluster{<kind>}")]
async fn hash_tag(id: u64, kind: char) -> String {
    format!("{id}{kind}")
}

#[cached(key = "raw:<type>:<r#fn>")]
async fn raw(r#type: &str, r#fn: u8) -> String {
    format!("{type}{fn}", r#type = r#type, r#fn = r#fn)
}

#[cached(key = "ключ:<имя>")]
async fn unicode(имя: &str) -> String {
    имя.to_owned()
}

#[cached(key = "twice:<id>:<id>")]
async fn twice(id: u64) -> u64 {
    id
}

#[tokio::main]
async fn main() {
    let user = User { id: Id(1), team: (2, "a:b".to_owned()) };
    assert_eq!(fields(&user).await, 1);
    assert_eq!(fields::key(user).as_str(), "user:1:2:a%3Ab");
    let filter = Filter { text: "x".to_owned(), limits: HashMap::new() };
    assert_eq!(formatted(&filter, "A").await, "x0A");
    assert!(formatted::key(&filter, "A").as_str().ends_with(":a"));
    assert_eq!(hash_tag(1, 'x').await, "1x");
    assert_eq!(hash_tag::key(1, 'x').as_str(), "{1}:cluster{x}");
    assert_eq!(raw("t", 1).await, "t1");
    assert_eq!(raw::key("t", 1).as_str(), "raw:t:1");
    assert_eq!(unicode("я").await, "я");
    assert_eq!(twice::key(1).as_str(), "twice:1:1");
    assert_eq!(twice(1).await, 1);
}
