//! A bulk function loads what is missing, and each id has a key, a flight and an entry of its own, which callers of
//! one id share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder::{Cache, Memory, Tag, cached};
use tests::held_store::HeldStore;
use tests::{Gate, until};
use tokio::task::JoinHandle;

/// What a load fails with.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Down;

/// An id of the application's own, that is no map key of anybody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, larder::KeyPart)]
struct Id(u64);

/// An application whose loads stop at a gate, and that notes what its bodies were asked for.
#[derive(Clone)]
struct App {
    cache: Cache,
    gate: Gate,
    asked: Arc<Mutex<Vec<Vec<u64>>>>,
    loads: Arc<AtomicU64>,
    fails: Arc<Mutex<bool>>,
}

type Values = HashMap<u64, u64>;

impl App {
    fn new(cache: Cache) -> Self {
        let app = Self {
            cache,
            gate: Gate::default(),
            asked: Arc::default(),
            loads: Arc::default(),
            fails: Arc::default(),
        };
        app.gate.open();
        app
    }

    fn held(&self) -> Self {
        Self { gate: Gate::default(), ..self.clone() }
    }

    /// What the bodies were asked for since the last time.
    fn asked(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// Values of the even ids and the odd ones below 100, each 1000 times the number of its load and its id.
    async fn source(&self, ids: &[u64]) -> Result<Values, Down> {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        self.asked.lock().unwrap().push(ids.to_vec());
        self.gate.pass().await;
        if *self.fails.lock().unwrap() {
            return Err(Down);
        }
        let there = ids.iter().filter(|&&id| id % 2 == 0 || id < 100);
        Ok(there.map(|&id| (id, 1000 * number + id)).collect())
    }

    #[cached(
        ttl = 300,
        key = "user:<id>",
        each(id in ids),
        tags = ["user:<id>", "users"],
        skip(self),
        cache = self.cache,
        shared
    )]
    async fn users(&self, ids: &[u64]) -> Result<Values, Down> {
        larder::tag("learned");
        self.source(ids).await
    }

    #[cached(ttl = 300, key = "user:<id>", tags = ["user:<id>", "users"], skip(self), cache = self.cache, shared)]
    async fn user(&self, id: u64) -> Result<u64, Down> {
        self.source(&[id]).await?.remove(&id).ok_or(Down)
    }

    /// As plain as can be, with an argument that is moved, and remembering what is not there.
    #[cached(ttl = 300, none_ttl = 300, key = "name:<locale>:<id>", each(id in ids), skip(self), cache = self.cache)]
    async fn names(&self, ids: &[Id], locale: String) -> HashMap<Id, String> {
        let plain: Vec<u64> = ids.iter().map(|id| id.0).collect();
        let found = self.source(&plain).await.unwrap_or_default();
        found.into_iter().map(|(id, value)| (Id(id), format!("{locale}{value}"))).collect()
    }

    #[cached(
        ttl = |value| Duration::from_secs(*value),
        unless = |value| value % 2 == 1,
        key = "text:<id>",
        each(id in ids),
        skip(self),
        local,
        cache = self.cache
    )]
    async fn by_text(&self, ids: &[&str]) -> HashMap<String, u64> {
        let plain: Vec<u64> = ids.iter().map(|id| id.len() as u64).collect();
        let found = self.source(&plain).await.unwrap_or_default();
        ids.iter().filter_map(|id| Some(((*id).to_owned(), *found.get(&(id.len() as u64))?))).collect()
    }

    fn spawn_users(&self, ids: &'static [u64]) -> JoinHandle<Result<Values, Down>> {
        let app = self.clone();
        tokio::spawn(async move { app.users(ids).await })
    }

    fn spawn_user(&self, id: u64) -> JoinHandle<Result<u64, Down>> {
        let app = self.clone();
        tokio::spawn(async move { app.user(id).await })
    }

    async fn joined(&self, joins: u64) {
        until(|| self.cache.stats().joins >= joins).await;
    }

    fn landed(&self) -> bool {
        format!("{:?}", self.cache).contains("aloft: 0")
    }
}

fn in_memory() -> Cache {
    Cache::builder().local(Memory::new(1000)).build()
}

fn near() -> Cache {
    Cache::builder().local(Memory::new(1000)).remote(HeldStore::open()).build()
}

fn shared() -> Cache {
    Cache::builder().remote(HeldStore::open()).build()
}

const BACKENDS: [fn() -> Cache; 3] = [in_memory, near, shared];
const LOCAL: [fn() -> Cache; 2] = [in_memory, near];

/// What a bulk call returns.
fn values<const N: usize>(of: [(u64, u64); N]) -> Values {
    of.into()
}

#[tokio::test]
async fn the_body_gets_the_missing_ids_in_the_callers_order_and_as_often() {
    for build in LOCAL {
        let app = App::new(build());
        assert_eq!(app.users(&[3, 1]).await, Ok(values([(3, 1003), (1, 1001)])));
        assert_eq!(
            app.users(&[9, 1, 7, 9, 3, 5]).await,
            Ok(values([(9, 2009), (1, 1001), (7, 2007), (3, 1003), (5, 2005)]))
        );
        assert_eq!(app.asked(), [vec![3, 1], vec![9, 7, 9, 5]]);
        assert_eq!(app.users(&[1, 3, 5, 7, 9]).await.unwrap().len(), 5);
        assert_eq!(app.users(&[]).await, Ok(values([])));
        assert_eq!(app.asked(), Vec::<Vec<u64>>::new(), "the body does not run for nothing");
        let stats = app.cache.stats();
        assert_eq!((stats.loads, stats.misses, stats.local_hits), (2, 5, 7));
        assert!(app.landed());
    }
}

#[tokio::test]
async fn one_and_many_share_entries_and_invalidations() {
    for build in LOCAL {
        let app = App::new(build());
        assert_eq!(app.users(&[1, 2]).await, Ok(values([(1, 1001), (2, 1002)])));
        assert_eq!(app.user(1).await, Ok(1001));
        assert_eq!(app.user(3).await, Ok(2003));
        assert_eq!(app.users(&[1, 2, 3]).await, Ok(values([(1, 1001), (2, 1002), (3, 2003)])));

        app.cache.invalidate("user:1").await.unwrap();
        assert_eq!(app.users(&[1, 2, 3]).await, Ok(values([(1, 3001), (2, 1002), (3, 2003)])));
        app.cache.invalidate(Tag::from("user:2")).await.unwrap();
        assert_eq!(app.users(&[1, 2, 3]).await, Ok(values([(1, 3001), (2, 4002), (3, 2003)])));
        app.cache.invalidate(Tag::from("learned")).await.unwrap();
        assert_eq!(app.users(&[1, 2, 3]).await, Ok(values([(1, 5001), (2, 5002), (3, 2003)])));
        app.cache.invalidate("user:*").await.unwrap();
        assert_eq!(app.users(&[1, 2, 3]).await, Ok(values([(1, 6001), (2, 6002), (3, 6003)])));
    }
}

#[tokio::test]
async fn one_and_many_join_each_others_loads() {
    for build in BACKENDS {
        let app = App::new(build());
        let held = app.held();
        let many = held.spawn_users(&[1, 2, 3]);
        held.gate.arrived(1).await;
        let one = held.spawn_user(2);
        let other = held.spawn_users(&[4, 3]);
        held.gate.arrived(2).await;
        app.joined(2).await;
        held.gate.open();
        assert_eq!(many.await.unwrap(), Ok(values([(1, 1001), (2, 1002), (3, 1003)])));
        assert_eq!(one.await.unwrap(), Ok(1002));
        assert_eq!(other.await.unwrap(), Ok(values([(4, 2004), (3, 1003)])));
        assert_eq!(app.asked(), [vec![1, 2, 3], vec![4]]);
        assert!(app.landed());
    }
}

#[tokio::test]
async fn two_that_want_the_same_in_opposite_orders_do_not_wait_for_ever() {
    for build in BACKENDS {
        let app = App::new(build());
        let readers: Vec<_> = (0..20)
            .map(|at| app.spawn_users(if at % 2 == 0 { &[1, 2, 3, 4, 5] } else { &[5, 4, 3, 2, 1] }))
            .collect();
        for reader in readers {
            assert_eq!(reader.await.unwrap().unwrap().len(), 5);
        }
        assert!(app.landed());
    }
}

#[tokio::test]
async fn a_dropped_bulk_load_hands_its_ids_over() {
    for build in BACKENDS {
        let app = App::new(build());
        let held = app.held();
        let first = held.spawn_users(&[1, 2, 3]);
        held.gate.arrived(1).await;
        let (one, many) = (held.spawn_user(1), held.spawn_users(&[2, 3]));
        app.joined(3).await;
        first.abort();
        held.gate.open();
        assert!(one.await.unwrap().is_ok());
        assert_eq!(many.await.unwrap().unwrap().len(), 2);
        assert!(app.landed());
    }
}

#[tokio::test]
async fn an_error_stores_nothing_and_reaches_those_who_wait() {
    for build in BACKENDS {
        let app = App::new(build());
        let held = app.held();
        *app.fails.lock().unwrap() = true;
        let many = held.spawn_users(&[1, 2]);
        held.gate.arrived(1).await;
        let one = held.spawn_user(2);
        app.joined(1).await;
        held.gate.open();
        assert_eq!((many.await.unwrap(), one.await.unwrap()), (Err(Down), Err(Down)));
        assert_eq!(app.asked(), [vec![1, 2]]);
        for key in ["user:1", "user:2"] {
            assert!(!app.cache.exists(key).await.unwrap());
        }
        *app.fails.lock().unwrap() = false;
        assert_eq!(app.users(&[1, 2]).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn ids_that_are_not_there_are_asked_for_again_unless_that_is_remembered() {
    for build in BACKENDS {
        let app = App::new(build());
        assert_eq!(app.users(&[101, 102]).await, Ok(values([(102, 1102)])));
        app.asked();
        let _ = app.users(&[101]).await;
        assert_eq!(app.asked(), [vec![101]]);

        let ids = [Id(101), Id(102)];
        let there = app.names(&ids, "de".to_owned()).await;
        assert_eq!(there.keys().collect::<Vec<_>>(), [&Id(102)]);
        app.asked();
        assert_eq!(app.names(&ids, "de".to_owned()).await, there);
        assert!(app.asked().is_empty());
        assert_ne!(app.names(&ids, "fr".to_owned()).await, there);
    }
}

#[tokio::test]
async fn borrowed_ids_and_what_the_value_decides() {
    let app = App::new(in_memory());
    let found = app.by_text(&["a", "bb"]).await;
    assert_eq!((found["a"], found["bb"]), (1001, 1002));
    let again = app.by_text(&["a", "bb"]).await;
    assert_eq!((again["a"], again["bb"]), (2001, 1002), "odd values are not kept");
    assert_eq!(app.cache.ttl("text:bb").await.unwrap().map(|ttl| ttl.as_secs()), Some(1001));
}

#[tokio::test]
async fn an_invalidation_overtakes_a_bulk_load() {
    for build in BACKENDS {
        for target in ["user:1", "user:*"] {
            let app = App::new(build());
            let held = app.held();
            let many = held.spawn_users(&[1, 2]);
            held.gate.arrived(1).await;
            app.cache.invalidate(target).await.unwrap();
            assert_eq!(app.user(1).await, Ok(2001), "it is not joined");
            held.gate.open();
            assert_eq!(many.await.unwrap(), Ok(values([(1, 1001), (2, 1002)])));
            assert_eq!(app.user(1).await, Ok(2001), "nor stored");
        }
    }
}

#[tokio::test]
async fn a_refresh_loads_all_and_a_bulk_call_in_its_own_load_does_not_wait_for_itself() {
    let app = App::new(in_memory());
    assert_eq!(app.users(&[1, 2]).await, Ok(values([(1, 1001), (2, 1002)])));
    assert_eq!(app.users_refresh(&[1, 2]).await, Ok(values([(1, 2001), (2, 2002)])));
    assert_eq!(app.users(&[1, 2]).await, Ok(values([(1, 2001), (2, 2002)])));
    app.cache.set_enabled(false);
    assert_eq!(app.users(&[1, 2]).await, Ok(values([(1, 3001), (2, 3002)])));
}

#[tokio::test]
async fn another_process_has_what_was_loaded_here() {
    let store = HeldStore::open();
    let process = || App::new(Cache::builder().local(Memory::new(100)).remote(store.clone()).build());
    let (here, there) = (process(), process());
    let ids = [Id(1), Id(2), Id(101)];
    let loaded = here.names(&ids, "de".to_owned()).await;
    assert_eq!(loaded.len(), 2);
    assert_eq!(there.names(&ids, "de".to_owned()).await, loaded);
    assert!(there.asked().is_empty());
    assert_eq!(there.cache.stats().remote_hits, 3);
    here.cache.delete("name:de:1").await.unwrap();
    let third = process();
    assert_eq!(third.names(&ids, "de".to_owned()).await.len(), 2);
    assert_eq!(third.asked(), [vec![1]]);
}
