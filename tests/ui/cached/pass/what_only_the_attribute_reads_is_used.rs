#![deny(warnings)]

use larder::{cache_invalidate, cache_put, cached};

struct Path<T>(T);

#[cached(key = "user:<id>")]
async fn in_the_key(id: u64) -> u64 {
    1
}

#[cached]
async fn without_key(id: u64, name: &str) -> u64 {
    1
}

#[cached(key = "user:<org>:members:<id>")]
async fn in_a_pattern(Path((org, id)): Path<(u64, u64)>) -> u64 {
    1
}

#[cached(key = "team", skip(team, fresh), tags = ["team:<team>"], when = !fresh)]
async fn in_a_tag_and_a_condition(team: u64, fresh: bool) -> u64 {
    1
}

struct Repo;

impl Repo {
    #[cached(key = "repo:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        1
    }
}

trait Store {
    fn load(&self, id: u64) -> impl Future<Output = u64> + Send;
}

impl Store for Repo {
    #[cached(key = "store:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        1
    }
}

#[async_trait::async_trait]
trait Boxed {
    async fn read(&self, id: u64, fresh: bool) -> u64;
    async fn write(&self, id: u64, team: u64, user: u64, fresh: bool);
    async fn put(&self, id: u64) -> u64;
}

#[async_trait::async_trait]
impl Boxed for Repo {
    #[cached(key = "boxed:<id>", skip(self, fresh), when = !fresh)]
    async fn read(&self, id: u64, fresh: bool) -> u64 {
        1
    }

    #[cache_invalidate("boxed:<id>", in_the_key(user), tags = ["team:<team>"], when = !fresh)]
    async fn write(&self, id: u64, team: u64, user: u64, fresh: bool) {}

    #[cache_put(key = "boxed:<id>")]
    async fn put(&self, id: u64) -> u64 {
        2
    }
}

#[tokio::main]
async fn main() {
    Repo.write(1, 2, 3, false).await;
    assert_eq!((Repo.put(1).await, Repo.read(1, false).await), (2, 2));
    assert_eq!((in_the_key(1).await, without_key(1, "a").await), (1, 1));
    assert_eq!(in_a_pattern(Path((1, 2))).await, 1);
    assert_eq!(in_a_tag_and_a_condition(1, true).await, 1);
    assert_eq!((Repo.load(1).await, Store::load(&Repo, 1).await), (1, 1));
}
