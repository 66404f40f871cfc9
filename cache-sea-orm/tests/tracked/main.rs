//! Cached functions over SeaORM: what they read, and what drops it. Hits are proved by the statements that reach the database.

mod common;
mod reads;
