//! Servers that answer with a refusal: what each is called, what becomes of the connection, and that no text
//! or log ever shows a password, a key or a value.

use std::time::{Duration, Instant};

use cache_core::store::{Claim, Put, RemoteStore, Token};
use larder::{Error, ErrorKind, Redis, Result};
use tests::log::Log;
use tests::proxy::{Fault, Proxy};
use tests::redis::{Server, patient};
use tests::secrets::{MARK, clean};
use tests::until_async;

const TTL: Duration = Duration::from_secs(60);

async fn put(store: &Redis, name: &str, value: &[u8]) -> Result<()> {
    store.put_many(&[Put { name, scopes: &[], value, ttl: TTL }]).await.map_err(clean)
}

async fn value(store: &Redis, name: &str) -> Result<Option<Vec<u8>>> {
    Ok(store.fetch(name, &[], None).await.map_err(clean)?.value)
}

async fn claimed(store: &Redis, name: &str) -> Result<Option<Vec<u8>>> {
    let claim = Claim::new(Token([1; 16]), TTL);
    Ok(store.fetch(name, &[], Some(claim)).await.map_err(clean)?.value)
}

/// The whole of an error: what is shown, and what `Debug` shows of it and of its causes.
fn whole(error: &Error) -> String {
    format!("{error} {error:?}")
}

#[tokio::test]
async fn a_refused_login_is_denied_and_tells_no_secret() {
    let server = Server::start_with(&["--requirepass", "the-right-canary"]);
    let log = Log::of_this_thread();
    for login in [":canary-hunter2", "default:canary-hunter2", "nobody:canary-hunter2"] {
        let url = server.url_with(login);
        let error = Redis::connect(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().ends_with("check the user and the password"), "{error}");
        let store = Redis::open(&url).unwrap();
        for error in [value(&store, "canary-name").await.unwrap_err(), store.health().await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
            assert!(!whole(&error).contains(MARK), "{error:?}");
        }
        assert!(!format!("{store:?}").contains(MARK));
    }
    let error = Redis::connect(server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");

    let open = Server::start();
    let error = Redis::connect(open.url_with(":canary-hunter2")).await.unwrap_err();
    assert_eq!((error.kind(), whole(&error).contains(MARK)), (ErrorKind::Denied, false), "{error}");

    let said = log.text();
    assert!(said.contains("no connection to redis"), "{said}");
    assert!(!said.contains(MARK), "{said}");
}

#[tokio::test]
async fn a_refused_login_is_tried_again_once_a_second_at_most() {
    let server = Server::start_with(&["--requirepass", "right"]);
    let proxy = Proxy::before(server.port()).await;
    let store = Redis::open(proxy.url().replace("redis://", "redis://:wrong@")).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(900) {
        assert_eq!(value(&store, "canary-name").await.unwrap_err().kind(), ErrorKind::Denied);
        tokio::task::yield_now().await;
    }
    assert_eq!(proxy.connections(), 1);

    server.tell::<()>(&["CONFIG", "SET", "requirepass", "wrong"]);
    // The server's own test connection has to log in the new way.
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn a_user_needs_few_permissions() {
    let server = Server::start();
    let commands =
        ["+eval", "+evalsha", "+mget", "+set", "+getrange", "+pttl", "+pexpire", "+unlink", "+time"];
    let user =
        [&["ACL", "SETUSER", "shop", "on", ">pass", "~shop:*", "~{larder:shop}:*"][..], &commands].concat();
    server.tell::<()>(&user);
    let store = Redis::connect(server.url_with("shop:pass")).await.unwrap();
    let scopes = ["{larder:shop}:g:*".to_owned()];
    assert_eq!(store.fetch("shop:1", &scopes, None).await.unwrap().value, None);
    put(&store, "shop:1", b"canary-value").await.unwrap();
    assert!(store.expire("shop:1", TTL).await.unwrap());
    assert_eq!(claimed(&store, "shop:1").await.unwrap().as_deref(), Some(&b"canary-value"[..]));
    store.invalidate(&["shop:1".to_owned()], &scopes, None).await.unwrap();

    let error = value(&store, "other:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!whole(&error).contains("other:1"), "{error:?}");
    assert_eq!(store.health().await.unwrap_err().kind(), ErrorKind::Denied, "PING is not permitted");
    server.tell::<()>(&["ACL", "SETUSER", "shop", "+ping"]);
    let health = store.health().await.unwrap();
    assert_eq!((health.server_version, health.used_memory, health.keys), (None, None, None));
    assert_eq!(
        (health.connected_clients, health.commands_processed, health.keyspace_hits),
        (None, None, None)
    );

    server.tell::<()>(&["ACL", "SETUSER", "reader", "on", ">pass", "~*", "+get", "+set"]);
    let error = Redis::connect(server.url_with("reader:pass")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("EVAL"), "{error}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_a_mistake_in_the_settings() {
    let server = Server::start_with(&["--databases", "4"]);
    assert!(Redis::connect(format!("{}/3", server.url())).await.is_ok());
    let error = Redis::connect(format!("{}/4", server.url())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().starts_with("redis has no database 4"), "{error}");
}

#[tokio::test]
async fn a_server_that_turns_clients_away_is_understood() {
    let server = Server::start();
    server.tell::<()>(&["CONFIG", "SET", "maxclients", "1"]);
    let _first = Redis::connect(server.url()).await.unwrap();
    let error = Redis::connect(server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("maxclients"), "{error}");

    let proxy = Proxy::before(server.port()).await;
    proxy.replies(Fault::Replace(b"-DENIED Redis is running in protected mode because...\r\n".to_vec()));
    let error = Redis::connect(proxy.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("protected mode"), "{error}");
}

#[tokio::test]
async fn a_full_server_serves_hits_refuses_values_and_takes_invalidations() {
    let server = Server::start();
    let store = patient(server.url());
    let (names, scopes) = (["kept".to_owned()], ["scope".to_owned()]);
    put(&store, "kept", b"canary-value").await.unwrap();
    let before = store.fetch("kept", &scopes, None).await.unwrap().generations;
    server.tell::<()>(&["CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction"]);

    let error = put(&store, "canary-name", b"canary-value").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.is_temporary() && error.to_string().contains("maxmemory"), "{error}");
    let found = store.fetch("kept", &scopes, None).await.unwrap();
    assert_eq!(found.value.as_deref(), Some(&b"canary-value"[..]));
    assert_eq!(claimed(&store, "kept").await.unwrap().as_deref(), Some(&b"canary-value"[..]));
    assert_eq!(claimed(&store, "canary-name").await.unwrap_err().kind(), ErrorKind::Full);

    store.invalidate(&names, &scopes, None).await.unwrap();
    let after = store.fetch("kept", &scopes, None).await.unwrap();
    assert_eq!(after.value, None);
    assert_ne!(after.generations, before);

    server.tell::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    put(&store, "canary-name", b"canary-value").await.unwrap();
    assert_eq!(Redis::connect(server.url()).await.map(drop).map_err(|error| error.kind()), Ok(()));
}

#[tokio::test]
async fn a_full_server_can_be_connected_to() {
    let server = Server::start();
    server.tell::<()>(&["CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction"]);
    let store = patient(server.url());
    let (names, scopes) = (["canary-name".to_owned()], ["scope".to_owned()]);
    store.invalidate(&[], &scopes, None).await.unwrap();
    store.invalidate(&names, &scopes, None).await.unwrap();
    store.invalidate(&names, &[], None).await.unwrap();
    assert_eq!(store.fetch("canary-name", &scopes, None).await.unwrap().generations.len(), 1);
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_is_left_until_it_is_one_again() {
    let (primary, server) = (Server::start(), Server::start());
    let proxy = Proxy::before(server.port()).await;
    let (store, reader) = (patient(proxy.url()), patient(server.url()));
    put(&store, "canary-name", b"canary-value").await.unwrap();
    assert!(claimed(&reader, "canary-name").await.unwrap().is_some());
    server.tell::<()>(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    assert_eq!(put(&store, "canary-name", b"late").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(claimed(&reader, "canary-name").await.unwrap_err().kind(), ErrorKind::Unavailable);
    // From the first refusal on, nothing more is read from it either; a claim is one.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) {
        let error = value(&store, "canary-name").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("replica"), "{error}");
        tokio::task::yield_now().await;
    }
    assert!((2..30).contains(&proxy.connections()), "{} attempts in half a second", proxy.connections());

    server.tell::<()>(&["REPLICAOF", "NO", "ONE"]);
    until_async(async || put(&store, "canary-name", b"again").await.is_ok()).await;
    assert_eq!(value(&store, "canary-name").await.unwrap().as_deref(), Some(&b"again"[..]));
}

#[tokio::test]
async fn too_few_replicas_or_a_busy_server_is_passing_trouble() {
    let server = Server::start();
    let store = patient(server.url());
    put(&store, "canary-name", b"canary-value").await.unwrap();
    server.tell::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let error = put(&store, "canary-name", b"canary-value").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("NOREPLICAS"), "{error}");
    assert_eq!(value(&store, "canary-name").await.unwrap().as_deref(), Some(&b"canary-value"[..]));
    server.tell::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);

    server.tell::<()>(&["CONFIG", "SET", "busy-reply-threshold", "1"]);
    let endless = std::thread::spawn({
        let url = server.url();
        move || {
            let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
            let _ = redis::cmd("EVAL").arg("while true do end").arg(0).exec(&mut connection);
        }
    });
    until_async(async || {
        value(&store, "canary-name").await.is_err_and(|error| error.to_string().contains("SCRIPT KILL"))
    })
    .await;
    server.tell::<()>(&["SCRIPT", "KILL"]);
    endless.join().unwrap();
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
}

#[tokio::test]
async fn a_node_of_a_cluster_says_so() {
    let server = Server::start_with(&["--cluster-enabled", "yes"]);
    let store = patient(server.url());
    assert_eq!(
        value(&store, "canary-name").await.unwrap_err().kind(),
        ErrorKind::Unavailable,
        "no slots: CLUSTERDOWN"
    );
    server.tell::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
    let error = store.fetch("canary-name", &["scope".to_owned()], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("cluster"), "{error}");
}

#[tokio::test]
async fn every_refusal_has_a_kind_and_repeats_nothing_of_what_was_said() {
    let server = Server::start();
    let table = [
        ("OOM", ErrorKind::Full, 1),
        ("LOADING", ErrorKind::Unavailable, 1),
        ("BUSY", ErrorKind::Unavailable, 1),
        ("MISCONF", ErrorKind::Unavailable, 1),
        ("NOREPLICAS", ErrorKind::Unavailable, 1),
        ("CLUSTERDOWN", ErrorKind::Unavailable, 1),
        ("TRYAGAIN", ErrorKind::Unavailable, 1),
        ("READONLY", ErrorKind::Unavailable, 2),
        ("MASTERDOWN", ErrorKind::Unavailable, 2),
        ("NOAUTH", ErrorKind::Denied, 2),
        ("NOPERM", ErrorKind::Denied, 1),
        ("MOVED", ErrorKind::Config, 1),
        ("ASK", ErrorKind::Config, 1),
        ("ERR", ErrorKind::Protocol, 1),
        ("NOSCRIPT", ErrorKind::Protocol, 1),
        ("SOMETHING", ErrorKind::Protocol, 1),
        ("canary-key-as-a-code", ErrorKind::Protocol, 1),
    ];
    for (code, kind, connections) in table {
        let proxy = Proxy::before(server.port()).await;
        let store = patient(proxy.url());
        store.health().await.unwrap();
        // A read asks two questions at once.
        proxy.replies(Fault::Replace(
            format!("-{code} about canary-key and canary-value\r\n").repeat(2).into_bytes(),
        ));
        let error = value(&store, "canary-key").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}: {error}");
        assert!(!whole(&error).contains(MARK), "{error:?}");
        proxy.replies(Fault::Pass);
        assert!(value(&store, "canary-key").await.is_ok(), "{code}");
        assert_eq!(proxy.connections(), connections, "{code}");
    }
}

#[tokio::test]
async fn what_is_not_redis_is_told_apart() {
    let server = Server::start();
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ":not a number\r\n", "\0\0\0\0\r\n"] {
        let proxy = Proxy::before(server.port()).await;
        let store = patient(proxy.url());
        store.health().await.unwrap();
        proxy.replies(Fault::Replace(answer.as_bytes().to_vec()));
        let error = put(&store, "canary-name", b"canary-value").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{answer:?}: {error}");
        let error = Redis::connect(proxy.url()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{answer:?}: {error}");
        assert!(value(&store, "canary-name").await.is_err());
        proxy.replies(Fault::Pass);
        until_async(async || value(&store, "canary-name").await.is_ok()).await;
    }
}

#[tokio::test]
async fn half_an_answer_is_waited_for_until_the_deadline() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store = Redis::connect(proxy.url()).await.unwrap();
    proxy.replies(Fault::Replace(b"$5\r\nab".to_vec()));
    assert_eq!(value(&store, "canary-name").await.unwrap_err().kind(), ErrorKind::Timeout);
    proxy.replies(Fault::Pass);
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
}

#[tokio::test]
async fn an_answer_of_the_wrong_form_is_an_error() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store = patient(proxy.url());
    store.health().await.unwrap();
    for answer in
        ["+OK\r\n:1\r\n", ":1\r\n:1\r\n", "$-1\r\n*1\r\n$-1\r\n", ":1\r\n*0\r\n", ":1\r\n*1\r\n:1\r\n"]
    {
        proxy.replies(Fault::Replace(answer.as_bytes().to_vec()));
        let error = value(&store, "canary-name").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{answer:?}: {error}");
    }
    for answer in ["+OK\r\n", "$1\r\n1\r\n", "*0\r\n"] {
        proxy.replies(Fault::Replace(answer.as_bytes().to_vec()));
        let error = put(&store, "canary-name", b"canary-value").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{answer:?}: {error}");
    }
    proxy.replies(Fault::Pass);
    assert!(value(&store, "canary-name").await.is_ok());
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn the_log_says_once_when_the_connection_comes_and_goes() {
    let mut server = Server::start();
    let log = Log::of_this_thread();
    let store = patient(server.url());
    for _ in 0..10 {
        put(&store, "canary-key", b"canary-value").await.unwrap();
    }
    assert_eq!(log.lines(), ["INFO larder connected to redis"]);
    server.kill();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(300) {
        assert!(value(&store, "canary-key").await.is_err());
        tokio::task::yield_now().await;
    }
    assert_eq!(log.lines(), ["INFO larder connected to redis", "WARN larder no connection to redis"]);
    server.restart();
    until_async(async || value(&store, "canary-key").await.is_ok()).await;
    assert_eq!(log.lines().len(), 3);
    assert_eq!(log.lines()[2], "INFO larder connected to redis");
    assert!(!log.text().contains(MARK), "{}", log.text());
}

/// The memory that this process has had at most, in bytes.
fn peak() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    1024 * line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0_u64)
}

#[tokio::test]
async fn lengths_that_are_a_lie_cost_no_memory_and_no_panic() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store = Redis::open(proxy.url()).unwrap();
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
    let before = peak();
    let nested = "*1\r\n".repeat(100_000);
    for answer in [
        "*2147483647\r\n",
        "*9223372036854775807\r\n:1\r\n",
        "*-7\r\n",
        "$536870911\r\nx",
        "$9223372036854775807\r\n",
        "$-9223372036854775808\r\n",
        "%2147483647\r\n",
        "~2147483647\r\n",
        ">2147483647\r\n",
        &nested,
    ] {
        proxy.replies(Fault::Replace(answer.as_bytes().to_vec()));
        assert!(value(&store, "canary-name").await.is_err(), "{:?}", answer.get(..30));
        proxy.heal();
        until_async(async || value(&store, "canary-name").await.is_ok()).await;
    }
    let grown = peak().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB", grown >> 20);
}
