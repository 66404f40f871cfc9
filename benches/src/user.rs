//! The value that every subject caches, and where it is loaded from.

use std::future;

use serde::{Deserialize, Serialize};

/// A value of the usual kind: a few words, and a string on the heap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who.
    pub id: u64,
    /// Ten bytes or so on the heap.
    pub name: String,
    /// Four words in place.
    pub scores: [u64; 4],
}

/// Stands for the database. Never slow: what is measured is the cache.
pub fn load(id: u64) -> impl Future<Output = User> + Send {
    future::ready(User { id, name: format!("user {id}"), scores: [id, id + 1, id + 2, id + 3] })
}
