//! A server that lost what it was told shows nothing old: restarts from an older copy of its data, and from none.
//!
//! | case | where |
//! |---|---|
//! | 24 restarted from an older copy | here, for values, leases, tags and counters |

use std::sync::Arc;
use std::time::Duration;

use cache_core::store::{Claim, Expect, Put, RemoteStore, Token};
use larder::{Cache, Redis, Tag};
use tests::redis::{Server, patient};

const TTL: Duration = Duration::from_secs(300);
const TOKEN: Token = Token([7; 16]);

fn cache(store: Redis) -> Cache {
    Cache::builder().namespace("shop").remote(store).build()
}

/// Kills the server, and starts it with the data that it had when it last saved it.
fn restart_from_the_copy(server: &mut Server) {
    let names: Vec<String> = server.tell(&["KEYS", "*"]);
    server.restart();
    let resurrected: Vec<String> = server.tell(&["KEYS", "*"]);
    assert!(resurrected.iter().any(|name| !names.contains(name)), "the copy is older: {resurrected:?}");
}

#[tokio::test]
async fn case_24_a_value_that_was_invalidated_after_the_copy_is_not_read() {
    let mut server = Server::start();
    let (here, elsewhere) = (cache(patient(server.url())), cache(patient(server.url())));
    here.set("user:1", &1_u64, TTL).await.unwrap();
    assert_eq!(elsewhere.get::<u64>("user:1").await.unwrap(), Some(1));
    server.tell::<()>(&["SAVE"]);
    here.invalidate("user:1").await.unwrap();
    restart_from_the_copy(&mut server);

    for cache in [&here, &elsewhere] {
        assert_eq!(cache.get::<u64>("user:1").await.unwrap(), None);
        assert!(!cache.exists("user:1").await.unwrap());
        assert!(!cache.expire("user:1", TTL).await.unwrap());
    }
    let loaded = here.get_or_load("user:1", TTL, async || Ok::<_, ()>(2_u64)).await;
    assert_eq!(loaded, Ok(2));
    assert_eq!(elsewhere.get::<u64>("user:1").await.unwrap(), Some(2), "and the new one is stored");
    assert_eq!(here.increment("count", 1).await.unwrap(), 1);
}

#[tokio::test]
async fn case_24_a_load_from_before_the_copy_is_not_stored_under_its_lease() {
    let mut server = Server::start();
    let store = patient(server.url());
    let claim = Claim::new(TOKEN, TTL);
    let names = ["name".to_owned()];
    store.fetch(&names[0], &[], Some(claim)).await.unwrap();
    server.tell::<()>(&["SAVE"]);
    store.invalidate(&names, &[], None).await.unwrap();
    restart_from_the_copy(&mut server);

    // The first connection is gone, and this finds out.
    assert_eq!(store.fetch("other", &[], None).await.unwrap().value, None);
    let put = Put { name: &names[0], scopes: &[], value: b"old", ttl: TTL };
    assert!(!store.publish(put, Expect::Lease(TOKEN)).await.unwrap());
    assert_eq!(store.fetch(&names[0], &[], None).await.unwrap().value, None);
}

#[tokio::test]
async fn case_24_a_scope_that_moved_after_the_copy_has_moved() {
    let mut server = Server::start();
    let store = patient(server.url());
    let scopes = [format!("scope:{}", Tag::from("users"))];
    let copied = store.fetch("name", &scopes, None).await.unwrap().generations;
    server.tell::<()>(&["SAVE"]);
    store.invalidate(&[], &scopes, None).await.unwrap();
    server.restart();

    let put = Put { name: "name", scopes: &[], value: b"old", ttl: TTL };
    assert_eq!(store.fetch("other", &[], None).await.unwrap().value, None);
    assert!(!store.publish(put, Expect::Unmoved(&scopes[0], copied[0])).await.unwrap());
    assert_ne!(store.fetch("name", &scopes, None).await.unwrap().generations, copied);
}

#[tokio::test]
async fn a_server_that_does_not_tell_its_incarnation_is_used_and_health_says_so() {
    let server = Server::start();
    let told = patient(server.url());
    assert!(!told.health().await.unwrap().blind_to_restarts);

    let user = ["ACL", "SETUSER", "shy", "on", ">secret", "~*", "+@all", "-info"];
    server.tell::<()>(&user);
    let store: Arc<dyn RemoteStore> = Arc::new(patient(server.url_with("shy:secret")));
    let put = Put { name: "name", scopes: &[], value: b"value", ttl: TTL };
    store.put_many(&[put]).await.unwrap();
    assert_eq!(store.fetch("name", &[], None).await.unwrap().value.as_deref(), Some(&b"value"[..]));
    assert!(store.health().await.unwrap().blind_to_restarts);
    assert_eq!(told.fetch("name", &[], None).await.unwrap().value, None, "it may be of any life");
}
