#![deny(warnings)]

use larder::cached;

macro_rules! loaders {
    ($($name:ident($id:ident: $ty:ty) = $key:literal, $ttl:expr;)*) => {$(
        #[cached(key = $key, ttl = $ttl)]
        async fn $name($id: $ty) -> $ty {
            $id
        }
    )*};
}

loaders! {
    user(id: u64) = "user:<id>", 300;
    team(name: String) = "team:<name>", "5m";
}

macro_rules! whole {
    ($function:item) => {
        #[cached(key = "whole:<id>")]
        $function
    };
}

whole! {
    async fn whole(id: u64) -> u64 {
        id
    }
}

macro_rules! with_body {
    ($name:ident, $id:ident, $body:block) => {
        #[cached(key = "body:<id>")]
        async fn $name($id: u64) -> u64 $body
    };
}

with_body!(with_body, id, { id + 1 });

struct Repo;

macro_rules! method {
    ($name:ident) => {
        #[cached(key = "method:<id>", skip(self))]
        async fn $name(&self, id: u64) -> u64 {
            id
        }
    };
}

impl Repo {
    method!(load);
}

#[tokio::main]
async fn main() {
    assert_eq!(user(1).await, 1);
    assert_eq!(team("a".to_owned()).await, "a");
    assert_eq!(team::key("a").as_str(), "team:a");
    assert_eq!(whole(1).await, 1);
    assert_eq!(with_body(5).await, 6);
    assert_eq!(Repo.load(1).await, 1);
}
