//! What the integration tests share: gates in place of sleeps, and servers of their own.

pub mod apart;
pub mod broken_store;
pub mod child;
pub mod cluster;
pub mod commands;
pub mod desk;
pub mod fuzzed;
mod gate;
pub mod held_store;
pub mod http_site;
pub mod local_map;
pub mod log;
pub mod map_store;
pub mod owned;
pub mod postgres;
pub mod program;
pub mod proxy;
pub mod random;
pub mod redis;
pub mod secrets;
pub mod simulation;
pub mod still_store;
pub mod traffic;
pub mod wire_form;
pub mod workers;
pub mod yielding;

pub use gate::{Gate, eventually, until, until_async};
