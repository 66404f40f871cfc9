//! What the benchmarks share: the subjects that are compared, the traces they run on, the clockwork and the tables.
//! The benchmarks themselves are in `benches/`, one file for each question.

pub mod count;
pub mod document;
pub mod eviction;
pub mod gathered;
pub mod lock_free;
pub mod peers;
pub mod plot;
pub mod reads;
pub mod rounds;
pub mod server;
pub mod subject;
pub mod table;
pub mod trace;
pub mod user;
