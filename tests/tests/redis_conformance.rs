//! The Redis store keeps the contract of a remote store, on real servers and over every way to reach one.

use std::sync::Arc;
use std::time::Duration;

use cache_core::store::conformance;
use cache_core::store::{Put, RemoteStore as _};
use larder::Redis;
use tests::redis::{Server, patient};
use tests::until_async;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_is_kept_over_tcp() {
    let server = Server::start();
    conformance::remote(Arc::new(patient(server.url()))).await;
}

#[tokio::test]
async fn the_contract_is_kept_over_a_unix_socket() {
    let server = Server::start();
    let url = format!("unix://{}?db=3", server.socket().display());
    conformance::remote(Arc::new(patient(url))).await;
    assert_eq!(server.tell::<u64>(&["DBSIZE"]), 0, "nothing belongs into database 0");
}

#[tokio::test]
async fn the_contract_is_kept_behind_a_password() {
    let server = Server::start_with(&["--requirepass", "open canary"]);
    conformance::remote(Arc::new(patient(server.url_with(":open%20canary")))).await;
}

/// It has the usual deadlines, which a busy machine may miss now and then: what it is asked is asked again.
#[tokio::test]
async fn a_client_of_the_users_says_where_the_server_is_and_who_we_are() {
    let server = Server::start_with(&["--requirepass", "open canary"]);
    let client = redis::Client::open(format!("{}/2", server.url_with("default:open%20canary"))).unwrap();
    let redis = Redis::from_client(&client);
    let put = Put { name: "name", scopes: &[], value: b"value", ttl: Duration::from_secs(60) };
    until_async(async || redis.put_many(&[put]).await.is_ok()).await;
    until_async(async || {
        redis.fetch("name", &[], None).await.is_ok_and(|found| found.value.as_deref() == Some(&b"value"[..]))
    })
    .await;
    let keyspace: String = server.tell(&["INFO", "keyspace"]);
    assert!(keyspace.contains("db2:keys=1") && !keyspace.contains("db0:"), "{keyspace}");
}

#[tokio::test]
async fn what_the_suite_leaves_behind_expires() {
    let server = Server::start();
    conformance::remote(Arc::new(patient(server.url()))).await;
    let names: Vec<String> = server.tell(&["KEYS", "*"]);
    assert!(!names.is_empty());
    for name in names {
        // What would be evicted first if it had an end: a log is bounded, and there is one for a namespace.
        let is_log = [":ctl", ":log", ":readers"].iter().any(|part| name.ends_with(part));
        assert_ne!(server.tell::<i64>(&["PTTL", &name]) != -1, is_log, "{name} would stay for ever");
    }
}

#[tokio::test]
async fn many_values_go_and_come_in_one_call() {
    let server = Server::start();
    let store = patient(server.url());
    let scopes = ["scope".to_owned()];
    let names: Vec<String> = (0..5_000).map(|number| format!("many:{number}")).collect();
    let ttl = Duration::from_secs(60);
    let puts: Vec<Put<'_>> =
        names.iter().map(|name| Put { name, scopes: &scopes, value: name.as_bytes(), ttl }).collect();
    store.put_many(&puts).await.unwrap();
    let asked: Vec<_> = names.iter().map(|name| (name.clone(), scopes.to_vec())).collect();
    let found = store.fetch_many(&asked).await.unwrap();
    for (name, found) in names.iter().zip(&found) {
        assert_eq!(found.value.as_deref(), Some(name.as_bytes()));
    }
    store.invalidate(&names, &scopes, None).await.unwrap();
    assert!(store.fetch_many(&asked).await.unwrap().iter().all(|found| found.value.is_none()));
}
