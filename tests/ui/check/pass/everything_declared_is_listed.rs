#![deny(warnings)]

use std::time::Duration;

use larder::{cache_invalidate, cached};

#[cached(key = "user:<id>", ttl = "5m", tags = ["users"])]
async fn get_user(id: u64) -> Option<u64> {
    Some(id)
}

struct Repo;

impl Repo {
    #[cached(key = "repo:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id
    }
}

#[cached(key = "row:<T>:<id>")]
async fn row<T: Default + Clone + Send + Sync + 'static + serde::Serialize + serde::de::DeserializeOwned>(id: u64) -> T {
    let _ = id;
    T::default()
}

#[cache_invalidate("user:<id>", "repo:*", tags = ["users"])]
async fn remove(id: u64) {
    let _ = id;
}

fn main() {
    larder::check().expect("nothing is wrong");
    let keys = larder::keys();
    assert_eq!(keys.iter().map(|key| key.template).collect::<Vec<_>>(), ["repo:<id>", "row:<T>:<id>", "user:<id>"]);
    let user = &keys[2];
    assert_eq!((user.function, user.ttl, user.tags), ("get_user", Some(Duration::from_secs(300)), &["users"][..]));
    assert_eq!(user.value_type, Some("u64"));
    assert!(user.file.ends_with("everything_declared_is_listed.rs") && user.line == 7, "{user:?}");
    let _ = (get_user(1), Repo.load(1), row::<u64>(1), remove(1));
}
