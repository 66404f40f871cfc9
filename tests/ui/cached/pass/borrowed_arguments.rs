#![deny(warnings)]

use std::borrow::Cow;
use std::sync::Arc;

use larder::cached;

struct Db;

#[cached(key = "user:<name>:<ids>", skip(db))]
async fn users<'a>(db: &Db, name: &'a str, ids: &[u64]) -> String {
    let _ = db;
    format!("{name}{}", ids.len())
}

#[cached(key = "cow:<name>:<title>")]
async fn cow(name: Cow<'_, str>, title: Option<&str>) -> String {
    format!("{name}{}", title.unwrap_or_default())
}

#[cached(key = "owned:<name>:<ids>")]
async fn owned(name: String, ids: Vec<u64>) -> String {
    format!("{name}{}", ids.len())
}

#[cached(key = "shared:<name>", skip(conn))]
async fn shared(conn: &mut Vec<String>, name: Arc<str>) -> u64 {
    conn.push(name.to_string());
    1
}

#[cached(key = "dyn:<id>", skip(printer, callback))]
async fn dynamic(printer: &(dyn Fn(u64) -> String + Sync), callback: impl Fn() + Send, id: u64) -> String {
    callback();
    printer(id)
}

#[tokio::main]
async fn main() {
    assert_eq!(users(&Db, "a", &[1, 2]).await, "a2");
    let name = String::from("a");
    assert_eq!(users::key(&name, [1, 2]).as_str(), "user:a:[1][2]");
    assert_eq!(users::key("a", vec![1, 2]), users::key(name, &vec![1, 2]));
    assert_eq!(cow("a".into(), Some("b")).await, "ab");
    assert_eq!(cow::key(Cow::Borrowed("a"), None).as_str(), "cow:a:<none>");
    assert_eq!(owned("a".to_owned(), vec![1]).await, "a1");
    assert_eq!(owned::key("a", [1]).as_str(), "owned:a:[1]");
    assert_eq!(shared(&mut Vec::new(), "a".into()).await, 1);
    assert_eq!(dynamic(&|id| id.to_string(), || {}, 1).await, "1");
}
