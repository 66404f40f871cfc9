//! How invalidation wins across processes, as a model small enough to try everything that can happen in it.
//! The protocol only: nothing here is run by a cache, and no code of the caches is used here.
//!
//! There is one key, covered by itself, by a tag and by everything. *p* invalidates it, once; p and *q* read it.
//! Two servers, or one that does the work of both, hold the value and the control data, each with a copy that lags
//! behind: a replica or a file on disk, which it falls back to when it fails. A [`Scope`] says what may happen in a
//! search; [`search()`] does all of it, in every order, and returns the shortest way to a [`World`] in which a
//! [`Promise`] is broken. Without a [`Fault`] there must be none, and with any of them there must be one: a search
//! that never found anything proves nothing.
//!
//! | promise | a read that begins | never returns what was loaded before the shared copies were killed |
//! |---|---|---|
//! | P1 | in p, when the invalidation has returned | even if the servers could not be reached |
//! | P2 | in q, Δ after the acknowledgement | |
//! | P3 | in q, with the ticket of the invalidation | without waiting for Δ |
//!
//! There is no clock. Who reads Δ after the acknowledgement may be served what was known to be current Δ before, so
//! all that counts of a moment is whether it came *after the acknowledgement*: the field `after`, wherever it stands.
//!
//! To be read in this order: [`world`], what there is; [`server`] and `script`, what a server does in one
//! step; `invalidate`, `flight`, `feed` and `put`, what processes do, and `disaster`, what happens to servers;
//! [`fault`], what each of the steps is for. [`fences`] is a model of its own.

mod disaster;
pub mod fault;
mod feed;
pub mod fences;
mod flight;
mod invalidate;
mod put;
pub mod scope;
mod script;
pub mod search;
pub mod server;
pub mod step;
mod telling;
pub mod world;

pub use fault::Fault;
pub use scope::Scope;
pub use search::{Found, search};
pub use step::Step;
pub use world::{Promise, World};
