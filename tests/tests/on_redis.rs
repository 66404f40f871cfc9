//! The same functions on a real Redis, alone and under a near cache: what they promise holds there too, and
//! no trouble of the server ever becomes the caller's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use larder::{Cache, ErrorKind, Memory, Redis, cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use tests::redis::{Server, patient};
use tests::{Gate, until_async};

const TTL: Duration = Duration::from_secs(300);
const STALENESS: Duration = Duration::from_millis(400);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    load: u64,
}

/// Has no trait but the one that tests print it by.
#[derive(Debug)]
struct DbError;

#[derive(Clone, Default)]
struct Db {
    gate: Gate,
    loads: Arc<AtomicU64>,
}

impl Db {
    fn open() -> Self {
        let db = Self::default();
        db.gate.open();
        db
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }
}

/// A repository as an application has one, over whichever cache it is given.
#[derive(Clone)]
struct Users {
    cache: Cache,
    db: Db,
}

impl Users {
    #[cached(ttl = 300, key = "user:<id>", skip(self), cache = self.cache)]
    async fn get(&self, id: u64) -> Result<User, DbError> {
        let load = self.db.loads.fetch_add(1, Ordering::SeqCst) + 1;
        self.db.gate.pass().await;
        if id == 0 { Err(DbError) } else { Ok(User { id, load }) }
    }

    #[cached(ttl = 300, key = "maybe:<id>", skip(self), none_ttl = "1m", cache = self.cache)]
    async fn maybe(&self, id: u64) -> Result<Option<User>, DbError> {
        let load = self.db.loads.fetch_add(1, Ordering::SeqCst) + 1;
        Ok((id != 0).then_some(User { id, load }))
    }

    #[cache_invalidate("user:*", cache = self.cache)]
    async fn import(&self) {}

    #[cache_invalidate("user:<id>", cache = self.cache)]
    async fn update(&self, id: u64) {
        let _ = id;
    }
}

/// A Redis that waits for a busy machine, where deadlines are not what a test is about.
fn remote_only(server: &Server) -> Cache {
    Cache::builder().namespace("shop").remote(patient(server.url())).build()
}

fn tiered(server: &Server) -> Cache {
    near(patient(server.url()))
}

/// A Redis with the deadlines that everybody has.
fn hasty_remote_only(server: &Server) -> Cache {
    Cache::builder().namespace("shop").remote(Redis::open(server.url()).unwrap()).build()
}

fn hasty_tiered(server: &Server) -> Cache {
    near(Redis::open(server.url()).unwrap())
}

fn near(redis: Redis) -> Cache {
    Cache::builder().namespace("shop").local(Memory::new(1000)).remote(redis).max_staleness(STALENESS).build()
}

fn bytes(server: &Server, name: &str) -> Vec<u8> {
    server.tell(&["GET", name])
}

type Build = fn(&Server) -> Cache;

const BACKENDS: [Build; 2] = [remote_only, tiered];

const HASTY: [Build; 2] = [hasty_remote_only, hasty_tiered];

/// Far longer than the deadlines of one call, and far shorter than what a client without them waits.
const BOUNDED: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_value_is_stored_and_shared_between_processes() {
    let server = Server::start();
    for build in BACKENDS {
        // Two caches over one server are what two processes are.
        let (here, there) = (
            Users { cache: build(&server), db: Db::open() },
            Users { cache: build(&server), db: Db::open() },
        );
        let value = here.get(1).await.unwrap();
        assert_eq!(here.get(1).await.unwrap(), value);
        assert_eq!(there.get(1).await.unwrap(), value, "loaded by the other");
        assert_eq!((here.db.loads(), there.db.loads()), (1, 0));
        assert_eq!(here.cache.get::<User>("user:1").await.unwrap(), Some(value));
        assert!(here.get(0).await.is_err() && here.get(0).await.is_err(), "an error is not stored");
        assert_eq!((here.maybe(0).await.unwrap(), there.maybe(0).await.unwrap()), (None, None));
        assert_eq!(there.db.loads(), 0, "a remembered None is shared");
        let _ = here.cache.clear().await.unwrap();
    }
}

#[tokio::test]
async fn an_invalidation_wins_over_stored_values_and_loads_in_flight() {
    let server = Server::start();
    for build in BACKENDS {
        for pattern in [true, false] {
            let users = Users { cache: build(&server), db: Db::default() };
            let before = tokio::spawn({
                let users = users.clone();
                async move { users.get(1).await.unwrap() }
            });
            users.db.gate.arrived(1).await;
            if pattern {
                users.import().await;
            } else {
                users.update(1).await;
            }
            users.db.gate.open();
            assert_eq!(before.await.unwrap().load, 1, "who waited before gets the old value");
            assert_eq!(users.get(1).await.unwrap().load, 2, "the late value was stored nowhere");
            assert_eq!(users.get(1).await.unwrap().load, 2);

            // And a process that has never seen the key finds nothing older.
            let other = Users { cache: build(&server), db: Db::open() };
            assert_eq!(other.get(1).await.unwrap().load, 2);
            if pattern {
                other.import().await;
            } else {
                other.update(1).await;
            }
            let fresh = Users { cache: build(&server), db: Db::open() };
            assert_eq!((fresh.get(1).await.unwrap().load, fresh.db.loads()), (1, 1));
            let _ = users.cache.clear().await.unwrap();
        }
    }
}

#[tokio::test]
async fn another_process_sees_an_invalidation_within_the_staleness_bound() {
    let server = Server::start();
    let (here, there) =
        (Users { cache: tiered(&server), db: Db::open() }, Users { cache: tiered(&server), db: Db::open() });
    here.get(1).await.unwrap();
    there.get(1).await.unwrap();
    for _ in 0..5 {
        here.update(1).await;
        let acknowledged = Instant::now();
        let new = here.get(1).await.unwrap();
        loop {
            let asked = acknowledged.elapsed();
            let seen = there.get(1).await.unwrap();
            if seen == new {
                break;
            }
            assert!(asked <= STALENESS, "a read that began {asked:?} after the acknowledgement saw {seen:?}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn one_value_is_stored_for_a_thousand_callers() {
    let server = Server::start();
    for build in BACKENDS {
        let users = Users { cache: build(&server), db: Db::default() };
        let readers: Vec<_> = (0..1000)
            .map(|_| {
                let users = users.clone();
                tokio::spawn(async move { users.get(1).await.unwrap() })
            })
            .collect();
        users.db.gate.arrived(1).await;
        tests::until(|| users.cache.stats().joins >= 999).await;
        users.db.gate.open();
        for reader in readers {
            assert_eq!(reader.await.unwrap().load, 1);
        }
        let _ = users.cache.clear().await.unwrap();
    }
}

#[tokio::test]
async fn namespaces_leave_each_other_alone() {
    let server = Server::start();
    let of = |name: &str| Cache::builder().namespace(name).remote(patient(server.url())).build();
    let (shop, blog) = (of("shop"), of("blog"));
    shop.set("n", &1_u64, TTL).await.unwrap();
    blog.set("n", &2_u64, TTL).await.unwrap();
    assert_eq!(shop.get::<u64>("n").await.unwrap(), Some(1));
    shop.invalidate("*").await.unwrap();
    shop.clear().await.unwrap();
    assert_eq!(shop.get::<u64>("n").await.unwrap(), None);
    assert_eq!(blog.get::<u64>("n").await.unwrap(), Some(2));
}

#[tokio::test]
async fn the_manual_api() {
    let server = Server::start();
    for build in BACKENDS {
        let cache = build(&server);
        assert_eq!(cache.get::<u64>("n").await.unwrap(), None);
        cache.set("n", &1_u64, TTL).await.unwrap();
        assert_eq!(cache.get::<u64>("n").await.unwrap(), Some(1));
        assert_eq!(cache.get::<String>("n").await.unwrap(), None, "another type is a miss");
        assert_eq!(build(&server).get::<u64>("n").await.unwrap(), Some(1), "another process");
        assert!(!cache.set_if_absent("n", &2_u64, TTL).await.unwrap());
        assert!(!cache.set_if_absent("n", &"text".to_owned(), TTL).await.unwrap(), "whatever its type");
        assert!(cache.set_if_absent("m", &2_u64, TTL).await.unwrap());
        cache.set_many([("a", &3_u64), ("b", &4)], TTL).await.unwrap();
        let many = cache.get_many::<u64>(["n", "m", "x", "a", "b"]).await.unwrap();
        assert_eq!(many, [Some(1), Some(2), None, Some(3), Some(4)]);
        assert_eq!(build(&server).get_many::<u64>(["a", "x", "b"]).await.unwrap(), [Some(3), None, Some(4)]);

        assert!(cache.exists("a").await.unwrap());
        let left = cache.ttl("a").await.unwrap().unwrap();
        assert!(left <= TTL && left + Duration::from_secs(10) > TTL, "{left:?}");
        assert!(cache.expire("a", Duration::from_secs(10)).await.unwrap());
        assert!(cache.ttl("a").await.unwrap().unwrap() <= Duration::from_secs(10));
        assert!(!cache.expire("x", TTL).await.unwrap());
        assert!(cache.delete("a").await.unwrap());
        assert!(!cache.delete("a").await.unwrap());
        assert!(!cache.exists("a").await.unwrap());

        cache.set("user:1:a", &5_u64, TTL).await.unwrap();
        for pattern in ["us*", "*:a", "user:*:a", "user:1:*", "*"] {
            cache.set("user:1:a", &5_u64, TTL).await.unwrap();
            let _ = cache.invalidate(pattern).await.unwrap();
            assert_eq!(cache.get::<u64>("user:1:a").await.unwrap(), None, "{pattern}");
            assert_eq!(build(&server).get::<u64>("user:1:a").await.unwrap(), None, "{pattern} elsewhere");
        }
        assert_eq!(cache.get::<u64>("n").await.unwrap(), None, "`*` was everything");
    }
}

#[tokio::test]
async fn concurrent_set_if_absent_has_one_winner() {
    let server = Server::start();
    for build in BACKENDS {
        for round in 0..20 {
            let key = format!("once:{round}");
            let attempts: Vec<_> = (0..8_u64)
                .map(|n| {
                    let (cache, key) = (build(&server), key.clone());
                    tokio::spawn(async move { cache.set_if_absent(key, &n, TTL).await.unwrap() })
                })
                .collect();
            let mut winners = Vec::new();
            for (n, attempt) in (0..8_u64).zip(attempts) {
                if attempt.await.unwrap() {
                    winners.push(n);
                }
            }
            assert_eq!(winners.len(), 1, "{winners:?}");
            assert_eq!(build(&server).get::<u64>(key).await.unwrap(), Some(winners[0]));
        }
        let _ = build(&server).clear().await.unwrap();
    }
}

#[tokio::test]
async fn whatever_is_under_a_key_that_is_no_entry_is_a_miss_and_overwritten() {
    let server = Server::start();
    let users = Users { cache: remote_only(&server), db: Db::open() };
    users.get(1).await.unwrap();
    let sound = bytes(&server, "shop:user:1");
    let mut flipped = sound.clone();
    *flipped.last_mut().unwrap() ^= 1;
    users.cache.set("user:1", &"of another type".to_owned(), TTL).await.unwrap();
    let foreign = bytes(&server, "shop:user:1");
    users.cache.set("user:2", &User { id: 2, load: 0 }, TTL).await.unwrap();
    let of_another_key = bytes(&server, "shop:user:2");

    let garbage: [(&str, Vec<u8>); 8] = [
        ("nothing", Vec::new()),
        ("one byte", b"V".to_vec()),
        (
            "text",
            b"not an entry at all, and longer than any header would be, which is a good deal of bytes"
                .to_vec(),
        ),
        ("cut short", sound[..sound.len() / 2].to_vec()),
        ("a flipped bit", flipped),
        ("another type", foreign),
        ("another key's entry", of_another_key),
        ("random", (0..200_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
    ];
    for (what, bytes) in garbage {
        // Also where there is a generation to be minted, which another script does.
        for minted in [false, true] {
            let () = server.ask(redis::cmd("SET").arg("shop:user:1").arg(&bytes));
            if minted {
                server.tell::<u64>(&["DEL", "{larder:shop}:g:*"]);
            }
            let (loads, refusals) = (users.db.loads(), users.cache.stats().remote_refusals);
            let value = users.get(1).await.unwrap();
            assert_eq!(users.db.loads(), loads + 1, "{what} is a miss");
            assert_eq!(users.cache.stats().remote_refusals, refusals + 1, "{what} is counted");
            assert_eq!(users.get(1).await.unwrap(), value, "{what} is overwritten");
            assert_eq!(users.db.loads(), loads + 1, "{what} is overwritten");
        }
    }
}

#[tokio::test]
async fn a_value_of_another_redis_type_is_a_miss() {
    let server = Server::start();
    let users = Users { cache: remote_only(&server), db: Db::open() };
    let _: u64 = server.tell(&["LPUSH", "shop:user:1", "x"]);
    assert_eq!(users.get(1).await.unwrap().load, 1, "the body runs");
}

#[tokio::test]
async fn redis_stopped_in_mid_run_fails_no_call_and_is_used_again_when_it_is_back() {
    for build in HASTY {
        let mut server = Server::start();
        let users = Users { cache: build(&server), db: Db::open() };
        users.get(1).await.unwrap();

        server.kill();
        for id in 1..20 {
            let asked = Instant::now();
            users.get(id).await.expect("no call fails");
            assert!(asked.elapsed() < BOUNDED, "{:?}", asked.elapsed());
        }
        assert!(users.cache.stats().remote_errors > 0);

        server.restart_empty();
        until_async(async || {
            let loads = users.db.loads();
            users.get(1000).await.unwrap();
            let other = Users { cache: build(&server), db: Db::open() };
            other.get(1000).await.unwrap();
            users.db.loads() == loads && other.db.loads() == 0
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_that_hangs_costs_its_deadline_and_no_more() {
    let server = Server::start();
    let users = Users { cache: hasty_remote_only(&server), db: Db::open() };
    users.get(1).await.unwrap();
    server.stop();
    for id in 1..5 {
        let asked = Instant::now();
        users.get(id).await.expect("no call fails");
        assert!(asked.elapsed() < BOUNDED, "{:?}", asked.elapsed());
    }
    assert!(users.cache.stats().remote_timeouts > 0);
    server.cont();
    until_async(async || {
        let loads = users.db.loads();
        users.get(7).await.unwrap();
        users.db.loads() == loads
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_that_redis_did_not_hear_of_is_delivered_before_redis_is_read_again() {
    for build in HASTY {
        let mut server = Server::start_durable();
        let users = Users { cache: build(&server), db: Db::open() };
        assert_eq!(users.get(1).await.unwrap().load, 1);
        server.kill();
        users.update(1).await;
        assert_eq!(users.cache.owed_invalidations(), 1);
        let error = users.cache.invalidate("user:2").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error:?}");
        assert!(users.get(1).await.unwrap().load > 1, "nothing older while it is away");

        server.restart();
        until_async(async || {
            assert!(users.get(1).await.unwrap().load > 1, "nothing older when it is back");
            users.cache.owed_invalidations() == 0
        })
        .await;
        let other = Users { cache: build(&server), db: Db::open() };
        other.get(1).await.unwrap();
        assert!(!bytes(&server, "shop:user:1").is_empty(), "and it is in use again");
    }
}
