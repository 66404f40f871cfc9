#![deny(warnings)]

use larder::{Any, KeyPart, cached};
use serde::Serialize;
use serde::de::DeserializeOwned;

trait Table: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    fn row(id: u64) -> Self;
}

impl Table for String {
    fn row(id: u64) -> Self {
        format!("row {id}")
    }
}

impl Table for u64 {
    fn row(id: u64) -> Self {
        id
    }
}

#[cached(key = "row:<T>:<id>")]
async fn row<T: Table>(id: u64) -> T {
    T::row(id)
}

#[cached(key = "thing:<id>")]
async fn thing<K>(id: K) -> String
where
    K: KeyPart + Send + Sync + ToString,
{
    id.to_string()
}

#[cached(key = "things:<ids>")]
async fn things<K: KeyPart + Sync>(ids: &[K]) -> u64 {
    ids.len() as u64
}

#[cached(key = "chunks:<id>:<N>")]
async fn chunks<const N: usize>(id: u64) -> Vec<u64> {
    vec![id; N]
}

#[cached(key = "anything:<id>", skip(db))]
async fn anything<D: Sync>(db: &D, id: impl KeyPart + Send + Sync) -> u64 {
    let (_, _) = (db, id);
    1
}

#[tokio::main]
async fn main() {
    assert_eq!(row::<String>(1).await, "row 1");
    assert_eq!(row::<u64>(1).await, 1);
    assert_ne!(row::key::<String>(1), row::key::<u64>(1));
    assert_eq!(row::uncached::<u64>(1).await, 1);

    assert_eq!(thing(1).await, "1");
    assert_eq!(thing("a").await, "a");
    assert_eq!(thing::key("a").as_str(), "thing:a");
    assert_eq!(thing::pattern(Any).as_str(), "thing:*");

    assert_eq!(things(&[1, 2]).await, 2);
    assert_eq!(things::key(&[1, 2][..]).as_str(), "things:[1][2]");

    assert_eq!(chunks::<2>(1).await, [1, 1]);
    assert_eq!(chunks::key::<2>(1).as_str(), "chunks:1:2");

    assert_eq!(anything(&(), 1).await, 1);
    assert_eq!(anything::key(1).as_str(), "anything:1");
}
