//! The contract of a store that holds bytes outside this process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Glimpse, Reading};
use crate::error::{Error, ErrorKind, Result};

/// Bytes under names, shared between processes, and *generations*: random numbers that stand for the
/// position of a scope.
///
/// An entry is stored together with the generations of its scopes (the caller puts them into its bytes).
/// Moving a scope replaces its generation; an entry whose recorded generations differ from the live ones
/// is a miss. Generations never repeat, so absence, eviction and a restored backup read as "moved".
///
/// # Contract
///
/// - `fetch` and `fetch_many` read every value and every generation after they were called, not necessarily at one
///   instant: a value and its scopes may be on different servers. So what an invalidation replaced that was acknowledged
///   before is not seen, and one that is under way is seen in part, at worst: then the recorded generations
///   differ from the live ones, or the answer is from before it. A generation that is absent is minted: from then on every
///   reader sees the new one.
/// - With a [`Claim`], a `fetch` that finds no value (or the one the claim rejects) leaves a *lease* under
///   the name. A lease is not a value: it is never returned, and it expires by itself. A claim takes the place of
///   another's lease, unless it yields: then the lease stays, and the answer says that it is there.
/// - `publish` looks whether what it [expects](Expect) of the name holds and stores its value iff it does, in one step. So
///   whoever deletes the name while a load runs, or claims it again, keeps the older load from being stored.
///   What it expects of a scope it compares and moves in one step, before it stores: whatever invalidates the name
///   or a scope of the value after that keeps it from being stored, or from being current.
/// - `invalidate` removes the names, replaces the generations, and then appends to the log: after it is acknowledged, no
///   fetch that is called sees the older state of either, and neither does one that is called by whoever has read the
///   record. It is never refused for want of room.
/// - `fence` invalidates likewise, and leaves a *fence* around the names and scopes, that ends by itself or is taken away
///   under its token. Until then a fetch of such a name, or under such a scope, finds no value, leaves no lease, and
///   says so. Nothing is stored under such a name, and nothing that is stored under such a scope is ever current.
///   Whoever else invalidates or fences the same leaves the fence as it is.
/// - The records of a log are numbered, from 1 on and without a gap, and a number stands for one record for ever, of
///   that *epoch* of the log. Whatever happens to a log that this does not allow for – it is lost, or the server is
///   back with an older copy of it – begins another epoch, with a random number and no record.
/// - Values are returned byte for byte as they were stored, at most until their time to live has passed.
/// - An operation ends within its deadline, whatever the network and the server do, with an [`Error`] whose
///   kind tells what happened. No error holds a password, a key or a value.
/// - Dropping the future of an operation leaves the store usable.
///
/// `cache_core::store::conformance::remote` (feature `conformance`) checks an implementation.
///
/// [`Error`]: crate::Error
#[async_trait]
pub trait RemoteStore: fmt::Debug + Send + Sync + 'static {
    /// Reads the value under `name` and the generation of each of `scopes`, in their order.
    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched>;

    /// Reads as [`fetch`](Self::fetch) does without a claim, for a caller that need not know for how long the value is
    /// kept. It is asked at once, and not when the reading is first polled, where that can be.
    ///
    /// There may be nothing to be seen although there is something, where it takes more than a look: whoever sees nothing
    /// fetches.
    fn glance(&self, name: &str, scopes: &Arc<[String]>) -> Reading<'_> {
        let (name, scopes) = (name.to_owned(), Arc::clone(scopes));
        Reading::alone(async move { Ok(self.fetch(&name, &scopes, None).await?.glimpse()) })
    }

    /// Reads many names, each with its scopes, in one round trip to each server: one answer for each, in their order. Of
    /// several servers that hold names, what one has that does not answer is absent.
    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>>;

    /// Stores `put` under its name if what it expects holds; whether it was stored.
    async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool>;

    /// Stores each of `puts`, in one round trip to each server.
    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()>;

    /// Removes `names`, gives `scopes` new generations, and appends the records to their log: the position of the last
    /// record.
    ///
    /// A store without logs says nothing where the position would be.
    async fn invalidate(
        &self,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>>;

    /// As [`invalidate`](Self::invalidate), and then there is `fence` around the names and scopes.
    ///
    /// A store without fences says [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), and has done nothing.
    async fn fence(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Fence,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        let _ = (names, scopes, fence, append);
        Err(Error::new(ErrorKind::Unsupported, "this remote store has no fences"))
    }

    /// Waits until `log` may have a record after `after`, for `limit` at most. Other operations do not wait for this.
    ///
    /// A store without logs says [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), here and below.
    async fn await_news(&self, log: &str, after: Position, limit: Duration) -> Result<()> {
        let _ = (log, after, limit);
        Err(without_logs())
    }

    /// Reads `log` after `after`, and where it ends, at one instant; notes that `reader` has done what the records
    /// up to `after` say, or up to the end if it begins there. If it was noted in this epoch before, it does not begin: its
    /// question was late, and moves nothing forward.
    ///
    /// Fails where `invalidate` would: a server that takes no writes cannot say what was invalidated.
    async fn news(&self, log: &str, after: Option<Position>, reader: Reader) -> Result<News> {
        let _ = (log, after, reader);
        Err(without_logs())
    }

    /// Whether every reader of `log` who still goes by what it has read was noted to have done what the records up to
    /// `position` say.
    ///
    /// Until an epoch is as old as anybody goes by what he has `trusted`, there may be readers of the one before who are
    /// not known in this one. If the log has begun another epoch since, it is not known who reads, and that is
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), too.
    async fn is_heard(&self, log: &str, position: Position, trusted: Duration) -> Result<bool> {
        let _ = (log, position, trusted);
        Err(without_logs())
    }

    /// Takes the lease of `token` away from `name`, if it is there: its load will not be published.
    async fn abandon(&self, name: &str, token: Token) -> Result<()>;

    /// Sets the time to live of what is under `name`, to the millisecond; whether there is a value.
    async fn expire(&self, name: &str, ttl: Duration) -> Result<bool>;

    /// Gives the lock `name` to `token` for `lease`, unless another token holds it: its fencing token, larger than
    /// that of every holder before. Asked again by its holder, it is renewed.
    ///
    /// A store without locks says [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), here and below.
    async fn lock(&self, name: &str, token: Token, lease: Duration) -> Result<Option<u64>> {
        let _ = (name, token, lease);
        Err(without_locks())
    }

    /// Lets `token` hold the lock `name` for `lease` from now; false if it does not hold it.
    async fn extend_lock(&self, name: &str, token: Token, lease: Duration) -> Result<bool> {
        let _ = (name, token, lease);
        Err(without_locks())
    }

    /// Takes the lock `name` from `token`; false if it does not hold it.
    async fn unlock(&self, name: &str, token: Token) -> Result<bool> {
        let _ = (name, token);
        Err(without_locks())
    }

    /// Asks the server whether it is well.
    async fn health(&self) -> Result<Health>;
}

fn without_logs() -> Error {
    Error::new(ErrorKind::Unsupported, "this remote store has no logs")
}

fn without_locks() -> Error {
    Error::new(ErrorKind::Unsupported, "this remote store has no locks")
}

/// What a [`RemoteStore::fetch`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The bytes under the name, unless there are none or a lease.
    pub value: Option<Vec<u8>>,
    /// How much longer the value is kept, in whole milliseconds.
    pub ttl: Duration,
    /// The generation of each scope that was asked for, in their order.
    pub generations: Vec<Generation>,
    /// Whether there is a lease under the name that the claim has yielded to.
    pub leased: bool,
    /// Whether there is a fence around the name, or around one of the scopes. What is loaded now must not be kept, and
    /// the generations are of no use.
    pub fenced: bool,
}

impl Fetched {
    /// As much of it as a [glance](RemoteStore::glance) shows.
    #[must_use]
    pub fn glimpse(self) -> Option<Glimpse> {
        self.value.map(|value| Glimpse { value, generations: self.generations.into() })
    }
}

/// What keeps values from being stored for a while, since what they are loaded from may change at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Tells it from the fences of others. Under the same token there is one fence: the last.
    pub token: Token,
    /// How long it stands, in whole milliseconds; zero takes it away.
    pub lasts: Duration,
}

/// The position of a scope: a random number that is replaced when the scope moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(pub [u8; 8]);

/// Names one load, so that only this load can be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub [u8; 16]);

/// The wish to load what a fetch does not find.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The name of the load.
    pub token: Token,
    /// How long the load may take before its lease expires, in whole milliseconds, at least one.
    pub lease: Duration,
    /// A value that begins with these bytes counts as absent: it was seen and found not to be current.
    pub reject: Option<&'a [u8]>,
    /// Whether the lease of another load is left alone.
    pub yields: bool,
}

impl Claim<'_> {
    /// A claim that rejects nothing and yields to nobody.
    #[must_use]
    pub const fn new(token: Token, lease: Duration) -> Self {
        Self { token, lease, reject: None, yields: false }
    }
}

/// What must hold for a value to be stored.
#[derive(Clone, Copy, Debug)]
pub enum Expect<'a> {
    /// The lease of this token is under the name.
    Lease(Token),
    /// There is no value under the name. A lease is none, and neither is a value that begins with these
    /// bytes: it was seen and found not to be current.
    Nothing {
        /// How such a value begins.
        reject: Option<&'a [u8]>,
    },
    /// There is a value under the name that begins with these bytes: the one that was seen is still there.
    Value(&'a [u8]),
    /// The value under the name begins with these bytes. What takes its place keeps its time to live.
    Same(&'a [u8]),
    /// This scope still has this generation. Storing the value moves the scope. If it is refused, there may be nothing
    /// under the name any more.
    Unmoved(&'a str, Generation),
}

/// A value to store, with its scopes.
#[derive(Clone, Copy, Debug)]
pub struct Put<'a> {
    /// The name.
    pub name: &'a str,
    /// The scopes that cover the entry: their generations must live longer than it does.
    pub scopes: &'a [String],
    /// The bytes.
    pub value: &'a [u8],
    /// How long the value is kept, in whole milliseconds, at least one. In place of [the same](Expect::Same) value,
    /// how long it may be kept at most, for the sake of its scopes.
    pub ttl: Duration,
}

/// Records for the end of a log.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// The name of the log. A store may use other names that begin with it.
    pub log: &'a str,
    /// The records, each of some kilobytes at most. A log keeps a hundred thousand of them, or some more or less.
    pub records: &'a [Vec<u8>],
    /// How many replicas must have what the verb does before it is acknowledged.
    pub replicas: u32,
}

/// What a [`RemoteStore::news`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Where the log ended at that instant.
    pub end: Position,
    /// The records after the position that was asked for, each with its number, in their order; not all of them
    /// if there are many. None if the position is of another epoch.
    pub records: Vec<(u64, Vec<u8>)>,
}

/// Somebody who reads a log, to know when others need not wait for it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Tells it from others.
    pub name: Token,
    /// How long it goes by what it has read when it can read no more.
    pub trusts_for: Duration,
}

/// A place in a log: after this record of this epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The random number of the epoch.
    pub epoch: [u8; 16],
    /// The number of the record; 0 before the first.
    pub sequence: u64,
}

/// How a remote store is.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// How long the answer took.
    pub round_trip: Duration,
    /// The version the server reports.
    pub server_version: Option<String>,
    /// Bytes of memory the server uses.
    pub used_memory: Option<u64>,
    /// Keys in the selected database, other applications' included.
    pub keys: Option<u64>,
    /// Connections that the server has accepted since it started, those that are closed included.
    pub connections_received: Option<u64>,
    /// Connections of clients that are open, other applications' included.
    pub connected_clients: Option<u64>,
    /// Commands that the server has run since it started.
    pub commands_processed: Option<u64>,
    /// Of the keys that were looked up since the server started, those that were there. A hit in this process looks up none
    /// there, and what this crate writes beside the values is looked up, too: whether a cache works, its own
    /// [`hit_ratio`](crate::Stats::hit_ratio) says.
    pub keyspace_hits: Option<u64>,
    /// Of the keys that were looked up since the server started, those that were not there.
    pub keyspace_misses: Option<u64>,
    /// Whether the store would serve what it had forgotten to remove after a restart from an older copy of its data,
    /// or a failover to a server that had not heard everything: it is not told which life of the server it talks to.
    pub blind_to_restarts: bool,
    /// The servers, if the store has several: each answers for a part of the names.
    pub nodes: Vec<NodeHealth>,
}

/// How one of the servers of a remote store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeHealth {
    /// Where it is.
    pub address: String,
    /// Why it cannot be used, if it cannot.
    pub trouble: Option<String>,
    /// Whether it is left alone until it answers again. What other servers have is had all the same.
    pub breaker_open: bool,
    /// How many operations may be under way there at once.
    pub room: usize,
}
