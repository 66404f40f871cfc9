//! Reads of Redis that are due together leave together, and nobody is worse off for his company.
//! What a verb costs alone is in `redis_costs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use cache_core::store::{Claim, Put, RemoteStore, Token};
use futures_util::future::join_all;
use larder::{Cache, ErrorKind, Redis, cached};
use tests::proxy::{Fault, Proxy};
use tests::redis::{Server, patient};
use tokio::time::timeout;

const TTL: Duration = Duration::from_secs(60);

fn name(number: u64) -> String {
    format!("shop:user:{number}")
}

fn scopes() -> [String; 2] {
    ["{larder:shop}:g:*", "{larder:shop}:g:p:user:"].map(str::to_owned)
}

/// Stores `count` values, each its own name.
async fn store(redis: &Redis, count: u64) {
    let (names, scopes): (Vec<String>, _) = ((0..count).map(name).collect(), scopes());
    let puts: Vec<Put<'_>> =
        names.iter().map(|name| Put { name, scopes: &scopes, value: name.as_bytes(), ttl: TTL }).collect();
    // The generations are there before what is stored under them.
    redis.fetch(&names[0], &scopes, None).await.unwrap();
    redis.put_many(&puts).await.unwrap();
}

/// How often `server` was told `command`.
fn calls(server: &Server, command: &str) -> u64 {
    let statistics: String = server.tell(&["INFO", "commandstats"]);
    let line = format!("cmdstat_{command}:calls=");
    let calls = statistics.lines().find_map(|said| said.strip_prefix(&line)?.split(',').next());
    calls.and_then(|calls| calls.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn reads_of_one_turn_are_one_command_and_each_gets_his_own() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let redis = patient(proxy.url());
    store(&redis, 60).await;
    let (trips, asked) = (proxy.round_trips(), calls(&server, "mget"));
    let reads = (0..60).map(|number| {
        let redis = &redis;
        async move {
            let found = redis.fetch(&name(number), &scopes(), None).await.unwrap();
            assert_eq!(found.value, Some(name(number).into_bytes()));
            assert_eq!(found.generations.len(), 2);
            assert!(found.ttl > TTL / 2 && found.ttl <= TTL, "{found:?}");
        }
    });
    join_all(reads).await;
    assert_eq!(proxy.round_trips() - trips, 1);
    assert_eq!(calls(&server, "mget") - asked, 1);
}

#[tokio::test]
async fn glances_of_one_turn_are_one_command_and_each_sees_a_value_or_nothing() {
    let server = Server::start();
    let redis = patient(server.url());
    store(&redis, 60).await;
    let claim = Claim::new(Token([1; 16]), TTL);
    redis.fetch(&name(60), &scopes(), Some(claim)).await.unwrap();
    let asked = calls(&server, "mget");
    let scopes: Arc<[String]> = scopes().into();
    // The first is never looked at again, and holds nobody up.
    drop(redis.glance(&name(0), &scopes));
    let numbers: Vec<u64> = (1..62).collect();
    let found = join_all(numbers.iter().map(|&number| redis.glance(&name(number), &scopes))).await;
    for (number, found) in numbers.into_iter().zip(found) {
        let found = found.unwrap();
        let seen = found.as_ref().map(|seen| (seen.value.clone(), seen.generations.len()));
        let value = (number < 60).then(|| (name(number).into_bytes(), 2));
        assert_eq!(seen, value, "neither a lease nor nothing is a value");
    }
    assert_eq!(calls(&server, "mget") - asked, 1);
    server.tell::<()>(&["DEL", &scopes[0]]);
    let [one, other] = [1, 2].map(|number| redis.glance(&name(number), &scopes));
    let found = timeout(TTL, one).await.expect("nobody to wait for").unwrap();
    assert_eq!(found, None, "a generation that is missing takes more than a look");
    assert_eq!(other.await.unwrap(), None);
}

/// Reads a thousand times, from a hundred tasks: how many commands that was.
async fn read_from_many_tasks(server: &Server) -> u64 {
    let redis = patient(server.url());
    store(&redis, 100).await;
    let asked = calls(server, "mget");
    let tasks = (0..100).map(|task| {
        let redis = redis.clone();
        tokio::spawn(async move {
            for call in 0..10 {
                let name = name((task + call) % 100);
                assert_eq!(redis.fetch(&name, &scopes(), None).await.unwrap().value, Some(name.into_bytes()));
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    calls(server, "mget") - asked
}

#[tokio::test]
async fn reads_of_many_tasks_are_few_commands() {
    let asked = read_from_many_tasks(&Server::start()).await;
    assert!(asked < 500, "{asked} commands for 1 000 reads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_two_threads_are_no_more_commands_than_reads() {
    let asked = read_from_many_tasks(&Server::start()).await;
    assert!(asked < 1_000, "{asked} commands for 1 000 reads");
}

#[tokio::test]
async fn claims_that_are_due_together_are_all_granted() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let redis = patient(proxy.url());
    store(&redis, 10).await;
    let before = proxy.round_trips();
    // Ten are there and twenty are not: no more than are woken at once.
    let reads = (0..30_u8).map(|number| {
        let redis = &redis;
        async move {
            let claim = Claim::new(Token([number; 16]), TTL);
            redis.fetch(&name(number.into()), &scopes(), Some(claim)).await.unwrap().value.is_some()
        }
    });
    let found = join_all(reads).await;
    assert_eq!(found.iter().filter(|found| **found).count(), 10);
    assert_eq!(proxy.round_trips() - before, 2, "one to look, and one to claim what is not there");
    for number in 10..30_u8 {
        let lease: Vec<u8> = server.tell(&["GET", &name(number.into())]);
        assert!(lease.starts_with(b"P") && lease.ends_with(&[number; 16]), "{number}");
    }
}

#[tokio::test]
async fn a_read_does_not_join_what_was_sent_before_it_began() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let redis = patient(proxy.url());
    store(&redis, 1).await;
    proxy.replies(Fault::Late(Duration::from_millis(300)));
    let asked = calls(&server, "mget");
    let early = tokio::spawn({
        let redis = redis.clone();
        async move { redis.fetch(&name(0), &scopes(), None).await.unwrap().value }
    });
    while calls(&server, "mget") == asked {
        tokio::task::yield_now().await;
    }
    // It was answered, and the answer is on its way.
    let (name, scopes) = (name(0), scopes());
    let put = Put { name: &name, scopes: &scopes, value: b"newer", ttl: TTL };
    patient(server.url()).put_many(&[put]).await.unwrap();
    let late = redis.fetch(&name, &scopes, None).await.unwrap().value;
    assert_eq!(late.as_deref(), Some(&b"newer"[..]));
    assert_eq!(early.await.unwrap(), Some(name.into_bytes()));
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nobody_along() {
    let server = Server::start();
    let redis = patient(server.url());
    store(&redis, 60).await;
    let tasks: Vec<_> = (0..60)
        .map(|number| {
            let redis = redis.clone();
            tokio::spawn(async move { redis.fetch(&name(number), &scopes(), None).await.unwrap().value })
        })
        .collect();
    // Each has asked, and the batch is not sent: its task is behind theirs.
    tokio::task::yield_now().await;
    for task in tasks.iter().step_by(2) {
        task.abort();
    }
    for (number, task) in (0..).zip(tasks) {
        match task.await {
            Ok(value) => assert_eq!(value, Some(name(number).into_bytes())),
            Err(ended) => assert!(ended.is_cancelled() && number % 2 == 0, "{number}: {ended}"),
        }
    }
}

#[tokio::test]
async fn a_caller_who_is_not_polled_holds_nobody_up() {
    let server = Server::start();
    let redis = patient(server.url());
    store(&redis, 2).await;
    let (idle_name, scopes) = (name(0), scopes());
    let mut context = Context::from_waker(Waker::noop());
    let mut idle = redis.fetch(&idle_name, &scopes, None);
    assert!(idle.as_mut().poll(&mut context).is_pending());
    // It has begun what this one joins.
    let found = timeout(TTL, redis.fetch(&name(1), &scopes, None)).await.expect("nobody to wait for");
    assert_eq!(found.unwrap().value, Some(name(1).into_bytes()));
    assert_eq!(idle.await.unwrap().value, Some(idle_name.clone().into_bytes()));

    let mut gone = redis.fetch(&idle_name, &scopes, None);
    assert!(gone.as_mut().poll(&mut context).is_pending());
    drop(gone);
    assert!(redis.fetch(&name(1), &scopes, None).await.unwrap().value.is_some(), "nor who has gone");
}

#[tokio::test]
async fn one_who_may_not_read_spoils_nothing_for_others() {
    let server = Server::start();
    let commands = ["+eval", "+evalsha", "+mget", "+set", "+getrange", "+pttl", "+pexpire", "+unlink"];
    let user =
        [&["ACL", "SETUSER", "shop", "on", ">pass", "~shop:*", "~{larder:shop}:*"][..], &commands].concat();
    server.tell::<()>(&user);
    let redis = patient(server.url_with("shop:pass"));
    store(&redis, 2).await;
    let (scopes, names) = (scopes(), [name(0), "other:1".to_owned(), name(1)]);
    let found = join_all(names.iter().map(|name| redis.fetch(name, &scopes, None))).await;
    let [first, other, last] = found.try_into().expect("three answers");
    assert_eq!(first.unwrap().value, Some(name(0).into_bytes()));
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(last.unwrap().value, Some(name(1).into_bytes()));
    // Whoever glances and sees nothing fetches.
    let scopes: Arc<[String]> = scopes.into();
    let found = join_all(names.iter().map(|name| redis.glance(name, &scopes))).await;
    assert!(found.into_iter().all(|found| found.unwrap().is_none()));
}

#[test]
fn a_runtime_that_stands_still_holds_up_nobody_elsewhere() {
    let server = Server::start();
    let redis = patient(server.url());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (still, moving) = (runtime(), runtime());
    moving.block_on(store(&redis, 1));
    // It opens a batch, and then its runtime does nothing any more.
    let (redis_of_task, scopes) = (redis.clone(), scopes());
    let asked = still.spawn(async move { redis_of_task.fetch(&name(0), &self::scopes(), None).await });
    still.block_on(tokio::task::yield_now());
    let found = moving.block_on(redis.fetch(&name(0), &scopes, None)).unwrap();
    assert_eq!(found.value, Some(name(0).into_bytes()));
    drop(still);
    drop(asked);
    assert!(moving.block_on(redis.fetch(&name(0), &scopes, None)).is_ok());
}

struct Users(Cache);

impl Users {
    #[cached(ttl = 60, key = "user:<id>", each(id in ids), skip(self), cache = self.0)]
    async fn named(&self, ids: &[u64]) -> HashMap<u64, String> {
        ids.iter().map(|id| (*id, format!("user {id}"))).collect()
    }
}

#[tokio::test]
async fn a_bulk_function_asks_and_stores_its_ids_together() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let users = || Users(Cache::builder().namespace("shop").remote(patient(proxy.url())).build());
    let (first, second) = (users(), users());
    // The scripts are known to the server from here on, and the connections are there.
    for (users, id) in [(&first, 1_000), (&second, 1_001)] {
        users.named(&[id]).await;
    }
    let ids: Vec<u64> = (0..50).collect();
    let (trips, asked) = (proxy.round_trips(), calls(&server, "mget"));
    assert_eq!(first.named(&ids).await.len(), 50);
    assert_eq!(proxy.round_trips() - trips, 3, "to look, to claim, and to store");
    assert_eq!(calls(&server, "mget") - asked, 1);

    let (trips, asked) = (proxy.round_trips(), calls(&server, "mget"));
    assert_eq!(second.named(&ids).await.len(), 50);
    assert_eq!(proxy.round_trips() - trips, 1, "another process finds them all");
    assert_eq!(calls(&server, "mget") - asked, 1);
    assert_eq!(second.0.stats().remote_hits, 50);
}
