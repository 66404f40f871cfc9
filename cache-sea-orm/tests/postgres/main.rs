//! The tests of `tracked`, on PostgreSQL.

/// The same tests run on both.
const ON_POSTGRES: bool = true;

#[path = "../tracked/cascades.rs"]
mod cascades;
#[path = "../tracked/common.rs"]
mod common;
#[path = "../tracked/concurrent.rs"]
mod concurrent;
#[path = "../tracked/events.rs"]
mod events;
mod lost;
#[path = "../tracked/raw.rs"]
mod raw;
#[path = "../tracked/reads.rs"]
mod reads;
#[path = "../tracked/rows.rs"]
mod rows;
#[path = "../tracked/shared.rs"]
mod shared;
#[path = "../tracked/transactions.rs"]
mod transactions;
#[path = "../tracked/writes.rs"]
mod writes;
