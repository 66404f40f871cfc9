//! From what the server and the socket say to what a caller is told, and what becomes of the connection.
//! Texts of the server never pass through: they quote commands, and so keys and values.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind};
use redis::{RedisError, ServerError, Value};

/// Why something failed: an [`Error`] that can be handed to every caller it concerns.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) text: Arc<str>,
    pub(crate) connection: Verdict,
    extent: Extent,
    /// Whether the server was asked at all.
    asked: bool,
}

/// What a failure says about the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    /// Other nodes of the cluster may well answer.
    Part,
}

/// What a failure says about the connection it was seen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It works; the answer is a refusal.
    Keep,
    /// It is broken, or leads to a server that has become the wrong one.
    Replace,
}

impl Failure {
    fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        let text = text.into().into();
        Self { kind, text, connection: Verdict::Keep, extent: Extent::Whole, asked: true }
    }

    fn replacing(self) -> Self {
        Self { connection: Verdict::Replace, ..self }
    }

    /// The same, where what other nodes of the cluster have can be had without this one. What no other node would do
    /// either stays as it is.
    pub(crate) fn of_a_part(self) -> Self {
        let of_a_part = matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Timeout);
        Self { extent: if of_a_part { Extent::Part } else { self.extent }, ..self }
    }

    /// Whether what other nodes of the cluster have can be had.
    pub(crate) fn is_of_a_part(&self) -> bool {
        self.extent == Extent::Part
    }

    /// The node of a cluster at `server` is left alone.
    pub(crate) fn left_alone(server: &str) -> Self {
        let text = format!("the node of the cluster at {server} is left alone until it answers again");
        Self { asked: false, ..Self::new(ErrorKind::Unavailable, text) }
    }

    /// The node of a cluster at `server` does as much as it can. That says nothing of the next operation, even where
    /// every operation needs it.
    pub(crate) fn crowded(server: &str) -> Self {
        let text = format!("too many operations of the node of the cluster at {server} are under way");
        Self { asked: false, ..Self::new(ErrorKind::Unavailable, text).of_a_part() }
    }

    /// No connection could be made to `server`.
    pub(crate) fn unreachable(server: &str, error: &RedisError) -> Self {
        Self::new(ErrorKind::Unavailable, format!("cannot connect to redis at {server}: {}", cause(error)))
    }

    /// No sentinel answered.
    pub(crate) fn no_sentinel() -> Self {
        Self::new(ErrorKind::Unavailable, "no sentinel says where redis is; check their addresses")
    }

    /// No node of the cluster answered in time.
    pub(crate) fn no_node() -> Self {
        Self::new(ErrorKind::Unavailable, "no node of the cluster answers; check their addresses")
    }

    /// The node that was asked for the others knows of none.
    pub(crate) fn no_cluster(replies: &[Value]) -> Self {
        match replies.first() {
            Some(Value::ServerError(error)) if code(error) != "ERR" => Self::refused(error),
            Some(Value::Array(rows)) if rows.is_empty() => {
                Self::new(ErrorKind::Unavailable, "the nodes of the cluster have no slots yet")
            }
            _ => Self::new(ErrorKind::Config, "redis is in no cluster; write \"redis://\""),
        }
    }

    /// No node of the cluster has the slot of what was asked for.
    pub(crate) fn without_primary() -> Self {
        Self::new(ErrorKind::Unavailable, "a part of the cluster has no primary")
    }

    /// The nodes of the cluster send us from one to the other.
    pub(crate) fn sent_around() -> Self {
        Self::new(
            ErrorKind::Unavailable,
            "the nodes of the cluster do not agree on who has what; they soon may",
        )
    }

    /// A sentinel wants another user or password.
    pub(crate) fn sentinel_denied() -> Self {
        let advice = "set `sentinel_user` and `sentinel_password`, which are not those of the servers";
        Self::new(ErrorKind::Denied, format!("the sentinels refused the login; {advice}"))
    }

    /// The sentinels name another primary.
    pub(crate) fn replaced() -> Self {
        Self::new(ErrorKind::Unavailable, "the sentinels name another primary").replacing()
    }

    /// The server has begun another life under the connection.
    pub(crate) fn outlived() -> Self {
        Self::new(ErrorKind::Unavailable, "redis has become a primary; what it held before is not read")
            .replacing()
    }

    /// Fewer replicas than were asked for have an invalidation.
    pub(crate) fn unwitnessed(replicas: u32) -> Self {
        Self::new(
            ErrorKind::Unavailable,
            format!("fewer than {replicas} replicas of redis have the invalidation"),
        )
    }

    /// The sentinels that answered know no such primary.
    pub(crate) fn unknown_primary(name: &str) -> Self {
        Self::new(ErrorKind::Config, format!("the sentinels watch no primary called {name:?}"))
    }

    /// A connection to `server` was made, and ended before it could be used.
    pub(crate) fn ungreeted(server: &str, error: &RedisError) -> Self {
        match error.kind() {
            redis::ErrorKind::Parse => Self::garbled(),
            _ => Self::new(
                ErrorKind::Unavailable,
                format!("what listens at {server} hung up ({}); is it redis, and without TLS?", cause(error)),
            ),
        }
    }

    /// A connection to `server` was not made in time.
    pub(crate) fn not_connected(server: &str, limit: Duration) -> Self {
        Self::new(ErrorKind::Unavailable, format!("redis at {server} took no connection within {limit:?}"))
    }

    /// The connection broke under an operation.
    pub(crate) fn broken(error: &RedisError) -> Self {
        let failure = match error.kind() {
            redis::ErrorKind::Parse => Self::garbled(),
            _ => Self::new(
                ErrorKind::Unavailable,
                format!("the connection to redis was lost: {}", cause(error)),
            ),
        };
        failure.replacing()
    }

    fn garbled() -> Self {
        Self::new(ErrorKind::Protocol, "what answers is not redis, or its answer was damaged on the way")
    }

    /// Nothing came back before the deadline of `operation`.
    pub(crate) fn timeout(operation: &str, limit: Duration) -> Self {
        Self::new(ErrorKind::Timeout, format!("redis did not answer {operation} within {limit:?}"))
    }

    /// Two operations in a row were not answered.
    pub(crate) fn silent() -> Self {
        Self::new(ErrorKind::Unavailable, "redis does not answer").replacing()
    }

    /// The runtime ended that a read had been sent from.
    pub(crate) fn abandoned() -> Self {
        Self::new(ErrorKind::Unavailable, "the runtime that asked redis has ended")
    }

    /// The answer has a form that no verb of ours gets.
    pub(crate) fn unexpected() -> Self {
        Self::new(ErrorKind::Protocol, "redis answered with something the cache does not understand")
    }

    /// The server refused a verb.
    pub(crate) fn refused(error: &ServerError) -> Self {
        let code = code(error);
        let (kind, advice) = match code {
            "OOM" => {
                (ErrorKind::Full, "it is full; raise `maxmemory` or choose a `maxmemory-policy` that evicts")
            }
            "READONLY" => {
                (ErrorKind::Unavailable, "it is a read-only replica; the address must lead to the primary")
            }
            "LOADING" => (ErrorKind::Unavailable, "it is still loading its data; it will be ready soon"),
            "BUSY" => {
                (ErrorKind::Unavailable, "a script of another client keeps it busy; `SCRIPT KILL` ends that")
            }
            "MASTERDOWN" => (ErrorKind::Unavailable, "it is a replica that lost its primary"),
            "NOREPLICAS" => {
                (ErrorKind::Unavailable, "too few replicas are connected; see `min-replicas-to-write`")
            }
            "MISCONF" => (ErrorKind::Unavailable, "it cannot save its data and refuses writes; see its log"),
            "CLUSTERDOWN" | "TRYAGAIN" => {
                (ErrorKind::Unavailable, "its cluster is not ready; it may be soon")
            }
            "NOAUTH" | "WRONGPASS" => (ErrorKind::Denied, "check the user and the password"),
            "NOPERM" => (ErrorKind::Denied, "let this user run EVAL and EVALSHA and use the cache's keys"),
            "MOVED" | "ASK" | "CROSSSLOT" => {
                (ErrorKind::Config, "it is a node of a cluster; write \"redis+cluster://\"")
            }
            // From a script of ours.
            "OUTLIVED" => return Self::outlived(),
            _ => return Self::new(ErrorKind::Protocol, format!("redis refused with {code}; see its log")),
        };
        let failure = Self::new(kind, format!("redis refused with {code}: {advice}"));
        // After a failover the same address may lead to the new primary; after NOAUTH we have to log in.
        if matches!(code, "READONLY" | "MASTERDOWN" | "NOAUTH") { failure.replacing() } else { failure }
    }

    /// The server said that it will not talk to us, in place of an answer to whatever came first.
    pub(crate) fn turned_away(error: &ServerError) -> Option<Self> {
        let says = |what| error.details().is_some_and(|text| text.contains(what));
        match code(error) {
            "ERR" if says("max number of clients") => Some(Self::new(
                ErrorKind::Unavailable,
                "redis has no room for another client; raise its `maxclients`",
            )),
            "DENIED" => Some(Self::new(
                ErrorKind::Denied,
                "redis is in protected mode and serves its own machine only; give it a password",
            )),
            _ => None,
        }
    }

    /// The server refused the user and the password.
    pub(crate) fn login(error: &ServerError) -> Self {
        match code(error) {
            "ERR" => {
                Self::new(ErrorKind::Denied, "redis expects no password, or not of this user; check both")
            }
            _ => Self::refused(error),
        }
    }

    /// The server refused the database.
    pub(crate) fn database(error: &ServerError, db: i64) -> Self {
        match code(error) {
            "ERR" => Self::new(ErrorKind::Config, format!("redis has no database {db}; see its `databases`")),
            _ => Self::refused(error),
        }
    }

    /// The server refused the script that tells whether it can be used at all.
    pub(crate) fn probe(error: &ServerError) -> Self {
        match code(error) {
            "ERR" => {
                Self::new(ErrorKind::Config, "redis cannot run the cache's scripts; version 7 or later can")
            }
            _ => Self::refused(error),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let error = Self::new(failure.kind, &*failure.text);
        match failure.extent {
            Extent::Whole => error,
            Extent::Part => error.of_a_part(failure.asked),
        }
    }
}

/// The code of a server's error, unless it looks like anything else.
fn code(error: &ServerError) -> &str {
    let code = error.code();
    let plain = code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if plain && (1..=24).contains(&code.len()) { code } else { "an unknown error" }
}

/// What the operating system said; what anybody else said is left out.
fn cause(error: &RedisError) -> String {
    if error.is_io_error() { error.to_string() } else { error.category().to_owned() }
}
