//! Nothing that an attribute writes has a warning under the strictest lints; `cargo xtask test --only clippy` sees to it.
#![cfg(feature = "memory")]
#![warn(
    clippy::pedantic,
    clippy::nursery,
    unused,
    unused_qualifications,
    unreachable_pub,
    missing_docs,
    trivial_casts
)]
#![warn(single_use_lifetimes, unused_lifetimes, let_underscore_drop, elided_lifetimes_in_paths)]

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::strict as users;
use larder::{Cache, KeyPart, Memory, Named, cache_invalidate, cache_put, cached};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[derive(KeyPart)]
struct Page {
    number: u32,
    size: u32,
}

#[derive(KeyPart)]
enum Order {
    Newest,
    By(String),
}

#[derive(KeyPart)]
struct Pair<T>(T, T);

static SESSIONS: Named = Named::new("lints");

const SHORT: Duration = Duration::from_secs(5);

#[cached(ttl = 300, key = "lints:user:<id>")]
async fn get_user(id: u64) -> Result<User, io::Error> {
    let name = users::name(id).await?;
    Ok(User { id, name })
}

#[cached]
async fn without_options(a: u64, b: &str, c: Option<String>) -> u64 {
    1
}

#[cached(key = "lints:page:<page>:<order>:<pair>", ttl = SHORT)]
async fn page(page: Page, order: Order, pair: Pair<u8>) -> Vec<u64> {
    vec![1]
}

#[cached(
    key = "lints:options:<id>:<filter:hash>:<name:lower>",
    ttl = |user| Duration::from_secs(user.id),
    none_ttl = "5s",
    tags = ["lints:<id>", "lints"],
    when = !fresh,
    unless = |user| user.name.is_empty(),
    skip(fresh, log),
    cache = SESSIONS,
    version = 2
)]
async fn options(
    id: u64,
    filter: &HashMap<String, u64>,
    name: String,
    fresh: bool,
    log: impl Fn(&str) + Send,
) -> Option<User> {
    log(&name);
    Some(User { id, name })
}

#[cached(key = "lints:local:<id>", local)]
async fn local(id: u64) -> Arc<dyn Fn() -> u64 + Send + Sync> {
    Arc::new(move || id)
}

#[cached(key = "lints:generic:<T>:<N>:<id>")]
async fn generic<
    T: Default + Clone + Send + Sync + Serialize + for<'de> Deserialize<'de> + 'static,
    const N: usize,
>(
    id: impl KeyPart + Send + Sync,
) -> Vec<T> {
    vec![T::default(); N]
}

#[cached(key = "lints:pattern:<a>:<b>", companion = pair_cache)]
async fn pattern((a, mut b): (u64, u64)) -> u64 {
    b += a;
    b
}

#[cached(key = "lints:borrowed:<name>:<ids>")]
async fn borrowed<'a>(name: &'a str, ids: &'a [u64]) -> String {
    format!("{name}{}", ids.len())
}

trait Store {
    async fn load(&self, id: u64) -> u64;
}

#[async_trait]
trait BoxedStore {
    async fn boxed(&self, id: u64) -> Result<u64, io::Error>;
    async fn store(&self, id: u64) -> Result<(), io::Error>;
}

struct Repo<'r, T> {
    cache: Cache,
    prefix: &'r str,
    value: T,
}

impl<T: Display + Sync + Send> Repo<'_, T> {
    #[cached(key = "lints:repo:<self.prefix>:<id>", cache = self.cache)]
    async fn shown(&self, id: u64) -> String {
        self.value.to_string()
    }

    #[cached(skip(self))]
    async fn counted(self: Arc<Self>, id: u64) -> u64 {
        id
    }

    #[cached]
    async fn associated(id: u64) -> u64 {
        id
    }

    #[cache_invalidate(self.shown(user.id), self.shown(_), get_user(user.id), users::name(_), "lints:<self.prefix>:*")]
    async fn save(&self, user: &User) -> Result<(), io::Error> {
        if user.id == 0 { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    #[cache_put(key = "lints:user:<user.id>", ttl = 300, when = user.id > 0, cache = self.cache)]
    async fn put(&self, user: User) -> User {
        user
    }
}

impl Store for Repo<'_, u64> {
    #[cached(key = "lints:store:<self.prefix>:<id>")]
    async fn load(&self, id: u64) -> u64 {
        self.value + id
    }
}

#[async_trait]
impl BoxedStore for Repo<'_, u64> {
    #[cached(key = "lints:boxed:<self.prefix>:<id>", ttl = "1h")]
    async fn boxed(&self, id: u64) -> Result<u64, io::Error> {
        Ok(self.value + id)
    }

    #[cache_invalidate("lints:boxed:<self.prefix>:<id>")]
    async fn store(&self, id: u64) -> Result<(), io::Error> {
        Ok(())
    }
}

#[cache_invalidate("lints:user:<result.id>", get_user(result.id), tags = ["lints:<result.id>", "lints"], on_ok, when = !name.is_empty())]
async fn create(name: String) -> Result<User, io::Error> {
    Ok(User { id: 1, name })
}

#[cache_invalidate(tags = ["lints"], strict)]
async fn strict() -> Result<(), larder::Error> {
    Ok(())
}

#[cache_put(key = "lints:user:<result.id>", unless = |user| user.name.is_empty(), tags = ["lints:<id>"])]
async fn put(id: u64) -> Option<User> {
    Some(User { id, name: id.to_string() })
}

#[tokio::test]
async fn all_of_it_runs() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::builder().local(Memory::new(100)).build();
    let repo = Repo { cache: cache.clone(), prefix: "r", value: 1_u64 };
    cache
        .scope(async {
            let user = get_user(1).await?;
            assert_eq!(without_options(1, "b", None).await, 1);
            assert_eq!(page(Page { number: 1, size: 2 }, Order::Newest, Pair(1, 2)).await, [1]);
            assert_eq!(page(Page { number: 1, size: 2 }, Order::By("x".to_owned()), Pair(1, 2)).await, [1]);
            assert!(options(1, &HashMap::new(), "A".to_owned(), false, |_| {}).await.is_some());
            let local = local(1).await;
            assert_eq!(local(), 1);
            assert_eq!(generic::<u8, 2>(1).await, [0, 0]);
            assert_eq!(pattern((1, 2)).await, 3);
            assert_eq!(pair_cache::key((1, 2)).as_str(), "lints:pattern:1:2");
            assert_eq!(borrowed("a", &[1]).await, "a1");

            assert_eq!(
                (repo.shown(1).await, repo.load(1).await, repo.boxed(1).await?),
                ("1".to_owned(), 2, 2)
            );
            repo.save(&user).await?;
            repo.store(1).await?;
            assert_eq!(repo.put(user.clone()).await, user);
            assert_eq!((Arc::new(repo).counted(1).await, Repo::<u64>::associated(1).await), (1, 1));

            assert_eq!(create("a".to_owned()).await?.id, 1);
            strict().await?;
            assert_eq!(put(2).await.map(|user| user.id), Some(2));
            Ok(())
        })
        .await
}
