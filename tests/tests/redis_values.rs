//! What else may be under a name in Redis, and what becomes of generations: seen past the store.

use std::time::Duration;

use cache_core::store::{Claim, Expect, Generation, Put, RemoteStore, Token};
use larder::{ErrorKind, Redis};
use tests::redis::{Server, patient};

const TTL: Duration = Duration::from_secs(60);
const TOKEN: Token = Token([7; 16]);

fn claim(reject: Option<&[u8]>) -> Claim<'_> {
    Claim { reject, ..Claim::new(TOKEN, TTL) }
}

fn set(server: &Server, name: &str, value: &[u8]) {
    server.ask::<()>(redis::cmd("SET").arg(name).arg(value));
}

async fn value(store: &Redis, name: &str) -> Option<Vec<u8>> {
    store.fetch(name, &[], None).await.unwrap().value
}

async fn publish(store: &Redis, name: &str) -> bool {
    store.publish(Put { name, scopes: &[], value: b"new", ttl: TTL }, Expect::Lease(TOKEN)).await.unwrap()
}

#[tokio::test]
async fn bytes_of_others_are_no_value_and_are_replaced() {
    let server = Server::start();
    let store = patient(server.url());
    let every_byte: Vec<u8> = (0..=255).collect();
    // With whether they look as if another life of the server had left them: those are absent, and others are refused.
    let others: [(&[u8], bool); 9] = [
        (b"", false),
        (b"hello", false),
        (b"P", false),
        (b"P123456781234567890123456", true),
        (b"P12345678\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07", true),
        (b"V", false),
        (b"Vhello", false),
        (b"V12345678hello", true),
        (&every_byte, false),
    ];
    for (number, (bytes, looks_old)) in others.into_iter().enumerate() {
        let name = format!("name:{number}");
        set(&server, &name, bytes);
        let empty = (!looks_old).then(Vec::new);
        assert_eq!(value(&store, &name).await, empty);
        // The script says the same as the look, if there is a generation to be minted.
        let scope = [format!("scope:{number}")];
        assert_eq!(store.fetch(&name, &scope, None).await.unwrap().value, empty);
        assert!(!store.expire(&name, TTL).await.unwrap());
        assert!(!publish(&store, &name).await, "it is no lease of ours, whoever wrote it");
        let put = Put { name: &name, scopes: &[], value: b"new", ttl: TTL };
        for beginning in [bytes, b""] {
            assert!(!store.publish(put, Expect::Value(beginning)).await.unwrap());
            assert!(!store.publish(put, Expect::Same(beginning)).await.unwrap());
        }

        let found = store.fetch(&name, &[], Some(claim(None))).await.unwrap().value;
        assert_eq!(found, empty);
        if found.is_some() {
            assert_eq!(store.fetch(&name, &[], Some(claim(Some(b"")))).await.unwrap().value, None);
        }
        assert!(publish(&store, &name).await, "a lease took its place");
        assert_eq!(value(&store, &name).await.as_deref(), Some(&b"new"[..]));
        assert!(server.tell::<i64>(&["PTTL", &name]) > 0);

        set(&server, &name, bytes);
        assert!(store.publish(put, Expect::Nothing { reject: None }).await.unwrap());
        assert_eq!(value(&store, &name).await.as_deref(), Some(&b"new"[..]));
        assert!(!store.publish(put, Expect::Nothing { reject: None }).await.unwrap());
        assert!(!store.publish(put, Expect::Nothing { reject: Some(b"newer") }).await.unwrap());
        assert!(store.publish(put, Expect::Nothing { reject: Some(b"ne") }).await.unwrap());
    }
}

#[tokio::test]
async fn another_type_under_a_name_counts_as_nothing_and_is_replaced() {
    let server = Server::start();
    let store = patient(server.url());
    let fill = |name: &str| {
        server.tell::<()>(&["DEL", name]);
        server.tell::<i64>(&["RPUSH", name, "a", "b"]);
    };
    fill("name");
    assert_eq!(value(&store, "name").await, None);
    assert!(!store.expire("name", TTL).await.unwrap());
    assert!(!publish(&store, "name").await);
    assert_eq!(store.fetch("name", &[], Some(claim(None))).await.unwrap().value, None);
    assert!(publish(&store, "name").await);
    assert_eq!(value(&store, "name").await.as_deref(), Some(&b"new"[..]));

    fill("name");
    let put = Put { name: "name", scopes: &[], value: b"put", ttl: TTL };
    store.put_many(&[put]).await.unwrap();
    assert_eq!(value(&store, "name").await.as_deref(), Some(&b"put"[..]));
    fill("name");
    assert!(store.publish(put, Expect::Nothing { reject: None }).await.unwrap());
    fill("name");
    store.invalidate(&["name".to_owned()], &[], None).await.unwrap();
    assert_eq!(server.tell::<u64>(&["EXISTS", "name"]), 0);
}

#[tokio::test]
async fn a_value_without_an_end_is_kept_for_very_long() {
    let server = Server::start();
    let store = patient(server.url());
    let put = Put { name: "name", scopes: &[], value: b"value", ttl: Duration::MAX };
    store.put_many(&[put]).await.unwrap();
    let most = store.fetch("name", &[], None).await.unwrap().ttl;
    server.tell::<()>(&["PERSIST", "name"]);
    assert!(store.fetch("name", &[], None).await.unwrap().ttl >= most);
    assert!(most > Duration::from_secs(50 * 365 * 24 * 3600));
    assert!(store.expire("name", Duration::from_nanos(1)).await.unwrap(), "at least a millisecond is left");
}

#[tokio::test]
async fn what_is_no_generation_is_replaced_by_one() {
    let server = Server::start();
    let store = patient(server.url());
    let scopes = ["text", "empty", "list", "none"].map(str::to_owned);
    set(&server, "text", b"not eight bytes");
    set(&server, "empty", b"");
    server.tell::<i64>(&["RPUSH", "list", "a"]);
    let minted = store.fetch("name", &scopes, None).await.unwrap().generations;
    assert_eq!(store.fetch("name", &scopes, None).await.unwrap().generations, minted);

    server.tell::<()>(&["DEL", "list"]);
    server.tell::<i64>(&["RPUSH", "list", "a"]);
    let expect = Expect::Unmoved("list", Generation([0; 8]));
    let put = Put { name: "name", scopes: &[], value: b"value", ttl: TTL };
    assert!(!store.publish(put, expect).await.unwrap(), "what is no generation has moved");
    store.invalidate(&[], &scopes, None).await.unwrap();
    let moved = store.fetch("name", &scopes, None).await.unwrap().generations;
    assert!(minted.iter().zip(&moved).all(|(minted, moved)| minted != moved));
}

#[tokio::test]
async fn an_evicted_generation_has_moved() {
    let server = Server::start();
    let store = patient(server.url());
    let scopes = ["scope".to_owned()];
    let before = store.fetch("name", &scopes, None).await.unwrap().generations;
    server.tell::<()>(&["DEL", "scope"]);
    let put = Put { name: "name", scopes: &[], value: b"value", ttl: TTL };
    assert!(!store.publish(put, Expect::Unmoved("scope", before[0])).await.unwrap());
    assert_ne!(store.fetch("name", &scopes, None).await.unwrap().generations, before);
    server.tell::<()>(&["FLUSHALL"]);
    assert_ne!(store.fetch("name", &scopes, None).await.unwrap().generations, before);
}

#[tokio::test]
async fn a_generation_is_kept_for_a_day_and_twice_as_long_as_what_it_covers() {
    const DAY: u64 = 24 * 3600 * 1000;
    let server = Server::start();
    let store = patient(server.url());
    let scopes = ["scope".to_owned()];
    let left = || server.tell::<u64>(&["PTTL", "scope"]);
    let store_for = async |ttl: Duration| {
        store.put_many(&[Put { name: "name", scopes: &scopes, value: b"value", ttl }]).await.unwrap();
    };
    let about = |millis: u64| millis - 10_000..=millis;

    store.fetch("name", &scopes, None).await.unwrap();
    assert!(about(DAY).contains(&left()));
    store_for(Duration::from_secs(60)).await;
    assert!(about(DAY).contains(&left()));

    // Half a day is enough for a minute, and not worth a write; less is not.
    server.tell::<i64>(&["PEXPIRE", "scope", &(DAY * 3 / 4).to_string()]);
    store_for(Duration::from_secs(60)).await;
    assert!(about(DAY * 3 / 4).contains(&left()));
    server.tell::<i64>(&["PEXPIRE", "scope", &(DAY / 4).to_string()]);
    store_for(Duration::from_secs(60)).await;
    assert!(about(DAY).contains(&left()));

    store_for(Duration::from_millis(3 * DAY)).await;
    assert!(about(6 * DAY).contains(&left()));
    store_for(Duration::from_secs(60)).await;
    assert!(about(6 * DAY).contains(&left()), "it never becomes less");

    server.tell::<()>(&["PERSIST", "scope"]);
    store_for(Duration::from_secs(60)).await;
    assert_eq!(server.tell::<i64>(&["PTTL", "scope"]), -1);
    store.invalidate(&[], &scopes, None).await.unwrap();
    assert!(about(DAY).contains(&left()));
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again_unnoticed() {
    let server = Server::start();
    let store = patient(server.url());
    let (names, scopes) = (["name".to_owned()], ["scope".to_owned()]);
    let asked: Vec<_> = (0..10).map(|number| (format!("name:{number}"), scopes.to_vec())).collect();
    let put = |name| Put { name, scopes: &scopes, value: b"value", ttl: TTL };
    let forget = || server.tell::<()>(&["SCRIPT", "FLUSH"]);
    for _ in 0..3 {
        forget();
        assert_eq!(store.fetch("claimed", &scopes, Some(claim(None))).await.unwrap().value, None);
        forget();
        assert_eq!(store.fetch("claimed", &scopes, Some(claim(None))).await.unwrap().value, None);
        forget();
        assert!(store.publish(put("claimed"), Expect::Lease(TOKEN)).await.unwrap());
        forget();
        store.put_many(&[put("name:1"), put("name:2"), put("name:9")]).await.unwrap();
        forget();
        let found = store.fetch_many(&asked).await.unwrap();
        let there: Vec<usize> = (0..10).filter(|place| found[*place].value.is_some()).collect();
        assert_eq!(there, [1, 2, 9]);
        forget();
        assert!(store.expire("name:1", TTL).await.unwrap());
        forget();
        store.invalidate(&names, &scopes, None).await.unwrap();
        forget();
        store.health().await.unwrap();
        store.invalidate(&["claimed".to_owned(), "name:1".to_owned()], &[], None).await.unwrap();
    }
}

#[tokio::test]
async fn health_carries_the_figures_of_the_server() {
    let server = Server::start();
    let store = patient(server.url());
    store.put_many(&[Put { name: "name", scopes: &[], value: b"value", ttl: TTL }]).await.unwrap();
    let health = store.health().await.unwrap();
    let info: String = server.tell(&["INFO", "server"]);
    let version = health.server_version.unwrap();
    let kind = if info.contains("valkey_version:") { "valkey" } else { "redis" };
    assert!(info.contains(&format!("{kind}_version:{version}\r\n")), "{version}");
    assert!(health.used_memory.unwrap() > 100_000);
    assert_eq!(health.keys, Some(1));
    let before = [
        health.commands_processed,
        health.connections_received,
        health.keyspace_hits,
        health.keyspace_misses,
    ];
    assert!(value(&store, "name").await.is_some() && value(&store, "none").await.is_none());
    let other = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let now = store.health().await.unwrap();
    let after = [now.commands_processed, now.connections_received, now.keyspace_hits, now.keyspace_misses];
    assert!(
        before.iter().zip(after).all(|(before, after)| before.is_some() && *before < after),
        "{before:?} {after:?}"
    );
    assert!(now.connected_clients > health.connected_clients, "{now:?}");
    drop(other);
    assert!(health.round_trip > Duration::ZERO && health.round_trip < Duration::from_secs(1));
}

#[tokio::test]
async fn the_connection_bears_its_name() {
    let server = Server::start();
    let _store = Redis::connect(server.url()).await.unwrap();
    let named = Redis::builder().url(server.url()).client_name("shop-7").connect().await.unwrap();
    named.health().await.unwrap();
    let clients: String = server.tell(&["CLIENT", "LIST"]);
    assert!(clients.contains(" name=larder ") && clients.contains(" name=shop-7 "), "{clients}");
}

#[tokio::test]
async fn a_builder_says_one_by_one_what_a_url_says() {
    let server = Server::start();
    server.tell::<()>(&["ACL", "SETUSER", "shop", "on", ">canary-password", "~*", "&*", "+@all"]);
    let patience = Duration::from_secs(10);
    let builder = Redis::builder().host("127.0.0.1").port(server.port()).db(3);
    let builder = builder.user("shop").password("canary-password").client_name("shop-8");
    let builder = builder.read_deadline(patience).write_deadline(patience).invalidate_deadline(patience);
    let store = builder.connect().await.unwrap();
    store.put_many(&[Put { name: "name", scopes: &[], value: b"value", ttl: TTL }]).await.unwrap();
    let keyspace: String = server.tell(&["INFO", "keyspace"]);
    assert!(keyspace.contains("db3:keys=1") && !keyspace.contains("db0:"), "{keyspace}");
    let clients: String = server.tell(&["CLIENT", "LIST"]);
    let ours = clients.lines().find(|line| line.contains(" name=shop-8 ")).expect("our connection");
    assert!(ours.contains(" user=shop ") && ours.contains(" db=3 "), "{ours}");
    // And what is wrong in it is said by name.
    let wrong = Redis::builder().url(server.url()).user("shop").password("canary-wrong");
    assert_eq!(tests::secrets::clean(wrong.connect().await.unwrap_err()).kind(), ErrorKind::Denied);
}
