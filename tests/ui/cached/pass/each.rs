#![deny(warnings)]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use larder::{Cache, KeyPart, Memory, cached};

#[derive(Debug)]
struct DbError;

/// Needs no serde: what is stored are the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, KeyPart)]
struct Id(u64);

/// A connection that is passed by value.
#[derive(Clone)]
struct Db;

#[cached(key = "a:<id>", ttl = 300, each(id in ids))]
async fn plain(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(key = "b:<id>:<locale>", ttl = |value| Duration::from_secs(*value), none_ttl = 5, unless = |value| *value == 0, tags = ["b:<id>", "all"], skip(db), each(id in ids))]
async fn with_options(db: Db, ids: &[Id], locale: &str) -> Result<HashMap<Id, u64>, DbError> {
    let Db = db;
    if locale.is_empty() { Err(DbError) } else { Ok(ids.iter().map(|id| (*id, id.0)).collect()) }
}

#[cached(key = "c:<id>", local, each(id in names))]
async fn borrowed_ids(names: &[&str]) -> HashMap<String, usize, BuildHasherDefault<DefaultHasher>> {
    names.iter().map(|name| ((*name).to_owned(), name.len())).collect()
}

#[cached(key = "a:<id>", shared)]
async fn one(id: u64) -> u64 {
    id
}

#[derive(Clone)]
struct App {
    cache: Cache,
}

impl App {
    #[cached(key = "d:<id>", skip(self), cache = self.cache, when = !ids.is_empty(), each(id in ids))]
    async fn method(&self, ids: &[u64]) -> HashMap<u64, u64> {
        plain(ids).await
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main]
async fn main() {
    assert_eq!(is_send(plain(&[1, 2, 1])).await.len(), 2);
    assert_eq!(one(1).await, 1);
    assert_eq!(is_send(with_options(Db, &[Id(1)], "de")).await.unwrap()[&Id(1)], 1);
    assert!(with_options(Db, &[Id(2)], "").await.is_err());
    assert_eq!(borrowed_ids(&["a"]).await["a"], 1);
    let app = App { cache: Cache::builder().local(Memory::new(10)).build() };
    assert_eq!(is_send(app.method(&[1])).await[&1], 1);
    assert_eq!(plain::key(1), "a:1".into());
    assert_eq!(plain::refresh(&[3]).await[&3], 3);
    assert_eq!(plain::uncached(&[4]).await[&4], 4);
}
