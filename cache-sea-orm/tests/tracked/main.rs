//! Cached functions over SeaORM: what they read, and what drops it. Hits are proved by the statements that reach the database.

/// The same tests run on both.
const ON_POSTGRES: bool = false;

mod cascades;
mod common;
mod concurrent;
mod events;
mod raw;
mod reads;
mod rows;
mod shared;
mod transactions;
mod writes;
