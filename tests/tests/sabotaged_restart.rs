//! A process that does not ask which life of the server it talks to reads what an earlier one has left, and the history
//! shows it.

use std::time::Duration;

use cache_core::sabotage::{Fault, plant};
use larder::Cache;
use larder::testing::{History, Summary, Violation};
use tests::redis::{Server, patient};
use tests::until_async;

const TTL: Duration = Duration::from_secs(300);

/// Reads a value, saves the server, invalidates the value, and reads it again when the server is back as it was saved.
async fn restarted_from_the_copy() -> Result<Summary, Violation> {
    let (mut server, history) = (Server::start(), History::new());
    let cache = Cache::builder().namespace("shop").remote(patient(server.url())).build();
    let read = async || {
        let read = history.read("user:1");
        let loaded = cache.get_or_load("user:1", TTL, async || {
            let load = history.load("user:1");
            Ok::<u64, ()>(load.number())
        });
        read.returned(loaded.await.unwrap());
    };
    read().await;
    server.tell::<()>(&["SAVE"]);
    let invalidation = history.invalidation("user:1");
    cache.invalidate("user:1").await.unwrap();
    invalidation.acknowledged();
    server.restart();
    assert_eq!(server.tell::<u64>(&["EXISTS", "shop:user:1"]), 1, "the copy is older");
    until_async(async || cache.exists("nothing").await.is_ok()).await;
    read().await;
    history.check(Duration::ZERO)
}

// The switch is one for the process.
#[tokio::test]
async fn reading_what_an_earlier_life_of_the_server_has_left_is_caught() {
    plant(Some(Fault::IncarnationIgnored));
    let caught = restarted_from_the_copy().await;
    assert!(matches!(caught, Err(Violation::Stale(_))), "{caught:?}");
    plant(None);
    if let Err(violation) = restarted_from_the_copy().await {
        panic!("nothing is planted, and yet: {violation}");
    }
}
