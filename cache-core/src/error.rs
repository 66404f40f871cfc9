//! What can go wrong when the cache itself is asked, and whether asking again may help.
//!
//! Functions under `#[cached]` never see these: there a cache failure means that the body runs.

use std::error::Error as StdError;
use std::fmt;

/// The result of an operation of the cache.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed cache operation: its [kind](Error::kind), what to do about it, and the cause if there is one.
///
/// # Examples
///
/// ```
/// use cache_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Timeout, "redis did not answer a read within 100 ms");
/// assert!(error.is_temporary());
/// assert_eq!(error.to_string(), "redis did not answer a read within 100 ms");
/// ```
pub struct Error {
    kind: ErrorKind,
    message: Box<str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    bearing: Bearing,
}

/// What a failure of a remote store says about the rest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bearing {
    /// The next operation may well fail, too.
    Whole,
    /// One of its servers is in trouble; what others have can be had.
    Part,
    /// That server is being left alone, and was not asked.
    Unasked,
}

/// The families of [`Error`], for deciding what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing, malformed, or needs a Cargo feature that is off. Asking again does not help.
    Config,
    /// The remote store cannot be reached or refuses to work at the moment.
    Unavailable,
    /// The remote store did not answer within the deadline of the operation.
    Timeout,
    /// The remote store refused our credentials or permissions.
    Denied,
    /// The remote store has no room for another entry.
    Full,
    /// A value could not be turned into bytes, or is larger than the store accepts.
    Encode,
    /// The key or pattern cannot be used.
    Key,
    /// The operation needs a store that this cache does not have, or that cannot do it.
    Unsupported,
    /// The remote store answered with something this crate does not understand.
    Protocol,
}

impl Error {
    /// An error of `kind` that tells the user what to do.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into().into_boxed_str(), source: None, bearing: Bearing::Whole }
    }

    /// The same error of a store of several servers, of which only this one is in trouble: operations that need
    /// others may well succeed. `asked` tells whether it was asked at all, or is being left alone.
    #[must_use]
    pub fn of_a_part(mut self, asked: bool) -> Self {
        self.bearing = if asked { Bearing::Part } else { Bearing::Unasked };
        self
    }

    /// The same error with the failure that caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The family of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same operation may succeed later without anything being changed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Full)
    }
}

impl Error {
    /// Whether other operations may well succeed, since they need other servers.
    pub(crate) fn is_of_a_part(&self) -> bool {
        self.bearing != Bearing::Whole
    }

    /// Whether the server was left alone.
    pub(crate) fn is_unasked(&self) -> bool {
        self.bearing == Bearing::Unasked
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
