//! §4: `#[cache_put]` runs its body, then stores what that returned.
#![cfg(feature = "memory")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Memory, cache_put, cached};
use serde::{Deserialize, Serialize};

static LOADS: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[cached(ttl = 300, key = "user:<id>")]
async fn get_user(id: u64) -> Result<User, String> {
    LOADS.fetch_add(1, Ordering::SeqCst);
    Ok(User { id, name: "loaded".to_owned() })
}

#[cache_put(key = "user:<user.id>", ttl = 300)]
async fn save(user: User, fail: bool) -> Result<User, String> {
    if fail { Err("who knows whether it is saved".to_owned()) } else { Ok(user) }
}

#[cache_put(key = "user:<result.id>", ttl = 300)]
async fn create(name: &str) -> Result<User, String> {
    Ok(User { id: 7, name: name.to_owned() })
}

#[cache_put(key = "user:<id>", ttl = 300)]
async fn slow(id: u64, cache: &Cache, interrupt: bool) -> User {
    if interrupt {
        let _ = cache.invalidate("other").await;
    }
    User { id, name: "slow".to_owned() }
}

fn user(id: u64, name: &str) -> User {
    User { id, name: name.to_owned() }
}

#[tokio::test]
async fn a_put_stores_what_it_returns() {
    let cache = Cache::builder().local(Memory::new(100)).build();
    cache
        .scope(async {
            save(user(1, "saved"), false).await.unwrap();
            assert_eq!(get_user(1).await.unwrap(), user(1, "saved"));
            assert_eq!(LOADS.load(Ordering::SeqCst), 0);
            assert!(cache.ttl("user:1").await.unwrap().is_some_and(|ttl| ttl <= Duration::from_secs(300)));

            create("new").await.unwrap();
            assert_eq!(get_user(7).await.unwrap(), user(7, "new"));

            save(user(1, "lost"), true).await.unwrap_err();
            assert_eq!(get_user(1).await.unwrap(), user(1, "loaded"), "what was there may be wrong now");
        })
        .await;
}

#[tokio::test]
async fn a_value_that_may_be_older_than_an_invalidation_is_not_stored() {
    let cache = Cache::builder().local(Memory::new(100)).build();
    cache
        .scope(async {
            slow(1, &cache, false).await;
            assert!(cache.exists("user:1").await.unwrap());
            slow(1, &cache, true).await;
            assert!(!cache.exists("user:1").await.unwrap(), "nor is the older one kept");
        })
        .await;
}
