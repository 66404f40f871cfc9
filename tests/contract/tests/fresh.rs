//! §3: when a value is computed (`stale`, `stale_if`, `timeout`, `early`), and many at once (`each`).
#![cfg(feature = "memory")]

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use larder::{Cache, Memory, cached};

/// What a database crate's error is like: neither `Clone` nor `Sync`.
#[derive(Debug)]
struct DbError {
    temporary: Cell<bool>,
}

/// A database that counts, and that can be told to fail.
#[derive(Clone, Default)]
struct Db {
    queries: Arc<AtomicU64>,
    down: Arc<AtomicBool>,
}

impl Db {
    async fn query(&self) -> Result<u64, DbError> {
        let query = self.queries.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        if self.down.load(Ordering::SeqCst) {
            Err(DbError { temporary: Cell::new(true) })
        } else {
            Ok(query)
        }
    }
}

/// Over as soon as it is stored.
const AT_ONCE: Duration = Duration::from_nanos(1);

#[cached(
    ttl = AT_ONCE,
    stale = "5m",
    stale_if = |error| error.temporary.get(),
    key = "user:<id>",
    skip(db)
)]
async fn user(db: &Db, id: u64) -> Result<u64, DbError> {
    let _ = id;
    db.query().await
}

#[cached(ttl = AT_ONCE, stale = "5m", timeout = "5s", key = "patient:<id>", skip(db))]
async fn patient(db: &Db, id: u64) -> Result<u64, DbError> {
    let _ = id;
    db.query().await
}

#[cached(ttl = "1h", early = true, key = "early:<id>", skip(db))]
async fn early(db: &Db, id: &str) -> Result<u64, DbError> {
    let _ = id;
    db.query().await
}

#[cached(ttl = 300, key = "team:<id>", each(id in ids), skip(db), shared)]
async fn teams(db: &Db, ids: &[u64]) -> Result<HashMap<u64, u64>, DbError> {
    let query = db.query().await?;
    Ok(ids.iter().map(|id| (*id, query)).collect())
}

#[cached(ttl = 300, key = "team:<id>", skip(db), shared)]
async fn team(db: &Db, id: u64) -> Result<u64, DbError> {
    let _ = id;
    db.query().await
}

async fn scoped<F: Future>(future: impl FnOnce(Cache) -> F) -> F::Output {
    let cache = Cache::builder().local(Memory::new(100)).build();
    cache.scope(future(cache.clone())).await
}

#[tokio::test]
async fn an_old_value_is_served_while_it_is_refreshed() {
    scoped(|cache| async move {
        let db = Db::default();
        assert_eq!(user(&db, 1).await.unwrap(), 1);
        assert_eq!(user(&db, 1).await.unwrap(), 1);
        while cache.stats().refreshes < 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(user(&db, 1).await.unwrap(), 2);
        assert!(cache.stats().stale_hits >= 2);
    })
    .await;
}

#[tokio::test]
async fn an_old_value_is_served_while_the_database_is_down_unless_it_was_invalidated() {
    scoped(|cache| async move {
        let db = Db::default();
        assert_eq!(user(&db, 1).await.unwrap(), 1);
        db.down.store(true, Ordering::SeqCst);
        for _ in 0..10 {
            assert_eq!(user(&db, 1).await.unwrap(), 1);
        }
        while cache.stats().refreshes < 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(user(&db, 1).await.unwrap(), 1);
        cache.invalidate(user::key(1)).await.unwrap();
        assert!(user(&db, 1).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_timeout_prefers_the_new_value() {
    scoped(|_| async {
        let db = Db::default();
        for query in 1..5 {
            assert_eq!(patient(&db, 1).await.unwrap(), query);
        }
        db.down.store(true, Ordering::SeqCst);
        assert_eq!(patient(&db, 1).await.unwrap(), 4);
    })
    .await;
}

#[tokio::test]
async fn an_early_refresh_comes_near_the_end_only() {
    scoped(|_| async {
        let db = Db::default();
        for _ in 0..100 {
            assert_eq!(early(&db, "a").await.unwrap(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn many_at_once() {
    scoped(|cache| async move {
        let db = Db::default();
        assert_eq!(team(&db, 1).await.unwrap(), 1);
        let found = teams(&db, &[1, 2, 3]).await.unwrap();
        assert_eq!((found[&1], found[&2], found[&3]), (1, 2, 2));
        assert_eq!(team(&db, 2).await.unwrap(), 2);
        cache.invalidate(teams::key(3)).await.unwrap();
        let found = teams(&db, &[1, 2, 3]).await.unwrap();
        assert_eq!((found[&1], found[&2], found[&3]), (1, 2, 3));
    })
    .await;
}
