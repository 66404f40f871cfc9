//! §3: what is stored is decided by the type; the options that have landed; methods.
#![cfg(feature = "memory")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Memory, Named, cached};

/// What a database crate's error is like: it has no trait at all.
#[derive(Debug)]
struct DbError;

static LOADS: AtomicU64 = AtomicU64::new(0);

fn load() -> u64 {
    LOADS.fetch_add(1, Ordering::SeqCst) + 1
}

async fn scoped<F: Future>(future: impl FnOnce(Cache) -> F) -> F::Output {
    let cache = Cache::builder().local(Memory::new(100)).build();
    cache.scope(future(cache.clone())).await
}

type Maybe<T> = Option<T>;
type Fallible<T> = Result<T, DbError>;

#[cached(ttl = 300, key = "whole:<id>")]
async fn whole(id: u64) -> u64 {
    id + load()
}

#[cached(ttl = 300, key = "fallible:<id>")]
async fn fallible(id: u64) -> Fallible<u64> {
    if id == 0 { Err(DbError) } else { Ok(load()) }
}

#[cached(ttl = 300, key = "maybe:<id>")]
async fn maybe(id: u64) -> Maybe<u64> {
    let made = load();
    (id != 0).then_some(made)
}

#[cached(ttl = 300, key = "both:<id>")]
async fn both(id: u64) -> Fallible<Maybe<u64>> {
    let made = load();
    match id {
        0 => Err(DbError),
        1 => Ok(None),
        _ => Ok(Some(made)),
    }
}

#[tokio::test]
async fn the_type_decides_what_is_stored() {
    scoped(|_| async {
        assert_eq!(whole(1).await, whole(1).await);

        assert_eq!(fallible(1).await.unwrap(), fallible(1).await.unwrap());
        assert!(fallible(0).await.is_err() && fallible(0).await.is_err());

        assert_eq!(maybe(1).await, maybe(1).await);
        let before = LOADS.load(Ordering::SeqCst);
        assert_eq!((maybe(0).await, maybe(0).await), (None, None));
        assert!(LOADS.load(Ordering::SeqCst) >= before + 2, "None is not stored");

        assert_eq!(both(2).await.unwrap(), both(2).await.unwrap());
        assert!(both(0).await.is_err() && both(1).await.unwrap().is_none());
    })
    .await;
}

const SHORT: Duration = Duration::from_secs(10);

#[cached(ttl = "5m", key = "ttl-text:<id>")]
async fn ttl_text(id: u64) -> u64 {
    id
}

#[cached(ttl = SHORT, key = "ttl-expression:<id>")]
async fn ttl_expression(id: u64) -> u64 {
    id
}

#[cached(ttl = |value| Duration::from_secs(*value), key = "ttl-closure:<id>")]
async fn ttl_closure(id: u64) -> Result<u64, DbError> {
    Ok(id)
}

#[cached(key = "ttl-default:<id>")]
async fn ttl_default(id: u64) -> u64 {
    id
}

#[tokio::test]
async fn the_four_forms_of_ttl() {
    let cache = Cache::builder().local(Memory::new(100)).default_ttl(Duration::from_secs(60)).build();
    cache
        .scope(async {
            let _ = (ttl_text(1).await, ttl_expression(1).await, ttl_closure(77).await, ttl_default(1).await);
            let expected = [("ttl-text:1", 300), ("ttl-expression:1", 10), ("ttl-closure:77", 77), ("ttl-default:1", 60)];
            for (key, seconds) in expected {
                let left = cache.ttl(key).await.unwrap().expect("it is stored").as_secs_f64();
                assert!(left <= f64::from(seconds) && left > f64::from(seconds) - 5.0, "{key}: {left}");
            }
        })
        .await;
}

struct Pool;

#[cached(ttl = 300, key = "skip:<id>", skip(pool))]
async fn with_pool(pool: &Pool, id: u64) -> u64 {
    let _: &Pool = pool;
    id + load()
}

/// Neither `Serialize` nor `Deserialize`: it never leaves the process.
#[derive(Clone)]
struct Handle(Arc<u64>);

#[cached(ttl = 300, key = "local:<id>", local)]
async fn handle(id: u64) -> Handle {
    let _ = id;
    Handle(Arc::new(load()))
}

struct Users {
    cache: Cache,
    tenant: String,
}

impl Users {
    #[cached(ttl = 300, key = "tenant:<self.tenant>:user:<id>", cache = self.cache)]
    async fn load(&self, id: u64) -> Result<u64, DbError> {
        let _ = id;
        Ok(load())
    }

    #[cached(ttl = 300, key = "any-tenant:<id>", skip(self), cache = self.cache)]
    async fn shared(&self, id: u64) -> Result<u64, DbError> {
        let _ = id;
        Ok(load())
    }
}

static SESSIONS: Named = Named::new("sessions");

#[cached(ttl = 300, key = "session:<id>", cache = SESSIONS)]
async fn session(id: &str) -> String {
    format!("{id} {}", load())
}

#[tokio::test]
async fn options_and_methods() {
    scoped(|_| async {
        assert_eq!(with_pool(&Pool, 1).await, with_pool(&Pool, 1).await);
        assert!(Arc::ptr_eq(&handle(1).await.0, &handle(1).await.0));
    })
    .await;

    let cache = Cache::builder().local(Memory::new(100)).build();
    let of = |tenant: &str| Users { cache: cache.clone(), tenant: tenant.to_owned() };
    let (a, b) = (of("a"), of("b"));
    assert_eq!(a.load(1).await.unwrap(), a.load(1).await.unwrap());
    assert_ne!(a.load(1).await.unwrap(), b.load(1).await.unwrap());
    assert_eq!(a.shared(1).await.unwrap(), b.shared(1).await.unwrap());
    assert_eq!(cache.stats().entries, 3);

    Cache::builder().namespace("sessions").local(Memory::new(10)).build().install_as(&SESSIONS).unwrap();
    assert_eq!(session("x").await, session("x").await);
}
