//! The verbs as Lua scripts, and how a call of one is put on the wire.
//! What their answers mean is read in `remote`; nothing here waits.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use redis::{Cmd, RedisWrite, ToRedisArgs};

use crate::incarnation::{self, Incarnation};
use crate::random;
use crate::slots::slot;
use crate::time::millis;

/// Before the token of a lease.
pub(crate) const LEASE: u8 = b'P';

/// Before the bytes of a value.
pub(crate) const VALUE: u8 = b'V';

/// Before the fences around a name.
pub(crate) const FENCE: u8 = b'F';

pub(crate) static FETCH: Script = Script::new(include_str!("script/fetch.lua"));
pub(crate) static STORE: Script = Script::new(include_str!("script/store.lua"));
pub(crate) static INVALIDATE: Script =
    Script::new(concat!(include_str!("script/control.lua"), include_str!("script/invalidate.lua")));
pub(crate) static NEWS: Script =
    Script::new(concat!(include_str!("script/control.lua"), include_str!("script/news.lua")));
pub(crate) static HEARD: Script =
    Script::new(concat!(include_str!("script/control.lua"), include_str!("script/heard.lua")));
pub(crate) static EXPIRE: Script = Script::new(include_str!("script/expire.lua"));
pub(crate) static EXTEND: Script = Script::new(include_str!("script/extend.lua"));
pub(crate) static MOVE: Script = Script::new(include_str!("script/move.lua"));
pub(crate) static LOCK: Script = Script::new(include_str!("script/lock.lua"));
pub(crate) static UNLOCK: Script = Script::new(include_str!("script/unlock.lua"));
pub(crate) static PROBE: Script = Script::new(include_str!("script/probe.lua"));

/// A script that the server runs as one step.
pub(crate) struct Script {
    source: &'static str,
    digest: OnceLock<String>,
}

/// One call of a script or of a command of the server.
pub(crate) struct Call<'a> {
    verb: Verb,
    keys: Vec<&'a str>,
    args: Vec<Arg<'a>>,
}

enum Verb {
    Script(&'static Script),
    /// One that always goes along with its source.
    InFull(&'static Script),
    Command(&'static str),
    /// The wait for a record of a log, for so many milliseconds.
    Wait(u64),
    /// The wait until replicas have what was written before. Its key says where it is sent, and is not sent.
    Witness,
}

/// An argument that is not a key.
pub(crate) enum Arg<'a> {
    Bytes(&'a [u8]),
    /// Bytes after a mark that says what they are, and the incarnation of the server.
    Marked(u8, &'a [u8]),
    /// A generation, after the incarnation of the server.
    Generation([u8; 8]),
    /// One that was never before. Drawn as it is sent: said again, since the answer was lost, it must not take a scope back
    /// to where it stood before others moved it.
    NewGeneration,
    /// An epoch that was never before, drawn as it is sent.
    NewEpoch,
    /// That of the server.
    Incarnation,
    Number(u64),
}

/// How a script is named to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// By its digest, which the server knows once it has seen the source.
    Digest,
    Source,
}

impl Script {
    const fn new(source: &'static str) -> Self {
        Self { source, digest: OnceLock::new() }
    }

    fn digest(&self) -> &str {
        self.digest.get_or_init(|| redis::Script::new(self.source).get_hash().to_owned())
    }
}

impl<'a> Call<'a> {
    pub(crate) fn script(script: &'static Script, keys: Vec<&'a str>, args: Vec<Arg<'a>>) -> Self {
        Self { verb: Verb::Script(script), keys, args }
    }

    pub(crate) fn command(name: &'static str, keys: Vec<&'a str>, args: Vec<Arg<'a>>) -> Self {
        Self { verb: Verb::Command(name), keys, args }
    }

    /// Waits for a record of `log` after `after`.
    pub(crate) fn waiting(limit: Duration, log: &'a str, after: &'a str) -> Self {
        Self { verb: Verb::Wait(millis(limit)), keys: vec![log], args: vec![Arg::Bytes(after.as_bytes())] }
    }

    /// Waits until so many replicas have what the connection has written, where `beside` is.
    pub(crate) fn witness(beside: &'a str, replicas: u32, limit: Duration) -> Self {
        let args = vec![Arg::Number(replicas.into()), Arg::Number(millis(limit))];
        Self { verb: Verb::Witness, keys: vec![beside], args }
    }

    pub(crate) fn is_witness(&self) -> bool {
        matches!(self.verb, Verb::Witness)
    }

    /// The same call for a server that cannot be asked twice: a script goes along with its source.
    pub(crate) fn in_full(self) -> Self {
        let verb = if let Verb::Script(script) = self.verb { Verb::InFull(script) } else { self.verb };
        Self { verb, ..self }
    }

    /// The slot of its keys, which have one; nothing if it has no keys.
    pub(crate) fn slot(&self) -> Option<u16> {
        self.keys.first().map(|key| slot(key))
    }

    /// Whether it reads or writes what begins with an incarnation.
    pub(crate) fn is_of_one_life(&self) -> bool {
        matches!(self.verb, Verb::Script(_) | Verb::InFull(_) | Verb::Command("MGET"))
    }

    /// Whether what it is answered begins with an incarnation. The scripts take it away themselves.
    pub(crate) fn reads_plainly(&self) -> bool {
        matches!(self.verb, Verb::Command("MGET"))
    }

    /// As it is sent to a server of this incarnation, this time.
    pub(crate) fn packed(&self, by: By, incarnation: Incarnation) -> Cmd {
        let (keys, args) = (self.keys.as_slice(), self.args.as_slice());
        let bytes = keys.iter().map(|key| key.len()).chain(args.iter().map(Arg::len)).sum::<usize>();
        let args: Vec<_> = args.iter().map(|arg| Sent { arg, incarnation }).collect();
        let args = args.as_slice();
        match &self.verb {
            Verb::Wait(limit) => {
                let mut command = redis::cmd("XREAD");
                command.arg("COUNT").arg(1).arg("BLOCK").arg(limit).arg("STREAMS").arg(keys).arg(args);
                command
            }
            Verb::Witness => {
                let mut command = redis::cmd("WAIT");
                command.arg(args);
                command
            }
            Verb::Command(name) => {
                let mut command = Cmd::with_capacity(1 + keys.len() + args.len(), bytes + name.len());
                command.arg(name).arg(keys).arg(args);
                command
            }
            Verb::Script(script) | Verb::InFull(script) => {
                let (verb, text) = match (by, &self.verb) {
                    (By::Digest, Verb::Script(_)) => ("EVALSHA", script.digest()),
                    _ => ("EVAL", script.source),
                };
                let mut command = Cmd::with_capacity(3 + keys.len() + args.len(), bytes + text.len() + 16);
                command.arg(verb).arg(text).arg(keys.len()).arg(keys).arg(args);
                command
            }
        }
    }
}

impl Arg<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Marked(_, bytes) => bytes.len() + 1 + incarnation::LEN,
            Self::Generation(_) | Self::NewGeneration => 8 + incarnation::LEN,
            Self::NewEpoch => 16,
            Self::Incarnation => incarnation::LEN,
            Self::Number(_) => 20,
        }
    }
}

/// An argument as a server of this incarnation gets it.
struct Sent<'a> {
    arg: &'a Arg<'a>,
    incarnation: Incarnation,
}

impl ToRedisArgs for Sent<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let Incarnation(incarnation) = &self.incarnation;
        let mut joined = |parts: &[&[u8]]| {
            let mut argument = out.writer_for_next_arg();
            for part in parts {
                // A command is built in memory, where writing does not fail.
                let _ = argument.write_all(part);
            }
        };
        match self.arg {
            Arg::Bytes(bytes) => joined(&[bytes]),
            Arg::Marked(mark, bytes) => joined(&[&[*mark], incarnation, bytes]),
            Arg::Generation(bytes) => joined(&[incarnation, bytes]),
            Arg::NewGeneration => joined(&[incarnation, &random::generation()]),
            Arg::NewEpoch => joined(&[&random::epoch()]),
            Arg::Incarnation => joined(&[incarnation]),
            Arg::Number(number) => number.write_redis_args(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(call: &Call<'_>, by: By) -> String {
        String::from_utf8_lossy(&call.packed(by, Incarnation(*b"ABCDEFGH")).get_packed_command())
            .replace("\r\n", " ")
    }

    #[test]
    fn a_call_names_its_script_and_counts_its_keys() {
        let args =
            vec![Arg::Marked(VALUE, b"abc"), Arg::Number(42), Arg::Generation(*b"12345678"), Arg::Bytes(b"")];
        let call = Call::script(&EXPIRE, vec!["name", "scope"], args);
        let digest = EXPIRE.digest();
        assert_eq!(
            packed(&call, By::Digest),
            format!(
                "*9 $7 EVALSHA $40 {digest} $1 2 $4 name $5 scope $12 VABCDEFGHabc $2 42 $16 ABCDEFGH12345678 $0  "
            )
        );
        assert!(packed(&call, By::Source).starts_with("*9 $4 EVAL $"));

        let call = Call::command("SET", vec!["name"], vec![Arg::Marked(LEASE, b"token"), Arg::Bytes(b"NX")]);
        assert_eq!(packed(&call, By::Digest), "*4 $3 SET $4 name $14 PABCDEFGHtoken $2 NX ");
    }

    #[test]
    fn what_is_to_be_new_is_new_each_time_it_is_sent() {
        for new in [Arg::NewGeneration, Arg::NewEpoch] {
            let call = Call::script(&FETCH, vec!["name"], vec![new]);
            assert_ne!(
                call.packed(By::Digest, Incarnation::default()).get_packed_command(),
                call.packed(By::Digest, Incarnation::default()).get_packed_command()
            );
        }
    }

    #[test]
    fn a_shebang_stands_on_the_first_line() {
        for script in [&INVALIDATE, &NEWS, &HEARD, &PROBE] {
            assert!(script.source.starts_with("#!lua flags=allow-oom\n"));
        }
    }
}
