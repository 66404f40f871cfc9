//! `redis+cluster://`: the contract of a remote store on three primaries with replicas.

use std::sync::Arc;
use std::time::Duration;

use cache_core::store::{Expect, Put, RemoteStore as _, Token, conformance};
use larder::{ErrorKind, Redis};
use tests::cluster::Cluster;
use tests::redis::{Server, patient};
use tests::until_async;

const TTL: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_kept_by_a_cluster() {
    let cluster = Cluster::start().await;
    let store = patient(cluster.url());
    conformance::remote(Arc::new(store.clone())).await;
    let health = store.health().await.unwrap();
    let keys: u64 = cluster.nodes[..3].iter().map(|node| node.tell::<u64>(&["DBSIZE"])).sum();
    assert!(keys > 0 && health.keys == Some(keys), "{health:?}, and there are {keys}");
}

#[tokio::test]
async fn a_cluster_is_found_by_any_of_its_nodes_and_each_key_where_it_is() {
    let mut cluster = Cluster::start().await;
    let ports: Vec<u16> = cluster.nodes.iter().map(Server::port).collect();
    let at = |node: usize| format!("redis+cluster://127.0.0.1:{}", ports[node]);
    let names: Vec<String> = (0..100).map(|number| format!("shop:user:{number}")).collect();
    let scopes: Vec<String> = (0..4).map(|scope| format!("{{larder:shop}}:g:{scope}")).collect();
    let puts: Vec<Put<'_>> =
        (names.iter()).map(|name| Put { name, scopes: &scopes, value: name.as_bytes(), ttl: TTL }).collect();
    // A primary, and a replica.
    let stores = [patient(at(0)), patient(at(5))];
    stores[0].put_many(&puts).await.unwrap();
    let asked: Vec<_> = names.iter().map(|name| (name.clone(), scopes.clone())).collect();
    for (name, found) in names.iter().zip(stores[1].fetch_many(&asked).await.unwrap()) {
        assert_eq!(found.value.as_deref(), Some(name.as_bytes()));
    }
    for node in &cluster.nodes[..3] {
        assert!(node.tell::<u64>(&["DBSIZE"]) > 10, "every node has some");
        let clients: String = node.tell(&["CLIENT", "LIST"]);
        assert_eq!(
            clients.matches(" name=larder ").count(),
            stores.len(),
            "one connection of each: {clients}"
        );
    }
    let shown = format!("{:?}", stores[0]);
    assert!(shown.contains("known") && shown.contains(&ports[0].to_string()), "{shown}");

    // One that was not there when the URL was written.
    cluster.nodes[0].kill();
    let dead = at(0);
    let error = Redis::connect(&dead).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let with_another = format!("{dead},127.0.0.1:{}", ports[1]);
    let store = Redis::open(with_another).unwrap();
    until_async(async || store.fetch("shop:nobody", &[], None).await.is_ok()).await;
}

const LOCK: &str = "{larder:shop}:l:stock";

/// Takes the lock and gives it back, so that its counter is there, and it itself is nowhere: its fence.
async fn hold_once(store: &Redis) -> u64 {
    let token = Token([1; 16]);
    let fence = store.lock(LOCK, token, TTL).await.unwrap().unwrap();
    assert!(store.unlock(LOCK, token).await.unwrap());
    fence
}

/// Locks have two keys; everything else asks for one at a time, which is here or there.
#[tokio::test]
async fn a_lock_whose_keys_are_on_their_way_is_waited_for() {
    let cluster = Cluster::start().await;
    let store = patient(cluster.url());
    let fence = hold_once(&store).await;

    // What is nowhere here may be there, or not be at all.
    let holders = cluster.holders(LOCK, 0);
    let slot: u64 = cluster.nodes[0].tell(&["CLUSTER", "KEYSLOT", LOCK]);
    let (source, slot) = (&cluster.nodes[holders[0]], slot.to_string());
    let target = cluster.id((holders[0] + 1) % 3);
    source.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]);
    let error = Redis::open(cluster.url()).unwrap().lock(LOCK, Token([2; 16]), TTL).await.unwrap_err();
    assert!(error.to_string().contains("TRYAGAIN") || error.kind() == ErrorKind::Timeout, "{error}");
    let before = source.errors("TRYAGAIN");
    assert!(before > 1, "it was tried more than once");
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.lock(LOCK, Token([2; 16]), TTL).await }
    });
    until_async(async || source.errors("TRYAGAIN") > before + 1).await;
    source.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "STABLE"]);
    assert!(waiting.await.unwrap().unwrap().unwrap() > fence);
}

/// The node that has the slot sends on to the one that gets it, where one of the keys is nowhere: it is asked again, however
/// often, and that is not being sent around.
#[tokio::test]
async fn a_lock_whose_keys_arrive_long_before_their_slot_is_waited_for() {
    let cluster = Cluster::start().await;
    let store = patient(cluster.url());
    let fence = hold_once(&store).await;
    let source = cluster.holders(LOCK, 0)[0];
    let (early, late) = ((source + 1) % 3, (source + 2) % 3);

    // Twice: the second time, the map that the store has may be old as well.
    for (token, from, to) in [(Token([1; 16]), source, early), (Token([2; 16]), early, late)] {
        cluster.send_keys(LOCK, from, to);
        let before = cluster.nodes[to].errors("TRYAGAIN");
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.lock(LOCK, token, TTL).await }
        });
        until_async(async || waiting.is_finished() || cluster.nodes[to].errors("TRYAGAIN") > before + 4)
            .await;
        assert!(!waiting.is_finished(), "{:?}", waiting.await);
        cluster.hand_over(LOCK, from, to);
        assert!(waiting.await.unwrap().unwrap().unwrap() > fence);
        assert!(store.unlock(LOCK, token).await.unwrap());
    }
}

#[tokio::test]
async fn a_server_and_a_cluster_are_not_taken_for_each_other() {
    let server = Server::start();
    let error = Redis::connect(format!("redis+cluster://127.0.0.1:{}", server.port())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("\"redis://\""), "{error}");

    let node = Server::start_with(&["--cluster-enabled", "yes"]);
    let url = format!("redis+cluster://127.0.0.1:{}", node.port());
    let error = Redis::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("no slots yet"), "{error}");
    node.tell::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "8000"]);
    let store = patient(&url);
    let put = |name| Put { name, scopes: &[], value: b"value", ttl: TTL };
    // The slot of the one has an owner, that of the other (12182) has none.
    let error = store.publish(put("foo"), Expect::Nothing { reject: None }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("no primary"), "{error}");

    for (url, says) in [
        (format!("{url}/3"), "database 0"),
        (format!("redis+cluster://shop@127.0.0.1:{}", node.port()), "without a password"),
    ] {
        let error = Redis::open(url).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let error = Redis::builder().url(url).port(7).build().unwrap_err();
    assert!(error.to_string().contains("leave `host` and `port` out"), "{error}");
}
