#![deny(warnings)]

use larder::{Any, cached};

struct Path<T>(T);

#[derive(Clone)]
struct Page {
    number: u32,
    size: u32,
}

#[cached(key = "user:<id>")]
async fn user(Path(id): Path<u64>) -> u64 {
    id
}

#[cached(key = "member:<org>:<id>")]
async fn member(Path((org, mut id)): Path<(u64, u64)>) -> u64 {
    id += org;
    id
}

#[cached(key = "page:<number>:<size>")]
async fn page(&Page { number, size }: &Page) -> u32 {
    number * size
}

#[cached(key = "first:<n>")]
async fn first(mut n: u64, _: &str) -> u64 {
    n += 1;
    n
}

#[tokio::main]
async fn main() {
    assert_eq!(user(Path(1)).await, 1);
    assert_eq!(user::key(Path(1)).as_str(), "user:1");
    assert_eq!(user::pattern(Any).as_str(), "user:*");
    assert_eq!(member(Path((1, 2))).await, 3);
    assert_eq!(member::key(&Path((1, 2))).as_str(), "member:1:2");
    assert_eq!(page(&Page { number: 2, size: 3 }).await, 6);
    assert_eq!(page::key(Page { number: 2, size: 3 }).as_str(), "page:2:3");
    assert_eq!(first(1, "ignored").await, 2);
}
