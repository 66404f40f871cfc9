//! HTTP for larder: a tower layer that caches responses (feature `layer`), and a router to look at a cache and to
//! clear it (feature `admin`).
//!
//! Users depend on `larder`, which re-exports this crate as `larder::http`. It knows `cache-core`, and no store.

#![deny(clippy::dbg_macro, clippy::print_stderr, clippy::print_stdout)]

#[cfg(feature = "admin")]
mod admin;
#[cfg(feature = "layer")]
mod layer;

#[cfg(feature = "admin")]
pub use admin::{Authorise, Bearer, Caller, Refusal, admin};
/// The crate that the admin router is a router of.
#[cfg(feature = "admin")]
pub use axum;
#[cfg(feature = "layer")]
pub use layer::{CacheLayer, CacheService, ResponseBody, ResponseFuture};
