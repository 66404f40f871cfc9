//! SeaORM for larder: what a cached function reads of a database becomes its tags, and what is written is invalidated.

mod change;
mod pending;
mod scoped;
mod statement;
mod stream;
mod tables;
mod tracked;

pub use scoped::Scoped;
pub use stream::TrackedStream;
pub use tables::Tables;
pub use tracked::Tracked;
