//! Servers that die, stand still, vanish or never answer: every operation ends in time, and the store is
//! whole again by itself once there is a server.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::store::{Expect, Put, RemoteStore, Token};
use larder::{ErrorKind, Redis, Result};
use tests::proxy::{Fault, Proxy};
use tests::redis::{Server, patient};
use tests::secrets::clean;
use tests::until_async;

const READ: Duration = Duration::from_millis(100);
const WRITE: Duration = Duration::from_millis(250);
const INVALIDATE: Duration = Duration::from_secs(1);

/// What a busy machine may add to a deadline before a test takes offence.
const SLACK: Duration = Duration::from_millis(400);

/// How soon a server must be noticed that is back.
const SOON: Duration = Duration::from_secs(1);

const TTL: Duration = Duration::from_secs(60);

async fn put(store: &Redis, name: &str, value: &[u8]) -> Result<()> {
    store.put_many(&[Put { name, scopes: &[], value, ttl: TTL }]).await
}

async fn value(store: &Redis, name: &str) -> Result<Option<Vec<u8>>> {
    Ok(store.fetch(name, &[], None).await?.value)
}

/// A store with the usual deadlines that has been used.
async fn started(url: String) -> Redis {
    let store = Redis::open(url).unwrap();
    until_async(async || put(&store, "canary-name", b"canary-value").await.is_ok()).await;
    store
}

/// How long an operation took to fail, and how it failed.
async fn failure<T>(operation: impl Future<Output = Result<T>>) -> (Duration, ErrorKind) {
    let start = Instant::now();
    match operation.await {
        Ok(_) => panic!("an operation succeeded without a server"),
        Err(error) => (start.elapsed(), clean(error).kind()),
    }
}

/// Every operation, with its deadline.
async fn failures(store: &Redis) -> Vec<(&'static str, Duration, (Duration, ErrorKind))> {
    let (names, scopes) = (["canary-name".to_owned()], ["scope".to_owned()]);
    let asked = [("canary-name".to_owned(), scopes.to_vec())];
    let put = Put { name: "canary-name", scopes: &scopes, value: b"canary-value", ttl: TTL };
    vec![
        ("fetch", READ, failure(store.fetch("canary-name", &scopes, None)).await),
        ("fetch_many", READ, failure(store.fetch_many(&asked)).await),
        ("publish", WRITE, failure(store.publish(put, Expect::Lease(Token([0; 16])))).await),
        ("put_many", WRITE, failure(store.put_many(&[put])).await),
        ("expire", WRITE, failure(store.expire("canary-name", TTL)).await),
        ("invalidate", INVALIDATE, failure(store.invalidate(&names, &scopes, None)).await),
        ("health", INVALIDATE, failure(store.health()).await),
    ]
}

#[tokio::test]
async fn a_server_that_is_killed_and_restarted_is_used_again() {
    let mut server = Server::start();
    let store = started(server.url()).await;

    server.kill();
    for (operation, deadline, (took, kind)) in failures(&store).await {
        assert_eq!(kind, ErrorKind::Unavailable, "{operation}");
        assert!(took < deadline, "{operation} took {took:?}, though a dead server refuses at once");
    }

    server.restart_empty();
    let back = Instant::now();
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
    assert!(back.elapsed() < SOON + SLACK, "it took {:?} to notice the server", back.elapsed());
    until_async(async || value(&store, "canary-name").await.is_ok_and(|found| found.is_none())).await;
    until_async(async || put(&store, "canary-name", b"after").await.is_ok()).await;
    until_async(async || value(&store, "canary-name").await.is_ok_and(|found| found.is_some())).await;
}

#[tokio::test]
async fn what_a_server_wrote_down_is_of_another_life_after_its_restart() {
    let mut server = Server::start_durable();
    let store = patient(server.url());
    put(&store, "canary-name", b"canary-value").await.unwrap();
    server.restart();
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
    // It may have written down less than it was told: nobody knows.
    assert_eq!(value(&store, "canary-name").await.unwrap(), None);
    assert_eq!(server.tell::<u64>(&["EXISTS", "canary-name"]), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_no_error_until_it_is_needed() {
    let mut server = Server::start();
    server.kill();
    let store = Redis::open(server.url()).unwrap();
    assert_eq!(failure(store.health()).await.1, ErrorKind::Unavailable);
    let error = Redis::connect(server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().starts_with(&format!("cannot connect to redis at 127.0.0.1:{}", server.port()))
    );

    server.restart();
    until_async(async || store.health().await.is_ok()).await;
}

#[tokio::test]
async fn a_server_that_stands_still_costs_each_operation_its_deadline() {
    let server = Server::start();
    let store = started(server.url()).await;

    server.stop();
    let mut full = 0;
    for _ in 0..2 {
        for (operation, deadline, (took, kind)) in failures(&store).await {
            assert!(took < deadline + SLACK, "{operation} took {took:?}, its deadline is {deadline:?}");
            // Between two attempts to connect it fails at once.
            full += u32::from(kind == ErrorKind::Timeout && took >= deadline);
        }
    }
    assert!(full >= 2, "operations must wait for an answer as long as they may");

    server.cont();
    let back = Instant::now();
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
    assert!(back.elapsed() < SOON + SLACK, "it took {:?} to notice the server", back.elapsed());
    until_async(async || value(&store, "canary-name").await.is_ok_and(|found| found.is_some())).await;
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_asked_for_an_answer_and_given_up_without_one() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store = started(proxy.url()).await;
    let sent = proxy.bytes_sent();
    until_async(async || proxy.bytes_sent() > sent).await;
    assert_eq!(server.tell::<String>(&["INFO", "commandstats"]).matches("cmdstat_ping:").count(), 1);
    assert_eq!(proxy.connections(), 1, "an answer is all it takes");

    proxy.replies(Fault::Swallow);
    until_async(async || format!("{store:?}").contains("idle")).await;
    proxy.heal();
    let start = Instant::now();
    assert!(
        value(&store, "name").await.is_ok(),
        "nobody has to wait for a deadline before there is a new one"
    );
    assert!(start.elapsed() < READ + SLACK);
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn many_operations_on_a_server_that_stands_still_end_together() {
    let server = Server::start();
    let store = started(server.url()).await;
    server.stop();
    let start = Instant::now();
    let reads: Vec<_> = (0..5_000)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { value(&store, &format!("name:{number}")).await.map_err(|e| e.kind()) })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), Err(ErrorKind::Timeout));
    }
    assert!(start.elapsed() < 50 * READ, "5000 reads took {:?}", start.elapsed());
    server.cont();
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_bounded() {
    // The system takes connections in this socket's name, and nobody ever reads them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let store = Redis::open(&url).unwrap();
    for (operation, deadline, (took, kind)) in failures(&store).await {
        assert!(took < deadline + SLACK, "{operation} took {took:?}, its deadline is {deadline:?}");
        assert!(matches!(kind, ErrorKind::Timeout | ErrorKind::Unavailable), "{operation}: {kind:?}");
    }
    let (took, kind) = failure(Redis::connect(&url)).await;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(took < Duration::from_secs(1) + SLACK, "connect took {took:?}");
}

#[tokio::test]
async fn a_connection_whose_answers_vanish_is_replaced() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store =
        Redis::builder().url(proxy.url()).read_deadline(SLACK).write_deadline(10 * SLACK).build().unwrap();
    put(&store, "canary-name", b"canary-value").await.unwrap();
    assert_eq!(proxy.connections(), 1);

    proxy.replies(Fault::Swallow);
    assert_eq!(failure(value(&store, "canary-name")).await.1, ErrorKind::Timeout);
    assert_eq!(proxy.connections(), 1, "one lost answer is no reason to give a connection up");
    assert_eq!(failure(value(&store, "canary-name")).await.1, ErrorKind::Timeout);
    proxy.replies(Fault::Pass);
    assert_eq!(value(&store, "canary-name").await.unwrap().as_deref(), Some(&b"canary-value"[..]));
    assert_eq!(proxy.connections(), 2, "two are");
}

#[tokio::test]
async fn an_operation_of_two_round_trips_has_one_deadline() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store = Redis::builder().url(proxy.url()).read_deadline(SLACK).build().unwrap();
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
    proxy.replies(Fault::Late(SLACK * 3 / 4));
    assert!(value(&store, "canary-name").await.is_ok(), "one fits into the deadline");
    let scopes = ["that nobody asked for before".to_owned()];
    let (took, kind) = failure(store.fetch("canary-name", &scopes, None)).await;
    assert_eq!(kind, ErrorKind::Timeout, "two do not");
    assert!(took >= SLACK && took < SLACK * 3 / 2, "it took {took:?}");
}

#[tokio::test]
async fn an_answer_between_two_timeouts_keeps_the_connection() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store = started(proxy.url()).await;
    let before = proxy.connections();
    for _ in 0..3 {
        server.stop();
        assert_eq!(failure(value(&store, "canary-name")).await.1, ErrorKind::Timeout);
        server.cont();
        // A write has time enough, and one timeout more would be too much.
        put(&store, "canary-name", b"canary-value").await.unwrap();
    }
    assert_eq!(proxy.connections(), before);
}

#[tokio::test]
async fn timeouts_of_operations_that_ran_together_count_as_one() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store = started(proxy.url()).await;
    let before = proxy.connections();
    server.stop();
    let reads: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { failure(value(&store, "canary-name")).await.1 })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), ErrorKind::Timeout);
    }
    server.cont();
    // The answers that come late now belong to those who have gone, and to nobody else.
    put(&store, "canary-name", b"canary-value").await.unwrap();
    assert_eq!(proxy.connections(), before);
}

#[tokio::test]
async fn a_connection_that_ended_unnoticed_costs_nobody_an_error() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store = patient(proxy.url());
    put(&store, "canary-name", b"canary-value").await.unwrap();
    for round in 1..=20 {
        proxy.cut();
        assert_eq!(value(&store, "canary-name").await.unwrap().as_deref(), Some(&b"canary-value"[..]));
        proxy.cut();
        store.invalidate(&["other".to_owned()], &["scope".to_owned()], None).await.unwrap();
        assert_eq!(proxy.connections(), 1 + 2 * round);
    }
    // As a server does that has a `timeout`.
    server.tell::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert_eq!(value(&store, "canary-name").await.unwrap().as_deref(), Some(&b"canary-value"[..]));
}

#[tokio::test]
async fn one_attempt_to_connect_serves_everybody() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let store = patient(proxy.url());
    let reads: Vec<_> = (0..500)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { value(&store, &format!("name:{number}")).await.is_ok() })
        })
        .collect();
    for read in reads {
        assert!(read.await.unwrap());
    }
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_dead_server_costs_few_attempts_however_often_it_is_asked() {
    let mut server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    server.kill();
    let store = Redis::open(proxy.url()).unwrap();
    let (start, mut asked) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(1) {
        assert!(value(&store, "canary-name").await.is_err());
        asked += 1;
        tokio::task::yield_now().await;
    }
    let attempts = proxy.connections();
    assert!(asked > 1_000, "most reads must fail at once: {asked} were made in a second");
    assert!((2..40).contains(&attempts), "{attempts} attempts for {asked} reads in a second");
}

#[tokio::test]
async fn a_caller_that_goes_away_while_connecting_takes_nobody_along() {
    let server = Server::start();
    server.stop();
    let store = patient(server.url());
    let first = tokio::spawn({
        let store = store.clone();
        async move { value(&store, "canary-name").await.is_ok() }
    });
    until_async(async || format!("{store:?}").contains("connecting")).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    server.cont();
    until_async(async || value(&store, "canary-name").await.is_ok()).await;
}

#[test]
fn a_store_outlives_the_runtime_it_was_used_on_first() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = Server::start();
    let store = Arc::new(patient(server.url()));
    for round in 0..3_u8 {
        // As in a program with a test, or a command, per runtime: the connection ends with each.
        runtime().block_on(async {
            put(&store, "canary-name", &[round]).await.unwrap();
            assert_eq!(value(&store, "canary-name").await.unwrap(), Some(vec![round]));
        });
    }

    // A runtime that ends in the middle of an attempt, too.
    let fresh = Arc::new(Redis::open(server.url()).unwrap());
    server.stop();
    runtime().block_on(async { assert!(value(&fresh, "canary-name").await.is_err()) });
    server.cont();
    runtime().block_on(async {
        until_async(async || value(&fresh, "canary-name").await.is_ok_and(|found| found == Some(vec![2])))
            .await;
    });
}
