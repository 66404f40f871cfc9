//! One shard of a cluster in trouble: it is left alone, and what the others have is had as ever. And what leaves for
//! the nodes of a cluster together. That a cluster follows failovers and moving slots is in `redis_cluster_changes`.

use std::time::Duration;

use cache_core::store::{Claim, Expect, NodeHealth, Put, RemoteStore as _, Token};
use futures_util::future::join_all;
use larder::{Ack, Cache, ErrorKind, Redis, Result};
use tests::cluster::Cluster;
use tests::log::Log;
use tests::redis::{Server, patient};
use tests::until_async;

const TTL: Duration = Duration::from_secs(300);

/// A key of the control slot, which has the generations of every scope.
const CONTROL: &str = "{larder:shop}:g:*";

/// A cluster whose shards stay where they are: nobody takes the place of one that is away.
async fn without_failover() -> Cluster {
    let stays = ["--cluster-replica-no-failover", "yes", "--cluster-require-full-coverage", "no"];
    Cluster::start_with(&stays).await
}

fn cache(redis: Redis) -> Cache {
    Cache::builder().namespace("shop").remote(redis).build()
}

async fn load(cache: &Cache, key: &str, value: u64) -> u64 {
    let loaded: Result<u64> = cache.get_or_load(key, TTL, || async { Ok(value) }).await;
    loaded.expect("the body does not fail, and nothing else is the caller's")
}

async fn nodes(cache: &Cache) -> Vec<NodeHealth> {
    cache.health().await.remote.unwrap().server.expect("some of them answer").nodes
}

/// The place of a shard without the control slot, and keys that it has, and as many that others have.
fn one_shard(cluster: &Cluster) -> (usize, Vec<String>, Vec<String>) {
    let control = cluster.holders(CONTROL, 0)[0];
    let shard = (control + 1) % 3;
    let keys = (0..200).map(|id| format!("item:{id}"));
    let (mut here, mut elsewhere): (Vec<_>, Vec<_>) =
        keys.partition(|key| cluster.holders(&format!("shop:{key}"), control)[0] == shard);
    here.truncate(30);
    elsewhere.truncate(30);
    (shard, here, elsewhere)
}

#[tokio::test]
async fn a_shard_that_hangs_is_left_alone_and_the_others_are_not() {
    let cluster = without_failover().await;
    let log = Log::of_this_thread();
    let (shard, here, elsewhere) = one_shard(&cluster);
    // Short, and longer than a busy machine keeps a healthy shard from answering.
    let hasty = Redis::builder().url(cluster.url()).read_deadline(Duration::from_millis(400));
    let (cache, other) = (cache(hasty.build().unwrap()), cache(patient(cluster.url())));
    for key in here.iter().chain(&elsewhere) {
        until_async(async || {
            load(&cache, key, 1).await == 1 && other.exists(key.as_str()).await.is_ok_and(|is| is)
        })
        .await;
    }
    assert!(cache.health().await.is_well());

    cluster.nodes[shard].stop();
    until_async(async || {
        // A body each, at the price of a deadline, until the shard is left alone.
        assert_eq!(load(&cache, &here[0], 2).await, 2);
        nodes(&cache).await.iter().any(|node| node.breaker_open)
    })
    .await;
    let before = cache.stats();
    for round in 0..20 {
        for key in &here {
            assert_eq!(load(&cache, key, 2 + round).await, 2 + round, "the body runs");
        }
        for key in &elsewhere {
            assert_eq!(load(&cache, key, 2).await, 1, "{key}: a hit");
        }
    }
    let stats = cache.stats();
    assert_eq!(stats.breaker_openings, 0, "the store as a whole is in use");
    assert!(stats.remote_skipped - before.remote_skipped >= 600, "{stats:?}");
    assert_eq!(stats.remote_errors, before.remote_errors, "nobody asks it any more");

    let health = cache.health().await;
    assert!(!health.is_well() && !health.remote.unwrap().breaker_open);
    let (away, there): (Vec<_>, Vec<_>) = nodes(&cache).await.into_iter().partition(|node| node.breaker_open);
    assert_eq!((away.len(), there.len()), (1, 2));
    assert_eq!(away[0].address, format!("127.0.0.1:{}", cluster.nodes[shard].port()));
    assert!(away[0].trouble.is_some() && away[0].room == 0, "{away:?}");
    assert!(there.iter().all(|node| node.trouble.is_none() && node.room == 10_000), "{there:?}");

    // In bulk, what is there is found; and what is not can be loaded and stored where it belongs.
    let keys: Vec<&str> = here[..10].iter().chain(&elsewhere[..10]).map(String::as_str).collect();
    let found = cache.get_many::<u64>(keys).await.unwrap();
    assert!(found[..10].iter().all(Option::is_none) && found[10..].iter().all(|value| *value == Some(1)));

    // An invalidation does not wait for the shard, and holds when it is back with what it had.
    let _ = cache.invalidate(here[0].as_str()).await.expect("it is acknowledged");
    assert_eq!(cache.owed_invalidations(), 0);
    cluster.nodes[shard].cont();
    until_async(async || cache.health().await.is_well()).await;
    for cache in [&cache, &other] {
        until_async(async || cache.exists(here[1].as_str()).await.is_ok()).await;
        assert_ne!(load(cache, &here[0], 50).await, 1, "it was invalidated");
    }
    assert_eq!(load(&other, &here[0], 51).await, 50, "and is shared again");

    let (port, text) = (cluster.nodes[shard].port().to_string(), log.text());
    let lines = text.lines().filter(|line| line.starts_with("WARN") || line.starts_with("INFO"));
    let said: Vec<&str> = lines.filter(|line| line.contains("a node of the cluster")).collect();
    assert!(said.iter().all(|line| line.contains(&port)), "{said:?}");
    let count = |what: &str| said.iter().filter(|line| line.contains(what)).count();
    assert_eq!(
        (count("is left alone"), count("cluster answers again")),
        (1, 1),
        "one line for each change: {said:?}"
    );
}

#[tokio::test]
async fn without_the_shard_that_has_the_generations_nothing_is_read_and_all_is_owed() {
    let cluster = without_failover().await;
    let control = cluster.holders(CONTROL, 0)[0];
    let cache = cache(Redis::open(cluster.url()).unwrap());
    until_async(async || load(&cache, "kept", 1).await == 1 && cache.exists("kept").await.is_ok_and(|is| is))
        .await;
    cluster.nodes[control].stop();
    until_async(async || {
        assert_eq!(load(&cache, "other", 2).await, 2);
        cache.health().await.remote.unwrap().breaker_open
    })
    .await;
    assert!(cache.invalidate("kept").await.is_err());
    assert_eq!(cache.owed_invalidations(), 1);
    cluster.nodes[control].cont();
    until_async(async || {
        assert_ne!(load(&cache, "kept", 3).await, 1);
        cache.health().await.is_well() && cache.exists("kept").await.is_ok_and(|is| is)
    })
    .await;
}

/// How often the cluster was told `command`.
fn calls(cluster: &Cluster, command: &str) -> u64 {
    let line = format!("cmdstat_{command}:calls=");
    let of_node = |node: &Server| {
        let statistics: String = node.tell(&["INFO", "commandstats"]);
        let calls = statistics.lines().find_map(|said| said.strip_prefix(&line)?.split(',').next());
        calls.and_then(|calls| calls.parse::<u64>().ok()).unwrap_or(0)
    };
    cluster.nodes.iter().map(of_node).sum()
}

#[tokio::test]
async fn reads_of_a_cluster_that_are_due_together_ask_each_node_together() {
    let cluster = Cluster::start().await;
    let proxies = cluster.behind_proxies().await;
    let redis = patient(proxies[0].url().replace("redis:", "redis+cluster:"));
    let scopes = ["{larder:shop}:g:*", "{larder:shop}:g:p:user:"].map(str::to_owned);
    let names: Vec<String> = (0..60).map(|id| format!("shop:user:{id}")).collect();
    let puts: Vec<Put<'_>> =
        names.iter().map(|name| Put { name, scopes: &scopes, value: name.as_bytes(), ttl: TTL }).collect();
    redis.fetch(&names[0], &scopes, None).await.unwrap();
    redis.put_many(&puts).await.unwrap();

    let trips = || proxies.iter().map(tests::proxy::Proxy::round_trips).sum::<u64>();
    let (asked, travelled) = (calls(&cluster, "mget"), trips());
    let reads = names.iter().map(|name| redis.fetch(name, &scopes, None));
    for (name, found) in names.iter().zip(join_all(reads).await) {
        let found = found.unwrap();
        assert_eq!((found.value.as_deref(), found.generations.len()), (Some(name.as_bytes()), 2));
    }
    // Three nodes have names, and each of these three crowds asks one of them for the generations, too.
    assert_eq!(calls(&cluster, "mget") - asked, 60 + 3 * 2, "each name, and each scope once for each node");
    assert!(trips() - travelled <= 5, "{} round trips", trips() - travelled);

    // Claims, too: each is granted, in the same round trips.
    let travelled = trips();
    let tokens: Vec<Token> = (0..60).map(|number| Token([number; 16])).collect();
    let others: Vec<String> = (0..60).map(|id| format!("shop:user:new:{id}")).collect();
    let claims = others
        .iter()
        .zip(&tokens)
        .map(|(name, token)| redis.fetch(name, &scopes, Some(Claim::new(*token, TTL))));
    for found in join_all(claims).await {
        assert_eq!(found.unwrap().value, None);
    }
    assert!(trips() - travelled <= 5, "{} round trips", trips() - travelled);
    for (name, token) in others.iter().zip(tokens) {
        let put = Put { name, scopes: &scopes, value: b"new", ttl: TTL };
        assert!(redis.publish(put, Expect::Lease(token)).await.unwrap(), "{name}");
    }
}

#[tokio::test]
async fn one_who_may_not_read_in_a_cluster_spoils_nothing_for_others() {
    let cluster = Cluster::start().await;
    for node in &cluster.nodes {
        let user = ["ACL", "SETUSER", "shop", "on", ">pass", "~shop:*", "~{larder:shop}:*", "+@all"];
        node.tell::<()>(&user);
    }
    let redis = patient(cluster.url().replace("//", "//shop:pass@"));
    let scopes = ["{larder:shop}:g:*".to_owned()];
    let names: Vec<String> =
        (0..20).map(|id| if id == 7 { "other:7".to_owned() } else { format!("shop:{id}") }).collect();
    let found = join_all(names.iter().map(|name| redis.fetch(name, &scopes, None))).await;
    for (name, found) in names.iter().zip(found) {
        assert_eq!(found.err().map(|error| error.kind()), (name == "other:7").then_some(ErrorKind::Denied));
    }
}

#[tokio::test]
async fn a_caller_in_a_cluster_that_goes_away_takes_nobody_along() {
    let cluster = Cluster::start().await;
    let redis = patient(cluster.url());
    let names: Vec<String> = (0..60).map(|id| format!("shop:{id}")).collect();
    let puts: Vec<Put<'_>> =
        names.iter().map(|name| Put { name, scopes: &[], value: name.as_bytes(), ttl: TTL }).collect();
    redis.put_many(&puts).await.unwrap();
    let tasks: Vec<_> = (names.iter().cloned())
        .map(|name| {
            let redis = redis.clone();
            tokio::spawn(async move { redis.fetch(&name, &[], None).await.unwrap().value })
        })
        .collect();
    // Each has asked, and the crowds are not sent: their tasks are behind theirs.
    tokio::task::yield_now().await;
    for task in tasks.iter().step_by(2) {
        task.abort();
    }
    for (number, task) in tasks.into_iter().enumerate() {
        match task.await {
            Ok(value) => assert_eq!(value.as_deref(), Some(names[number].as_bytes())),
            Err(ended) => assert!(ended.is_cancelled() && number % 2 == 0, "{number}: {ended}"),
        }
    }
}

#[tokio::test]
async fn an_invalidation_in_a_cluster_waits_for_the_replicas_of_every_shard_that_it_concerns() {
    let cluster = without_failover().await;
    let (shard, here, _) = one_shard(&cluster);
    let control = cluster.holders(CONTROL, 0)[0];
    let witnessed = |replicas| {
        let store = Redis::builder().url(cluster.url()).invalidate_deadline(Duration::from_secs(2));
        let store = store.read_deadline(Duration::from_secs(2)).build().unwrap();
        Cache::builder().namespace("shop").ack(Ack::Replicas(replicas)).remote(store).build()
    };
    let (one, two) = (witnessed(1), witnessed(2));
    let replica = &cluster.nodes[shard + 3];
    let slot: u64 = replica.tell(&["CLUSTER", "KEYSLOT", &format!("shop:{}", here[0])]);
    let has = || replica.tell::<Vec<String>>(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "9"]);
    for round in 0..10 {
        assert_eq!(load(&one, &here[0], round).await, round);
        until_async(async || !has().is_empty()).await;
        let _ = one.invalidate(here[0].as_str()).await.expect("each shard has a replica");
        assert_eq!(has(), [""; 0], "it has all of it");
    }
    let error = two.invalidate(here[0].as_str()).await.expect_err("none has two");
    assert!(error.to_string().contains("fewer than 2 replicas"), "{error}");
    assert_eq!(two.owed_invalidations(), 1);

    // The replica of the key's shard stands still; then that of the log's.
    for replica in [shard + 3, control + 3] {
        until_async(async || {
            load(&one, &here[0], 3).await;
            one.exists(here[0].as_str()).await.is_ok_and(|is| is)
        })
        .await;
        cluster.nodes[replica].stop();
        let error = one.invalidate(here[0].as_str()).await.expect_err("it has not heard of it");
        assert!(error.to_string().contains("fewer than 1 replicas"), "{error}");
        cluster.nodes[replica].cont();
        until_async(async || one.owed_invalidations() == 0).await;
        let _ = one.invalidate(here[0].as_str()).await.expect("all is well again");
    }
}
