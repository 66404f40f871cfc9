#![deny(warnings)]

use larder::cached;

#[allow(non_camel_case_types, dead_code)]
struct taken {}

#[cached(key = "none:<id>", companion = none)]
async fn taken(id: u64) -> u64 {
    id
}

#[cached(key = "named:<id>", companion = user_cache)]
async fn named(id: u64) -> u64 {
    id
}

struct Repo;

impl Repo {
    #[cached(key = "method:<id>", companion = method)]
    async fn load(id: u64) -> u64 {
        id
    }

    #[cached(key = "prefixed:<id>", skip(self), companion = users)]
    async fn prefixed(&self, id: u64) -> u64 {
        id
    }

    #[cached(key = "silent:<id>", skip(self), companion = none)]
    async fn silent(&self, id: u64) -> u64 {
        id
    }
}

#[tokio::main]
async fn main() {
    assert_eq!(taken(1).await, 1);
    assert_eq!(named(1).await, 1);
    assert_eq!(user_cache::key(1).as_str(), "named:1");
    assert_eq!(Repo::load(1).await, 1);
    assert_eq!(Repo::load_key(1).as_str(), "method:1");
    assert_eq!(Repo.prefixed(1).await, 1);
    assert_eq!(Repo.users_key(1).as_str(), "prefixed:1");
    assert_eq!(Repo.silent(1).await, 1);
}
