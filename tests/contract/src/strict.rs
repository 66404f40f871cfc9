//! What a library exports, under the strictest lints: an attribute adds public items beside it. The shapes that are private
//! are in `tests/lints.rs`.
#![warn(clippy::pedantic, clippy::nursery, missing_docs, missing_debug_implementations, unreachable_pub)]

use std::io;

use larder::{cache_invalidate, cache_put, cached};

/// A name.
///
/// # Errors
///
/// For nobody.
#[cached(ttl = 300, key = "lints:name:<id>")]
pub async fn name(id: u64) -> Result<String, io::Error> {
    if id == 0 { Err(io::ErrorKind::NotFound.into()) } else { Ok(id.to_string()) }
}

/// How many there are.
#[cached]
pub async fn count(team: &str, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) -> usize {
    1
}

/// Users of one tenant.
#[derive(Clone, Debug)]
pub struct Users {
    /// Which.
    pub tenant: u64,
}

impl Users {
    /// A name.
    ///
    /// # Errors
    ///
    /// For nobody.
    ///
    /// # Panics
    ///
    /// For somebody.
    #[cached(key = "lints:users:<self.tenant>:<id>")]
    pub async fn name(&self, id: u64) -> Result<String, io::Error> {
        assert_ne!(id, 1, "somebody");
        name(id).await
    }

    /// Gives another name.
    ///
    /// # Errors
    ///
    /// Never.
    #[cache_invalidate(self.name(id), name(_))]
    pub async fn rename(&self, id: u64, name: &str) -> Result<(), io::Error> {
        let _ = name;
        Ok(())
    }

    /// Stores a name.
    #[cache_put(key = "lints:name:<id>")]
    pub async fn put(&self, id: u64, name: String) -> String {
        name
    }
}
