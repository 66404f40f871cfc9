//! The in-process store of larder: live values, bounded by entries, by bytes, or by both.
//! Knows nothing of freshness, scopes or loads: whoever asks decides about the entry that was found.
//!
//! # Examples
//!
//! ```
//! use cache_memory::Memory;
//!
//! let small = Memory::new(10_000);
//! let large = Memory::builder().max_entries(100_000).max_bytes(256 << 20).build();
//! # let _ = (small, large);
//! ```

// What is said goes to `tracing`, where whoever runs the program hears it and where tests look for secrets.
#![deny(clippy::dbg_macro, clippy::print_stderr, clippy::print_stdout)]

mod builder;
mod roster;
mod store;

pub use builder::MemoryBuilder;
pub use store::Memory;
