//! Reading a name: a look with plain commands, which is all that a hit needs, and a script for the rest.
//!
//! A look is `MGET` of the name and its scopes, in one round trip with those of others (`batch`): that is the instant at
//! which value and generations are read. `PTTL` of the name stands before it where somebody wants to know, so
//! that a value that is replaced in between is given too little time, not too much. With a claim, `SET … NX` of the lease
//! follows: in the same round trip for one of those who ask together, and for others once they know that there is
//! nothing. Where more has to be
//! written (a generation that is missing, a lease in place of another's or of a value that was rejected) the
//! script does all of it in one step; on the server it costs several times what a look does.
//!
//! What is there and was written in another life of the server is answered as nothing, and what was written by others as an
//! empty value, which no entry is: see `incarnation`.

use std::time::Duration;

use cache_core::store::{Claim, Fetched, Generation, Token};
use redis::Value;

use crate::error::Failure;
use crate::script::{Arg, Call, FENCE, FETCH, LEASE, VALUE};
use crate::time::{FOREVER, GENERATION, millis};

/// A name to be read, with its scopes, and perhaps to be claimed.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) name: &'a str,
    pub(crate) scopes: &'a [String],
    pub(crate) claim: Option<&'a Claim<'a>>,
    /// Whether anybody wants to know for how long the value is kept.
    pub(crate) timed: bool,
}

/// The bytes of a lease, its mark included.
const LEASE_LEN: usize = 17;

/// What the server answered to a look, but for the generations.
pub(crate) struct Answer {
    /// Nothing, if it was not asked for.
    pub(crate) ttl: Option<Value>,
    pub(crate) value: Value,
    /// What became of the lease, if one was sent along.
    pub(crate) lease: Option<Value>,
}

/// What a look has found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Found(Fetched),
    /// Nothing, and no lease was sent along.
    Unclaimed(Fetched),
    /// It takes the script.
    Unclear,
}

impl Seen {
    /// What was found, unless there is more to do.
    pub(crate) fn found(self) -> Option<Fetched> {
        if let Self::Found(found) = self { Some(found) } else { None }
    }
}

impl Answer {
    /// What it says to a look with this `claim`, with the generations of the scopes.
    pub(crate) fn seen<'r>(
        self,
        claim: Option<&Claim<'_>>,
        generations: impl ExactSizeIterator<Item = &'r Value>,
    ) -> Result<Seen, Failure> {
        let Self { ttl, value, lease } = self;
        let Some(generations) = all(generations)? else { return Ok(Seen::Unclear) };
        let ttl = match ttl.map(answered).transpose()? {
            None => Duration::ZERO,
            Some(Value::Int(ttl)) => left(ttl),
            Some(_) => return Err(Failure::unexpected()),
        };
        let absent = |generations| Fetched { generations, ..Fetched::default() };
        match answered(value)? {
            Value::BulkString(bytes) if is_lease(&bytes) => match claim {
                None => Ok(Seen::Found(absent(generations))),
                // Its own was left by a look before this, over a connection that broke.
                Some(claim) if claim.yields && bytes[1..] != claim.token.0 => {
                    Ok(Seen::Found(Fetched { leased: true, ..absent(generations) }))
                }
                Some(_) => Ok(Seen::Unclear),
            },
            Value::BulkString(bytes) if bytes.first() == Some(&FENCE) => {
                Ok(Seen::Found(Fetched { fenced: true, ..absent(generations) }))
            }
            Value::BulkString(bytes) => {
                let bytes = unmarked(bytes);
                let rejected = claim.and_then(|claim| claim.reject);
                if rejected.is_some_and(|reject| bytes.starts_with(reject)) {
                    return Ok(Seen::Unclear);
                }
                Ok(Seen::Found(Fetched { value: Some(bytes), ttl, ..absent(generations) }))
            }
            Value::Nil => match lease {
                Some(reply) => claimed(reply, absent(generations)),
                None if claim.is_some() => Ok(Seen::Unclaimed(absent(generations))),
                None => Ok(Seen::Found(absent(generations))),
            },
            _ => Err(Failure::unexpected()),
        }
    }
}

/// The value under a name, if that is what is there; nothing if it is anything else.
pub(crate) fn value(reply: Value) -> Result<Option<Vec<u8>>, Failure> {
    Ok(match answered(reply)? {
        Value::BulkString(bytes) if bytes.first() == Some(&VALUE) => Some(unmarked(bytes)),
        _ => None,
    })
}

/// Puts a lease where there is nothing.
pub(crate) fn lease<'a>(name: &'a str, token: &'a Token, time: Duration) -> Call<'a> {
    let args =
        vec![Arg::Marked(LEASE, &token.0), Arg::Bytes(b"PX"), Arg::Number(millis(time)), Arg::Bytes(b"NX")];
    Call::command("SET", vec![name], args)
}

impl<'a> Look<'a> {
    /// The script that reads, and writes whatever there is to be written.
    pub(crate) fn script(&self) -> Call<'a> {
        let mut args = vec![Arg::Number(millis(GENERATION)), Arg::NewGeneration];
        if let Some(claim) = self.claim {
            args.extend([
                Arg::Marked(LEASE, &claim.token.0),
                Arg::Number(millis(claim.lease)),
                Arg::Number(claim.yields.into()),
            ]);
            args.extend(claim.reject.map(|reject| Arg::Marked(VALUE, reject)));
        }
        let keys = std::iter::once(self.name).chain(self.scopes.iter().map(String::as_str));
        Call::script(&FETCH, keys.collect(), args)
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
        let generations = parts.map(|part| generation(&part)).collect::<Result<Option<Vec<_>>, _>>()?;
        let generations = generations.ok_or_else(Failure::unexpected)?;
        if generations.len() != self.scopes.len() {
            return Err(Failure::unexpected());
        }
        // Without a value there is no time to live; the script then says why there may be none.
        let (ttl, why) = if value.is_some() { (left(ttl), 0) } else { (Duration::ZERO, ttl) };
        Ok(Fetched { value, ttl, generations, leased: why == 1, fenced: why == 2 })
    }
}

/// What the answer to a [`lease`] says about a name under which there was nothing.
pub(crate) fn claimed(reply: Value, absent: Fetched) -> Result<Seen, Failure> {
    match answered(reply)? {
        Value::Okay => Ok(Seen::Found(absent)),
        // Somebody came between, or what is there is none of ours.
        _ => Ok(Seen::Unclear),
    }
}

/// The answer, unless it is a refusal.
pub(crate) fn answered(reply: Value) -> Result<Value, Failure> {
    if let Value::ServerError(error) = &reply { Err(Failure::refused(error)) } else { Ok(reply) }
}

/// A generation, or nothing if what stands there is none.
pub(crate) fn generation(reply: &Value) -> Result<Option<Generation>, Failure> {
    match reply {
        Value::BulkString(bytes) => Ok(bytes.as_slice().try_into().ok().map(Generation)),
        Value::Nil => Ok(None),
        _ => Err(Failure::unexpected()),
    }
}

/// All of these generations; nothing if one of them is none.
pub(crate) fn all<'r>(
    replies: impl ExactSizeIterator<Item = &'r Value>,
) -> Result<Option<Vec<Generation>>, Failure> {
    let mut known = Vec::with_capacity(replies.len());
    for reply in replies {
        match generation(reply)? {
            Some(generation) => known.push(generation),
            None => return Ok(None),
        }
    }
    Ok(Some(known))
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
    use super::*;

    const CLAIM: Claim<'static> =
        Claim { reject: Some(b"old"), ..Claim::new(Token([7; 16]), Duration::from_secs(1)) };

    fn bytes(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn seen(
        claim: Option<&Claim<'_>>,
        [ttl, value, generation]: [Value; 3],
        lease: Option<Value>,
    ) -> Option<Seen> {
        Answer { ttl: Some(ttl), value, lease }.seen(claim, std::iter::once(&generation)).ok()
    }

    fn found(value: Option<&str>, millis: u64) -> Fetched {
        let value = value.map(|text| text.as_bytes().to_vec());
        let generations = vec![Generation(*b"12345678")];
        Fetched { value, ttl: Duration::from_millis(millis), generations, ..Fetched::default() }
    }

    #[test]
    fn a_look_is_enough_unless_there_is_more_to_write() {
        let generation = || bytes("12345678");
        let lease = || Value::BulkString([&b"P"[..], &[9; 16]].concat());
        let hit = |value| Some(Seen::Found(found(Some(value), 5)));
        let nothing = || Some(Seen::Found(found(None, 0)));

        let plain = |value| seen(None, [Value::Int(5), value, generation()], None);
        assert_eq!(plain(bytes("Vvalue")), hit("value"));
        assert_eq!(plain(bytes("foreign")), hit("foreign"));
        assert_eq!(plain(bytes("")), hit(""));
        assert_eq!(plain(Value::Nil), nothing());
        assert_eq!(plain(lease()), nothing());
        assert_eq!(seen(None, [Value::Int(5), bytes("Vvalue"), Value::Nil], None), Some(Seen::Unclear));
        assert_eq!(seen(None, [Value::Int(5), bytes("Vvalue"), bytes("short")], None), Some(Seen::Unclear));

        let claiming = |value, lease| seen(Some(&CLAIM), [Value::Int(5), value, generation()], lease);
        for reply in [None, Some(Value::Nil)] {
            assert_eq!(claiming(bytes("Vvalue"), reply.clone()), hit("value"));
            assert_eq!(claiming(lease(), reply.clone()), Some(Seen::Unclear), "the newest claim wins");
            assert_eq!(claiming(bytes("Volder"), reply.clone()), Some(Seen::Unclear), "it is rejected");
            assert_eq!(claiming(bytes("old"), reply), Some(Seen::Unclear), "it is rejected");
        }
        let yielding = Claim { yields: true, ..CLAIM };
        let yielded = Fetched { leased: true, ..found(None, 0) };
        let answer = seen(Some(&yielding), [Value::Int(5), lease(), generation()], None);
        assert_eq!(answer, Some(Seen::Found(yielded)));
        let own = Value::BulkString([&b"P"[..], &CLAIM.token.0].concat());
        let answer = seen(Some(&yielding), [Value::Int(5), own, generation()], None);
        assert_eq!(answer, Some(Seen::Unclear), "nobody yields to himself");
        let fence = || Value::BulkString([&b"F"[..], &[9; 29]].concat());
        let fenced = || Some(Seen::Found(Fetched { fenced: true, ..found(None, 0) }));
        assert_eq!((plain(fence()), claiming(fence(), Some(Value::Nil))), (fenced(), fenced()));
        let around_the_scope = Value::BulkString(vec![9; 8 + 29]);
        let answer = seen(None, [Value::Int(5), bytes("Vvalue"), around_the_scope], None);
        assert_eq!(answer, Some(Seen::Unclear), "the script knows what it is");
        assert_eq!(claiming(Value::Nil, None), Some(Seen::Unclaimed(found(None, 0))));
        assert_eq!(claiming(Value::Nil, Some(Value::Okay)), nothing());
        assert_eq!(claiming(Value::Nil, Some(Value::Nil)), Some(Seen::Unclear), "somebody came between");
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
            [Value::Nil, Value::Nil, bytes("12345678")],
            [bytes("1"), Value::Nil, bytes("12345678")],
            [Value::Int(1), Value::Int(1), bytes("12345678")],
            [Value::Int(1), Value::Nil, Value::Int(1)],
        ];
        for replies in looks {
            assert_eq!(seen(None, replies.clone(), None), None, "{replies:?}");
            assert_eq!(seen(Some(&CLAIM), replies.clone(), None), None, "{replies:?}");
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
            let look = Look { name: "name", scopes: &scopes, claim: None, timed: true };
            assert!(look.read(reply.clone()).is_err(), "{reply:?}");
        }
    }
}
