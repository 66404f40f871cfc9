//! What the verbs cost in round trips and bytes, counted between the store and its server.

use std::time::Duration;

use cache_core::store::{Append, Claim, Expect, Put, RemoteStore, Token};
use tests::proxy::Proxy;
use tests::redis::{Server, patient};
use tests::until_async;

#[tokio::test]
async fn every_verb_is_one_round_trip() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store = patient(proxy.url());
    let (ttl, token) = (Duration::from_secs(60), Token([1; 16]));
    let scopes: Vec<String> = (0..4).map(|scope| format!("{{larder:shop}}:g:{scope}")).collect();
    let names: Vec<String> = (0..100).map(|number| format!("shop:user:{number}")).collect();
    let asked: Vec<_> = names.iter().map(|name| (name.clone(), scopes.clone())).collect();
    let put = |name| Put { name, scopes: &scopes, value: b"value", ttl };
    let puts: Vec<Put<'_>> = names.iter().map(|name| put(name.as_str())).collect();
    let claim = || Some(Claim::new(token, ttl));
    let before = std::cell::Cell::new(0);
    let spent = || {
        let now = proxy.round_trips();
        now - before.replace(now)
    };

    // Connecting is one. What is missing beside the value takes a script, and a script's first use takes
    // one more, which brings its source.
    store.fetch("shop:user:1", &scopes, claim()).await.unwrap();
    assert_eq!(spent(), 1 + 1 + 2);
    store.publish(put("shop:user:1"), Expect::Lease(token)).await.unwrap();
    store.expire("shop:user:1", ttl).await.unwrap();
    store.invalidate(&names, &scopes, None).await.unwrap();
    assert_eq!(spent(), 3 * 2);

    let bytes = proxy.bytes_sent();
    store.fetch("shop:user:1", &scopes, claim()).await.unwrap();
    assert_eq!(spent(), 1, "a miss with a lease");
    assert!(proxy.bytes_sent() - bytes < 400, "{}", proxy.bytes_sent() - bytes);
    assert!(store.publish(put("shop:user:1"), Expect::Lease(token)).await.unwrap());
    assert_eq!(spent(), 1, "publishing");
    assert!(store.fetch("shop:user:1", &scopes, claim()).await.unwrap().value.is_some());
    assert_eq!(spent(), 1, "a hit");
    let reject = Some(Claim { reject: Some(b"val"), ..Claim::new(token, ttl) });
    assert!(store.fetch("shop:user:1", &scopes, reject).await.unwrap().value.is_none());
    assert_eq!(spent(), 2, "a value in whose place a lease is put");
    assert!(store.fetch("shop:user:1", &scopes, claim()).await.unwrap().value.is_none());
    assert_eq!(spent(), 2, "a lease in place of another's");
    store.fetch("shop:user:1", &["new".to_owned()], None).await.unwrap();
    assert_eq!(spent(), 2, "a scope that nobody asked for before");
    store.put_many(&puts).await.unwrap();
    assert_eq!(spent(), 1, "storing a hundred values");
    assert_eq!(store.fetch_many(&asked).await.unwrap().len(), 100);
    assert_eq!(spent(), 1, "reading a hundred values");
    assert!(store.expire("shop:user:1", ttl).await.unwrap());
    assert_eq!(spent(), 1, "setting a time to live");
    store.invalidate(&names, &scopes, None).await.unwrap();
    assert_eq!(spent(), 1, "invalidating a hundred names and four scopes");
    store.health().await.unwrap();
    assert_eq!(spent(), 1, "health");

    // Nothing to do is not worth a round trip.
    store.invalidate(&[], &[], None).await.unwrap();
    store.put_many(&[]).await.unwrap();
    store.fetch_many(&[]).await.unwrap();
    assert_eq!(spent(), 0);
    assert_eq!(proxy.connections(), 1);
}

/// One node that has all slots, and says that it is where the proxy is: all calls come by there.
#[tokio::test]
async fn in_a_cluster_a_name_is_removed_in_three_round_trips_and_read_in_one() {
    let server = Server::start_with(&["--cluster-enabled", "yes"]);
    let proxy = Proxy::before(server.port()).await;
    let url = proxy.url().replace("redis://", "redis+cluster://");
    let (_, port) = url.rsplit_once(':').unwrap();
    server.tell::<()>(&["CONFIG", "SET", "cluster-announce-port", port]);
    server.tell::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until_async(async || server.tell::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok")).await;

    let store = patient(&url);
    let (ttl, token) = (Duration::from_secs(60), Token([1; 16]));
    let scopes: Vec<String> = (0..4).map(|scope| format!("{{larder:shop}}:g:{scope}")).collect();
    let names: Vec<String> = (0..100).map(|number| format!("shop:user:{number}")).collect();
    let asked: Vec<_> = names.iter().map(|name| (name.clone(), scopes.clone())).collect();
    let put = |name| Put { name, scopes: &scopes, value: b"value", ttl };
    let puts: Vec<Put<'_>> = names.iter().map(|name| put(name.as_str())).collect();
    let before = std::cell::Cell::new(0);
    let spent = || {
        let now = proxy.round_trips();
        now - before.replace(now)
    };
    let claim = || Some(Claim::new(token, ttl));

    // Whatever is done first takes more: the map, the connection, the source of its script.
    store.fetch("shop:user:1", &scopes, claim()).await.unwrap();
    store.publish(put("shop:user:1"), Expect::Lease(token)).await.unwrap();
    let position = store.fetch("shop:user:1", &scopes, None).await.unwrap().generations[0];
    store.publish(put("shop:user:1"), Expect::Unmoved(&scopes[0], position)).await.unwrap();
    let records = [b"a record".to_vec()];
    let append = Some(Append { log: "{larder:shop}", records: &records, replicas: 0 });
    store.invalidate(&names, &scopes, append).await.unwrap();
    spent();

    store.fetch("shop:user:1", &scopes, claim()).await.unwrap();
    assert_eq!(spent(), 1, "a miss with a lease");
    assert!(store.publish(put("shop:user:1"), Expect::Lease(token)).await.unwrap());
    assert_eq!(spent(), 1, "publishing");
    let found = store.fetch("shop:user:1", &scopes, claim()).await.unwrap();
    assert!(found.value.is_some());
    assert_eq!(spent(), 1, "a hit");
    let unmoved = Expect::Unmoved(&scopes[0], found.generations[0]);
    assert!(store.publish(put("shop:user:1"), unmoved).await.unwrap());
    assert_eq!(spent(), 3, "storing what a mutation made");
    store.put_many(&puts).await.unwrap();
    assert_eq!(spent(), 1, "storing a hundred values");
    assert_eq!(store.fetch_many(&asked).await.unwrap().len(), 100);
    assert_eq!(spent(), 1, "reading a hundred values");
    store.invalidate(&[], &scopes, None).await.unwrap();
    assert_eq!(spent(), 2, "invalidating four scopes");
    store.invalidate(&names, &scopes, None).await.unwrap();
    assert_eq!(spent(), 3, "invalidating a hundred names and four scopes");
    assert!(store.invalidate(&names, &scopes, append).await.unwrap().is_some());
    assert_eq!(spent(), 3, "the same, and saying so");
    assert!(store.invalidate(&[], &scopes, append).await.unwrap().is_some());
    assert_eq!(spent(), 2, "invalidating four scopes, and saying so");
    store.invalidate(&[], &[], None).await.unwrap();
    store.put_many(&[]).await.unwrap();
    store.fetch_many(&[]).await.unwrap();
    assert_eq!(spent(), 0);
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn invalidating_a_scope_costs_the_same_however_much_it_covers() {
    let server = Server::start();
    let store = patient(server.url());
    let scopes = ["scope".to_owned()];
    let ttl = Duration::from_secs(60);
    let calls = || {
        let statistics: String = server.tell(&["INFO", "commandstats"]);
        statistics.lines().filter(|line| !line.contains("cmdstat_info")).map(calls_of).sum::<u64>()
    };
    let mut costs = Vec::new();
    for entries in [1, 1_000] {
        let names: Vec<String> = (0..entries).map(|number| format!("name:{number}")).collect();
        for name in &names {
            store.put_many(&[Put { name, scopes: &scopes, value: b"value", ttl }]).await.unwrap();
        }
        store.invalidate(&[], &scopes, None).await.unwrap();
        let before = calls();
        store.invalidate(&[], &scopes, None).await.unwrap();
        costs.push(calls() - before);
    }
    assert_eq!(costs[0], costs[1], "commands to invalidate a scope of one entry and of a thousand");
}

/// `calls=…` of a line of INFO.
fn calls_of(line: &str) -> u64 {
    let calls = line.split_once("calls=").and_then(|(_, rest)| rest.split(',').next());
    calls.and_then(|calls| calls.parse().ok()).unwrap_or_default()
}
