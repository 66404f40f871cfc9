//! The runtime of larder: everything between an attribute's expansion and a store.
//!
//! Users depend on `larder`, which re-exports what they need; authors of stores depend on this crate and
//! implement [`store::LocalStore`] or [`store::RemoteStore`].
//!
//! A reader starts at `call` (the life of one call) and `scope` (the rule that decides what may be served).

// What is said goes to `tracing`, where whoever runs the program hears it and where tests look for secrets.
#![deny(clippy::dbg_macro, clippy::print_stderr, clippy::print_stdout)]

mod background;
mod batch;
mod breaker;
mod builder;
mod by_hand;
mod cache;
mod call;
mod check;
mod checked;
mod clock;
mod codec;
mod compress;
mod concurrent;
mod config;
mod context;
mod counter;
mod debts;
mod entry;
mod envelope;
mod error;
mod feed;
mod flight;
mod foreseen;
mod global;
mod guard;
mod health;
mod histogram;
mod invalidate;
mod key;
mod lease;
mod lock;
#[cfg(feature = "metrics")]
pub mod metrics;
mod names;
mod near;
pub mod observe;
mod outcome;
mod overlap;
mod pattern;
mod place;
mod policy;
#[doc(hidden)]
pub mod private;
mod put;
mod random;
mod recent;
mod record;
#[doc(hidden)]
pub mod sabotage;
mod scope;
mod settling;
mod shape;
mod site;
mod stats;
pub mod store;
mod sync;
mod tag;
mod tally;
#[cfg(feature = "testing")]
pub mod testing;
mod ticket;
mod tiers;
mod warm;
mod xxh64;

pub use batch::Batch;
pub use builder::{Ack, CacheBuilder};
pub use cache::{Cache, Value};
pub use check::{Declared, Findings, Invalidator, Means, check, keys};
pub use codec::Codec;
pub use compress::{Compression, Threshold};
pub use config::{Backend, Config, RedisAddress};
pub use context::tag;
pub use entry::Entry;
pub use error::{Error, ErrorKind, Result};
pub use global::{AlreadyInstalled, AsCache, Named};
pub use health::{Health, Hearing, RemoteHealth};
pub use histogram::Histogram;
pub use key::{Key, KeyPart, KeyRef, KeyWriter, MAX_KEY_LEN};
pub use lock::LockGuard;
pub use outcome::{Outcome, outcome};
pub use pattern::{Any, Pattern};
pub use recent::{Invalidated, Source};
pub use scope::Scope;
pub use stats::{FunctionStats, Stats};
pub use tag::Tag;
pub use ticket::Ticket;
pub use warm::{Warm, Warmed};

/// Registers a [`Site`](private::Site), or a [`Mutation`](private::Mutation).
#[doc(hidden)]
#[macro_export]
macro_rules! submit {
    (&$site:expr) => {
        $crate::private::inventory_submit! { $crate::private::Registered::Cached(&$site) }
    };
    (mutation &$site:expr) => {
        $crate::private::inventory_submit! { $crate::private::Registered::Mutation(&$site) }
    };
}
