//! `redis+sentinel://`: the primary is whoever the sentinels say, also after it has changed.

use std::time::{Duration, Instant};

use larder::store::RemoteStore as _;
use larder::{Cache, ErrorKind, Redis, Result};
use tests::redis::{Server, patient};
use tests::{eventually, until_async};

const TTL: Duration = Duration::from_secs(300);

/// A primary with a replica, and three sentinels.
struct Watched {
    primary: Server,
    replica: Server,
    sentinels: Vec<Server>,
}

impl Watched {
    async fn start() -> Self {
        let primary = Server::start();
        let replica = Server::start_with(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
        until_async(async || {
            replica.tell::<String>(&["INFO", "replication"]).contains("master_link_status:up")
        })
        .await;
        let sentinels: Vec<_> = (0..3).map(|_| Server::start_sentinel(&primary)).collect();
        let watched = Self { primary, replica, sentinels };
        eventually(async || {
            watched.sentinels.iter().all(|sentinel| {
                let info: String = sentinel.tell(&["INFO", "sentinel"]);
                info.contains("slaves=1,sentinels=3")
            })
        })
        .await;
        watched
    }

    fn url(&self, primary: &str) -> String {
        let hosts: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("redis+sentinel://{}/{primary}", hosts.join(","))
    }
}

/// Whether a store is connected to `server`; nothing if it hangs up, as one does that is given another role.
fn is_used(server: &Server) -> Option<bool> {
    let mut connection = redis::Client::open(server.url()).ok()?.get_connection().ok()?;
    let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut connection).ok()?;
    Some(clients.contains(" name=larder "))
}

async fn load(cache: &Cache, key: &str, value: u64) -> u64 {
    let loaded: Result<u64> = cache.get_or_load(key, TTL, || async { Ok(value) }).await;
    loaded.expect("the body does not fail, and nothing else is the caller's")
}

#[tokio::test]
async fn the_primary_is_found_whichever_sentinel_is_asked_and_only_by_its_name() {
    let mut watched = Watched::start().await;
    let url = watched.url("shop");
    let store = Redis::connect(&url).await.unwrap();
    let shown = format!("{store:?}");
    assert!(shown.contains("shop, says 127.0.0.1:"), "{shown}");
    let clients: String = watched.primary.tell(&["CLIENT", "LIST"]);
    assert!(clients.contains(" name=larder "), "{clients}");

    let error = Redis::connect(watched.url("stock")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no primary called \"stock\""), "{error}");

    // One that is dead and one that hangs are no reason to find nobody.
    watched.sentinels[0].kill();
    watched.sentinels[1].stop();
    patient(&url).health().await.unwrap();
    watched.sentinels[1].kill();
    watched.sentinels[2].kill();
    let error = Redis::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("no sentinel"), "{error}");
}

#[tokio::test]
async fn a_failover_is_followed_and_no_value_from_before_an_invalidation_comes_back() {
    let mut watched = Watched::start().await;
    let cache = Cache::builder().namespace("shop").remote(Redis::open(watched.url("shop")).unwrap()).build();
    until_async(async || load(&cache, "kept", 1).await == 1 && cache.exists("kept").await.is_ok_and(|is| is))
        .await;
    until_async(async || watched.replica.tell::<u64>(&["EXISTS", "shop:kept"]) == 1).await;

    watched.primary.kill();
    let away = Instant::now();
    // Owed at first, and acknowledged as soon as there is a primary again.
    let first = cache.invalidate("kept").await;
    until_async(async || {
        let value = load(&cache, "kept", 2).await;
        assert!(first.is_err() && value == 2, "not the value from before: {value}");
        cache.invalidate("other").await.is_ok()
    })
    .await;
    let took = away.elapsed();
    assert!(took < Duration::from_secs(5), "it took {took:?} until invalidations were acknowledged again");
    until_async(async || load(&cache, "kept", 3).await == 2 && cache.exists("kept").await.is_ok_and(|is| is))
        .await;
    let there: String = watched.replica.tell(&["INFO", "replication"]);
    assert!(there.contains("role:master"), "{there}");
    let found: u64 = watched.replica.tell(&["EXISTS", "shop:kept"]);
    assert_eq!(found, 1, "it is stored where the primary is now");

    // The old primary comes back, as a replica by and by: nobody goes there.
    watched.primary.restart();
    for number in 0..200 {
        assert_eq!(load(&cache, "kept", 100 + number).await, 2);
    }
    until_async(async || is_used(&watched.primary) == Some(false)).await;
    assert_eq!(cache.owed_invalidations(), 0);
}

#[tokio::test]
async fn a_primary_that_is_demoted_under_open_connections_is_left() {
    let watched = Watched::start().await;
    let cache = Cache::builder().namespace("shop").remote(Redis::open(watched.url("shop")).unwrap()).build();
    until_async(async || cache.set("kept", &1_u64, TTL).await.is_ok()).await;
    until_async(async || watched.replica.tell::<u64>(&["EXISTS", "shop:kept"]) == 1).await;
    until_async(async || {
        // It is refused until the sentinel knows enough about the replica.
        let mut command = redis::cmd("SENTINEL");
        command.arg("FAILOVER").arg("shop");
        let client = redis::Client::open(watched.sentinels[0].url()).unwrap();
        command.exec(&mut client.get_connection().unwrap()).is_ok()
    })
    .await;
    until_async(async || {
        let _ = cache.invalidate("kept").await;
        assert_ne!(load(&cache, "kept", 2).await, 1);
        is_used(&watched.replica) == Some(true) && cache.invalidate("other").await.is_ok()
    })
    .await;
    until_async(async || is_used(&watched.primary) == Some(false)).await;
    // Whichever load was the first that could be stored: it is found again, and it is none from before.
    let mut round = 2;
    until_async(async || {
        round += 1;
        let found = load(&cache, "kept", round).await;
        assert_ne!(found, 1);
        found != round
    })
    .await;
}
