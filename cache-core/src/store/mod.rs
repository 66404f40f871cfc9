//! The two kinds of place a value can be: live in this process, or as bytes shared between processes.
//!
//! Here are the traits and their contracts; the stores are crates of their own.

#[cfg(feature = "conformance")]
#[expect(clippy::disallowed_methods, reason = "a suite for stores that have clocks and tasks of their own")]
pub mod conformance;
mod front;
mod local;
mod reading;
mod remote;

pub use crate::breaker::{Breaker, Change, Outcome, Passage, Refused};
pub use front::Front;
pub(crate) use front::{AskStore, InFront};
pub use local::{LocalStore, Removal, Usage};
pub use reading::{Glimpse, Reading, Readings};
pub use remote::{
    Append, Claim, Expect, Fence, Fetched, Generation, Health, News, NodeHealth, Position, Put, Reader,
    RemoteStore, Token,
};
