//! What expansions of the attributes name. Re-exports only; not for use by hand, and not under semver.

pub use inventory::submit as inventory_submit;

pub use crate::call::{
    Answer, EachCall, Lookup, Miss, bypass, bypass_each, lookup, lookup_each, lookup_stale, refresh,
    refresh_each,
};
pub use crate::checked::{argument, caching, duration, storing, strict};
pub use crate::clock::time_of_day;
pub use crate::codec::{Local, Serde, Wire};
pub use crate::config::Config;
pub use crate::global::{AsCache, Global, Opener};
pub use crate::invalidate::{Invalidation, invalidation};
pub use crate::key::{Key, KeyArgument, KeyPart, KeyWriter, part, write_hash, write_lower};
pub use crate::pattern::{Any, Every, Given, Pattern, PatternArgument, PatternPart};
pub use crate::put::{CachePut, put};
pub use crate::shape::{Batch, Bulk, Copies, Each, Okay, Probe, Shape, each, value_type_name};
pub use crate::site::{Mutation, Number, Registered, Site, location};
pub use crate::submit;

/// The traits that find a shape, for `use probe::*`.
pub mod probe {
    pub use crate::checked::{
        CheckCache as _, CheckCopyable as _, CheckNoCache as _, CheckStorable as _, CheckUncopyable as _,
        CheckUnkeepable as _, CheckUnstorable as _,
    };
    pub use crate::shape::{
        ProbeOkay as _, ProbeOkayCopies as _, ProbeOkayPresent as _, ProbeOkayPresentCopies as _,
        ProbePresent as _, ProbeWhole as _,
    };
}
