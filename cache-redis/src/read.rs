//! Reading a name: a look with plain commands, which is all that a hit needs, and a script for the rest.
//!
//! A look is `PTTL` of the name, `MGET` of the name and its scopes, and with a claim `SET … NX` of the lease,
//! in one round trip. MGET is the instant at which value and generations are read. PTTL stands before it, so
//! that a value that is replaced in between is given too little time, not too much. Where more has to be
//! written (a generation that is missing, a lease in place of another's or of a value that was rejected) the
//! script does all of it in one step; on the server it costs several times what a look does.
//!
//! What is there and was written in another life of the server, or by others, is answered as nothing: see `incarnation`.

use std::time::Duration;

use cache_core::store::{Claim, Fetched, Generation};
use redis::Value;

use crate::error::{Failure, Verdict};
use crate::random;
use crate::script::{Arg, Call, FETCH, LEASE, VALUE};
use crate::time::{FOREVER, GENERATION, millis};

/// A name to be read, with its scopes, and perhaps to be claimed.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) name: &'a str,
    pub(crate) scopes: &'a [String],
    pub(crate) claim: Option<&'a Claim<'a>>,
}

/// The bytes of a lease, its mark included.
const LEASE_LEN: usize = 17;

impl<'a> Look<'a> {
    /// The plain commands.
    pub(crate) fn calls(&self) -> impl Iterator<Item = Call<'a>> {
        let lease = self.claim.map(|claim| {
            let lifetime = Arg::Number(millis(claim.lease));
            let args =
                vec![Arg::Marked(LEASE, &claim.token.0), Arg::Bytes(b"PX"), lifetime, Arg::Bytes(b"NX")];
            Call::command("SET", vec![self.name], args)
        });
        let ttl = Call::command("PTTL", vec![self.name], Vec::new());
        [ttl, Call::command("MGET", self.keys(), Vec::new())].into_iter().chain(lease)
    }

    /// The script that reads, and writes whatever there is to be written.
    pub(crate) fn script(&self) -> Call<'a> {
        let mut args = vec![Arg::Number(millis(GENERATION)), Arg::Generation(random::generation())];
        if let Some(claim) = self.claim {
            args.extend([
                Arg::Marked(LEASE, &claim.token.0),
                Arg::Number(millis(claim.lease)),
                Arg::Number(claim.yields.into()),
            ]);
            args.extend(claim.reject.map(|reject| Arg::Marked(VALUE, reject)));
        }
        Call::script(&FETCH, self.keys(), args)
    }

    /// What the answers to [`calls`](Self::calls) say; nothing if it takes the script.
    pub(crate) fn seen(&self, replies: &mut impl Iterator<Item = Value>) -> Result<Option<Fetched>, Failure> {
        let mut next = || replies.next().ok_or_else(Failure::unexpected);
        let (ttl, held) = (answered(next()?)?, answered(next()?)?);
        let leased = if self.claim.is_some() { Some(next()?) } else { None };
        if let Some(Value::ServerError(error)) = &leased {
            let failure = Failure::refused(error);
            // A server that became a replica is not read from, not even what it still has.
            if failure.connection == Verdict::Replace {
                return Err(failure);
            }
        }
        let (Value::Int(ttl), Value::Array(held)) = (ttl, held) else { return Err(Failure::unexpected()) };
        if held.len() != 1 + self.scopes.len() {
            return Err(Failure::unexpected());
        }
        let mut held = held.into_iter();
        let value = held.next().unwrap_or_default();
        let Some(generations) = held.map(generation).collect::<Result<Option<Vec<_>>, _>>()? else {
            return Ok(None);
        };
        let value = match value {
            Value::BulkString(bytes) => Some(bytes),
            Value::Nil => None,
            _ => return Err(Failure::unexpected()),
        };
        let absent = Fetched::default();
        let yields = self.claim.is_some_and(|claim| claim.yields);
        match (value, leased) {
            (Some(bytes), None) if is_lease(&bytes) => Ok(Some(Fetched { generations, ..absent })),
            (Some(bytes), Some(_)) if is_lease(&bytes) && yields => {
                Ok(Some(Fetched { generations, leased: true, ..absent }))
            }
            (Some(bytes), Some(_)) if is_lease(&bytes) => Ok(None),
            (Some(bytes), _) => {
                let bytes = unmarked(bytes);
                let rejected = self.claim.and_then(|claim| claim.reject);
                if rejected.is_some_and(|reject| bytes.starts_with(reject)) {
                    return Ok(None);
                }
                Ok(Some(Fetched { value: Some(bytes), ttl: left(ttl), generations, leased: false }))
            }
            (None, None | Some(Value::Okay)) => Ok(Some(Fetched { generations, ..absent })),
            (None, Some(Value::ServerError(error))) => Err(Failure::refused(&error)),
            // Somebody came between, or what is there is none of ours.
            (None, Some(_)) => Ok(None),
        }
    }

    /// What the answer to [`script`](Self::script) says.
    pub(crate) fn read(&self, reply: Value) -> Result<Fetched, Failure> {
        let Value::Array(parts) = answered(reply)? else { return Err(Failure::unexpected()) };
        let mut parts = parts.into_iter();
        let (Some(value), Some(Value::Int(ttl))) = (parts.next(), parts.next()) else {
            return Err(Failure::unexpected());
        };
        let value = match value {
            Value::Nil => None,
            Value::BulkString(bytes) => Some(unmarked(bytes)),
            _ => return Err(Failure::unexpected()),
        };
        let generations = parts.map(generation).collect::<Result<Option<Vec<_>>, _>>()?;
        let generations = generations.ok_or_else(Failure::unexpected)?;
        if generations.len() != self.scopes.len() {
            return Err(Failure::unexpected());
        }
        // Without a value there is no time to live; the script then says whether it has yielded.
        let (ttl, leased) = if value.is_some() { (left(ttl), false) } else { (Duration::ZERO, ttl == 1) };
        Ok(Fetched { value, ttl, generations, leased })
    }

    fn keys(&self) -> Vec<&'a str> {
        std::iter::once(self.name).chain(self.scopes.iter().map(String::as_str)).collect()
    }
}

/// The answer, unless it is a refusal.
pub(crate) fn answered(reply: Value) -> Result<Value, Failure> {
    if let Value::ServerError(error) = &reply { Err(Failure::refused(error)) } else { Ok(reply) }
}

/// A generation, or nothing if what stands there is none.
pub(crate) fn generation(reply: Value) -> Result<Option<Generation>, Failure> {
    match reply {
        Value::BulkString(bytes) => Ok(bytes.try_into().ok().map(Generation)),
        Value::Nil => Ok(None),
        _ => Err(Failure::unexpected()),
    }
}

fn is_lease(bytes: &[u8]) -> bool {
    bytes.len() == LEASE_LEN && bytes.first() == Some(&LEASE)
}

/// The bytes as they were stored.
///
/// What begins with another mark was not written by us: whoever asked will not know it either.
fn unmarked(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.first() == Some(&VALUE) {
        bytes.remove(0);
    }
    bytes
}

/// The time to live that PTTL means.
fn left(ttl: i64) -> Duration {
    match ttl {
        // Somebody took the time to live away: it is kept until it is deleted.
        -1 => FOREVER,
        // It came between the two commands: it is kept, but nobody said for how long.
        ..0 => Duration::ZERO,
        _ => Duration::from_millis(ttl.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use cache_core::store::Token;

    use super::*;

    const CLAIM: Claim<'static> =
        Claim { reject: Some(b"old"), ..Claim::new(Token([7; 16]), Duration::from_secs(1)) };

    fn bytes(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn seen(claim: Option<&Claim<'_>>, replies: Vec<Value>) -> Result<Option<Fetched>, ()> {
        let scopes = ["scope".to_owned()];
        Look { name: "name", scopes: &scopes, claim }.seen(&mut replies.into_iter()).map_err(drop)
    }

    fn found(value: Option<&str>, millis: u64) -> Fetched {
        let value = value.map(|text| text.as_bytes().to_vec());
        let generations = vec![Generation(*b"12345678")];
        Fetched { value, ttl: Duration::from_millis(millis), generations, leased: false }
    }

    #[test]
    fn a_look_is_enough_unless_there_is_more_to_write() {
        let generation = || bytes("12345678");
        let lease = || Value::BulkString([&b"P"[..], &[9; 16]].concat());
        let with = |value, generation| Value::Array(vec![value, generation]);
        let plain = |value| seen(None, vec![Value::Int(5), with(value, generation())]);
        assert_eq!(plain(bytes("Vvalue")), Ok(Some(found(Some("value"), 5))));
        assert_eq!(plain(bytes("foreign")), Ok(Some(found(Some("foreign"), 5))));
        assert_eq!(plain(bytes("")), Ok(Some(found(Some(""), 5))));
        assert_eq!(plain(Value::Nil), Ok(Some(found(None, 0))));
        assert_eq!(plain(lease()), Ok(Some(found(None, 0))));
        assert_eq!(seen(None, vec![Value::Int(5), with(bytes("Vvalue"), Value::Nil)]), Ok(None));
        assert_eq!(seen(None, vec![Value::Int(5), with(bytes("Vvalue"), bytes("short"))]), Ok(None));

        let claiming = |value, set| seen(Some(&CLAIM), vec![Value::Int(5), with(value, generation()), set]);
        assert_eq!(claiming(bytes("Vvalue"), Value::Nil), Ok(Some(found(Some("value"), 5))));
        assert_eq!(claiming(Value::Nil, Value::Okay), Ok(Some(found(None, 0))));
        assert_eq!(claiming(Value::Nil, Value::Nil), Ok(None), "somebody came between");
        assert_eq!(claiming(lease(), Value::Nil), Ok(None), "the newest claim wins");
        assert_eq!(claiming(bytes("Volder"), Value::Nil), Ok(None), "it is rejected");
        assert_eq!(claiming(bytes("old"), Value::Nil), Ok(None), "it is rejected");
    }

    #[test]
    fn a_value_that_came_between_is_given_no_time() {
        assert_eq!(left(-2), Duration::ZERO);
        assert_eq!(left(-1), FOREVER);
        assert_eq!(left(0), Duration::ZERO);
        assert_eq!(left(1_500), Duration::from_millis(1_500));
    }

    #[test]
    fn an_answer_of_another_form_is_an_error_and_no_panic() {
        let looks = [
            vec![],
            vec![Value::Int(1)],
            vec![Value::Nil, Value::Nil],
            vec![Value::Int(1), Value::Int(1)],
            vec![Value::Int(1), Value::Array(vec![])],
            vec![Value::Int(1), Value::Array(vec![Value::Nil])],
            vec![Value::Int(1), Value::Array(vec![Value::Int(1), bytes("12345678")])],
            vec![Value::Int(1), Value::Array(vec![Value::Nil, Value::Int(1)])],
            vec![bytes("1"), Value::Array(vec![Value::Nil, bytes("12345678")])],
        ];
        for replies in looks {
            assert_eq!(seen(None, replies.clone()), Err(()), "{replies:?}");
            assert_eq!(seen(Some(&CLAIM), replies.clone()), Err(()), "{replies:?}");
        }
        let scripts = [
            (Value::Nil, 0),
            (Value::Int(1), 0),
            (Value::Array(vec![]), 0),
            (Value::Array(vec![Value::Nil]), 0),
            (Value::Array(vec![Value::Int(1), Value::Int(1)]), 0),
            (Value::Array(vec![Value::Nil, bytes("1")]), 0),
            (Value::Array(vec![Value::Nil, Value::Int(0)]), 1),
            (Value::Array(vec![Value::Nil, Value::Int(0), Value::Nil]), 1),
            (Value::Array(vec![Value::Nil, Value::Int(0), bytes("short")]), 1),
            (Value::Array(vec![Value::Nil, Value::Int(0), bytes("12345678")]), 0),
        ];
        for (reply, scopes) in scripts {
            let scopes = vec!["scope".to_owned(); scopes];
            let look = Look { name: "name", scopes: &scopes, claim: None };
            assert!(look.read(reply.clone()).is_err(), "{reply:?}");
        }
    }
}
