//! What can happen, in words. What comes of it is elsewhere.

use std::fmt;

use crate::world::{P, Who};

/// Something that happens at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is said in words below")]
pub enum Step {
    // the invalidation
    MoveLocally,
    Unlink,
    Record,
    MoveAny,
    MoveTag,
    Append,
    UnlinkAndRecord,
    Acknowledge,
    Fail,
    ReturnOwing,
    PatienceEnds,
    CatchUp,
    Another,
    // reads
    Hit(Who),
    Begin(Who),
    Join(Who),
    AskValue(Who, usize),
    AskGenerations(Who, usize),
    AskBoth(Who, usize),
    TakeOver(Who, usize),
    Load(Who, usize),
    Publish(Who, usize),
    End(Who, usize),
    Forget(Who),
    // the feed
    Send(Who),
    Read(Who),
    Beat(Who),
    ReadFromReplica(Who),
    BeatFromReplica(Who),
    Apply(Who),
    DropAll(Who),
    Lose(Who),
    // a put
    PutBegins,
    PutAsks,
    PutLeases,
    PutRuns,
    PutStores,
    PutAgrees,
    PutPublishes,
    PutEnds,
    // servers
    Copy(Part),
    FailOver(Part),
    Flush(Part),
    Evict(Evicted),
}

/// A server, or both if they are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is said in words below")]
pub enum Part {
    Value,
    Control,
    Both,
}

/// What is lost alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is said in words below")]
pub enum Evicted {
    Value,
    Head,
    Log,
    Everything,
    Tag,
    Any,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |who: Who| if who == P { "p" } else { "q" };
        let flight = |slot: usize| if slot == 0 { "flight" } else { "replaced flight" };
        match *self {
            Self::MoveLocally => write!(f, "p invalidates: it moves its scopes"),
            Self::Unlink => write!(f, "p unlinks the value"),
            Self::Record => write!(f, "p moves the shared scopes and adds a record to the log"),
            Self::MoveAny => write!(f, "p moves the scope that moves with every invalidation"),
            Self::MoveTag => write!(f, "p moves the tag"),
            Self::Append => write!(f, "p adds a record to the log"),
            Self::UnlinkAndRecord => {
                write!(f, "p unlinks, moves the shared scopes and adds a record, in one step")
            }
            Self::Acknowledge => write!(f, "p moves its scopes again and acknowledges"),
            Self::Fail => write!(f, "p cannot reach a server: it owes the invalidation"),
            Self::ReturnOwing => write!(f, "p moves its scopes again and returns an error"),
            Self::PatienceEnds => write!(f, "Δ passes"),
            Self::CatchUp => write!(f, "q has the ticket, and has caught up with it"),
            Self::Another => write!(f, "q invalidates something else"),
            Self::Hit(who) => write!(f, "{} reads its entry", name(who)),
            Self::Begin(who) => write!(f, "{} begins a flight", name(who)),
            Self::Join(who) => write!(f, "{} joins the flight", name(who)),
            Self::AskValue(who, slot) => write!(f, "{}'s {} asks for the value", name(who), flight(slot)),
            Self::AskGenerations(who, slot) => {
                write!(f, "{}'s {} asks for the generations", name(who), flight(slot))
            }
            Self::AskBoth(who, slot) => {
                write!(f, "{}'s {} asks for the value and the generations", name(who), flight(slot))
            }
            Self::TakeOver(who, slot) => {
                write!(f, "{}'s {} claims what is of no use", name(who), flight(slot))
            }
            Self::Load(who, slot) => write!(f, "{}'s {} loads", name(who), flight(slot)),
            Self::Publish(who, slot) => write!(f, "{}'s {} publishes", name(who), flight(slot)),
            Self::End(who, slot) => write!(f, "{}'s {} ends", name(who), flight(slot)),
            Self::Forget(who) => write!(f, "{} forgets its entry", name(who)),
            Self::Send(who) => write!(f, "{}'s feed asks what is new", name(who)),
            Self::Read(who) => write!(f, "the server reads the log for {}", name(who)),
            Self::Beat(who) => write!(f, "the server answers the beat of {}", name(who)),
            Self::ReadFromReplica(who) => write!(f, "a replica reads the log for {}", name(who)),
            Self::BeatFromReplica(who) => write!(f, "a replica answers the beat of {}", name(who)),
            Self::Apply(who) => write!(f, "{}'s feed applies the answer", name(who)),
            Self::DropAll(who) => write!(f, "{}'s feed has missed something and drops everything", name(who)),
            Self::Lose(who) => write!(f, "{}'s feed loses its connection", name(who)),
            Self::PutBegins => write!(f, "a put notes where the scopes stand"),
            Self::PutAsks => write!(f, "the put asks where the scopes stand"),
            Self::PutLeases => write!(f, "the put takes a lease"),
            Self::PutRuns => write!(f, "the body of the put runs"),
            Self::PutStores => write!(f, "the put stores, if nothing has moved"),
            Self::PutAgrees => write!(f, "the put looks whether anything has moved"),
            Self::PutPublishes => write!(f, "the put publishes"),
            Self::PutEnds => write!(f, "the put keeps its value"),
            Self::Copy(part) => write!(f, "{part} is replicated"),
            Self::FailOver(part) => write!(f, "{part} fails and goes on from its copy"),
            Self::Flush(part) => write!(f, "{part} is flushed"),
            Self::Evict(what) => write!(f, "{what} is evicted"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "the server of the value",
            Self::Control => "the control server",
            Self::Both => "the server",
        })
    }
}

impl fmt::Display for Evicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "the value",
            Self::Head => "the head of the log",
            Self::Log => "the log",
            Self::Everything => "the generation of everything",
            Self::Tag => "the generation of the tag",
            Self::Any => "the generation of any move",
        })
    }
}
