//! What a remote store is asked, in forms that outlive whoever asks: for questions that are kept, or that are late.

use std::time::Duration;

use larder::store::{Claim, Expect, Generation, Put, Token};

/// A [`Claim`] of its own.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The name of the load.
    pub token: Token,
    /// How long its lease lasts.
    pub lease: Duration,
    /// The beginning of a value that counts as absent.
    pub reject: Option<Vec<u8>>,
    /// Whether it leaves the lease of another alone.
    pub yields: bool,
}

impl Wish {
    /// The same as `claim`.
    #[must_use]
    pub fn of(claim: Claim<'_>) -> Self {
        let Claim { token, lease, reject, yields } = claim;
        Self { token, lease, reject: reject.map(<[u8]>::to_vec), yields }
    }

    /// As a store is asked.
    #[must_use]
    pub fn claim(&self) -> Claim<'_> {
        let Self { token, lease, ref reject, yields } = *self;
        Claim { token, lease, reject: reject.as_deref(), yields }
    }
}

/// A [`Put`] of its own.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The name.
    pub name: String,
    /// The scopes that cover the entry.
    pub scopes: Vec<String>,
    /// The bytes.
    pub value: Vec<u8>,
    /// How long they are kept.
    pub ttl: Duration,
}

impl Parcel {
    /// The same as `put`.
    #[must_use]
    pub fn of(put: &Put<'_>) -> Self {
        let Put { name, scopes, value, ttl } = *put;
        Self { name: name.to_owned(), scopes: scopes.to_vec(), value: value.to_vec(), ttl }
    }

    /// As a store is asked.
    #[must_use]
    pub fn put(&self) -> Put<'_> {
        Put { name: &self.name, scopes: &self.scopes, value: &self.value, ttl: self.ttl }
    }
}

/// An [`Expect`] of its own.
#[derive(Clone, Debug)]
pub enum Hope {
    /// [`Expect::Lease`]
    Lease(Token),
    /// [`Expect::Nothing`]
    Nothing(Option<Vec<u8>>),
    /// [`Expect::Value`]
    Value(Vec<u8>),
    /// [`Expect::Same`]
    Same(Vec<u8>),
    /// [`Expect::Unmoved`]
    Unmoved(String, Generation),
}

impl Hope {
    /// The same as `expect`.
    #[must_use]
    pub fn of(expect: Expect<'_>) -> Self {
        match expect {
            Expect::Lease(token) => Self::Lease(token),
            Expect::Nothing { reject } => Self::Nothing(reject.map(<[u8]>::to_vec)),
            Expect::Value(seen) => Self::Value(seen.to_vec()),
            Expect::Same(beginning) => Self::Same(beginning.to_vec()),
            Expect::Unmoved(scope, generation) => Self::Unmoved(scope.to_owned(), generation),
        }
    }

    /// As a store is asked.
    #[must_use]
    pub fn expect(&self) -> Expect<'_> {
        match self {
            Self::Lease(token) => Expect::Lease(*token),
            Self::Nothing(reject) => Expect::Nothing { reject: reject.as_deref() },
            Self::Value(seen) => Expect::Value(seen),
            Self::Same(beginning) => Expect::Same(beginning),
            Self::Unmoved(scope, generation) => Expect::Unmoved(scope, *generation),
        }
    }
}
