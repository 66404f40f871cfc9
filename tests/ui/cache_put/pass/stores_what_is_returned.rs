#![deny(warnings)]

use std::time::Duration;

use larder::{Cache, cache_put, cached};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[cached(key = "user:<id>", tags = ["users"])]
async fn get_user(id: u64) -> Option<User> {
    Some(User { id, name: "loaded".to_owned() })
}

#[cache_put(key = "user:<user.id>", ttl = 300, tags = ["users"])]
async fn save(user: User) -> Result<User, String> {
    if user.name.is_empty() {
        return Err("no name".to_owned());
    }
    Ok(user)
}

#[cache_put(key = "user:<result.id>", ttl = |user| Duration::from_secs(user.id), unless = |user| user.name == "secret")]
async fn create(id: u64, name: &str) -> User {
    User { id, name: name.to_owned() }
}

#[cache_put(key = "pair:<a>:<result>", ttl = "5m", when = a != 3, local)]
async fn conditional(a: u64, name: String) -> Option<&'static str> {
    drop(name);
    Some("x")
}

struct Repo {
    cache: Cache,
}

impl Repo {
    #[cache_put(key = "repo:<user.id>", cache = self.cache)]
    async fn save(&mut self, user: &User) -> User {
        user.clone()
    }
}

#[tokio::main]
async fn main() {
    let user = |id, name: &str| User { id, name: name.to_owned() };
    assert_eq!(get_user(1).await, Some(user(1, "loaded")));
    assert_eq!(save(user(1, "saved")).await, Ok(user(1, "saved")));
    assert_eq!(get_user(1).await, Some(user(1, "saved")));

    assert_eq!(create(2, "created").await, user(2, "created"));
    assert_eq!(get_user(2).await, Some(user(2, "created")));
    assert_eq!(create(3, "secret").await, user(3, "secret"));
    assert_eq!(get_user(3).await, Some(user(3, "loaded")));

    assert_eq!(conditional(1, String::new()).await, Some("x"));
    let mut repo = Repo { cache: Cache::global() };
    assert_eq!(repo.save(&user(4, "repo")).await, user(4, "repo"));
}
