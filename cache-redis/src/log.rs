//! The log of a namespace: by which keys it is kept, what is appended to it, and what its answers mean.
//! What the records say is the cache's business.
//!
//! A log is a stream, with records `<number>-0`, beside a hash that is its control state. Neither has a time to live, so
//! that a server that evicts only what has one keeps them. Whatever becomes of either, nobody takes a log for whole
//! that is not; see `script/control.lua`.

use std::time::Duration;

use cache_core::store::{Append, News, Position, Reader};
use cache_core::{Error, ErrorKind};
use redis::Value;

use crate::error::Failure;
use crate::read::answered;
use crate::remote::whether;
use crate::script::{Arg, Call, HEARD, NEWS};
use crate::time::millis;

/// Records that a log keeps. Whoever is further behind trusts nothing that it has, and begins anew.
const KEPT: u64 = 100_000;

/// Records that are read at a time.
const READ: u64 = 256;

/// The keys of a log.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) control: String,
    pub(crate) log: String,
    pub(crate) readers: String,
}

impl Keys {
    /// All in one slot of a cluster.
    pub(crate) fn of(log: &str) -> Self {
        let log = if log.contains('{') { log.to_owned() } else { format!("{{{log}}}") };
        Self { control: format!("{log}:ctl"), log: format!("{log}:log"), readers: format!("{log}:readers") }
    }

    /// Reads the records after `after`.
    pub(crate) fn read<'a>(&'a self, after: Option<&'a Position>, reader: &'a Reader) -> Call<'a> {
        let mut args = vec![Arg::Incarnation, Arg::NewEpoch];
        args.extend([Arg::Bytes(&reader.name.0), Arg::Number(millis(reader.trusts_for))]);
        if let Some(Position { epoch, sequence }) = after {
            args.extend([Arg::Bytes(epoch), Arg::Number(*sequence), Arg::Number(READ)]);
        }
        Call::script(&NEWS, self.all(), args)
    }

    /// Asks whether every reader has read up to `position`.
    pub(crate) fn heard<'a>(&'a self, position: &'a Position, trusted: Duration) -> Call<'a> {
        let Position { epoch, sequence } = position;
        let trusted = if trusted.is_zero() { 0 } else { millis(trusted) };
        let args = vec![
            Arg::Incarnation,
            Arg::NewEpoch,
            Arg::Bytes(epoch),
            Arg::Number(*sequence),
            Arg::Number(trusted),
        ];
        Call::script(&HEARD, self.all(), args)
    }

    fn all(&self) -> Vec<&str> {
        vec![&self.control, &self.log, &self.readers]
    }
}

/// What the script that appends is told.
pub(crate) fn appended<'a>(append: &Append<'a>) -> impl Iterator<Item = Arg<'a>> {
    let state = [Arg::NewEpoch, Arg::Number(KEPT)];
    state.into_iter().chain(append.records.iter().map(|record| Arg::Bytes(record)))
}

/// The position that the script answers; nothing if it has appended nothing.
pub(crate) fn position(reply: Value) -> Result<Option<Position>, Failure> {
    let Value::Array(parts) = answered(reply)? else { return Err(Failure::unexpected()) };
    if parts.is_empty() { Ok(None) } else { Ok(Some(place(&parts)?)) }
}

/// Whether a record is heard, as the script answers.
pub(crate) fn is_heard(reply: Value) -> cache_core::Result<bool> {
    match answered(reply)? {
        Value::Int(2) => Err(Error::new(
            ErrorKind::Unsupported,
            "the log has begun anew, and nobody knows who has read the old one",
        )),
        reply => Ok(whether(reply)?),
    }
}

/// The news that the script answers.
pub(crate) fn news(reply: Value) -> Result<News, Failure> {
    let Value::Array(mut parts) = answered(reply)? else { return Err(Failure::unexpected()) };
    let records = match (parts.len(), parts.pop()) {
        (3, Some(Value::Array(records))) => records,
        (2, Some(last)) => {
            parts.push(last);
            Vec::new()
        }
        _ => return Err(Failure::unexpected()),
    };
    let records = records.into_iter().map(record).collect::<Option<_>>().ok_or_else(Failure::unexpected)?;
    Ok(News { end: place(&parts)?, records })
}

fn place(parts: &[Value]) -> Result<Position, Failure> {
    let [Value::BulkString(epoch), Value::Int(sequence)] = parts else { return Err(Failure::unexpected()) };
    let epoch = epoch.as_slice().try_into().map_err(|_| Failure::unexpected())?;
    let sequence = u64::try_from(*sequence).map_err(|_| Failure::unexpected())?;
    Ok(Position { epoch, sequence })
}

/// `[<number>-0, [r, <bytes>]]`.
fn record(entry: Value) -> Option<(u64, Vec<u8>)> {
    let Value::Array(parts) = entry else { return None };
    let [Value::BulkString(id), Value::Array(fields)] = <[Value; 2]>::try_from(parts).ok()? else {
        return None;
    };
    let number = std::str::from_utf8(&id).ok()?.strip_suffix("-0")?.parse().ok()?;
    let [_, Value::BulkString(bytes)] = <[Value; 2]>::try_from(fields).ok()? else { return None };
    Some((number, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn news_are_read_whole_or_not_at_all() {
        let epoch = "0123456789abcdef";
        let end = Position { epoch: *b"0123456789abcdef", sequence: 7 };
        let entry = |id| Value::Array(vec![bytes(id), Value::Array(vec![bytes("r"), bytes("record")])]);
        let reply = |records| Value::Array(vec![bytes(epoch), Value::Int(7), Value::Array(records)]);
        let records = vec![(6, b"record".to_vec()), (7, b"record".to_vec())];
        assert_eq!(news(reply(vec![entry("6-0"), entry("7-0")])).ok(), Some(News { end, records }));
        let nothing = Value::Array(vec![bytes(epoch), Value::Int(7)]);
        assert_eq!(news(nothing.clone()).ok(), Some(News { end, records: vec![] }));
        assert_eq!(position(nothing).ok(), Some(Some(end)));
        assert_eq!(position(Value::Array(vec![])).ok(), Some(None));

        let short = Value::Array(vec![bytes("0123"), Value::Int(7)]);
        assert!(position(short.clone()).is_err() && news(short).is_err());
        let negative = Value::Array(vec![bytes(epoch), Value::Int(-1)]);
        assert!(position(negative.clone()).is_err() && news(negative).is_err());
        for odd in [bytes("6-0"), entry("6-1"), entry("6"), entry("x-0"), Value::Array(vec![bytes("6-0")])] {
            assert!(news(reply(vec![odd.clone()])).is_err(), "{odd:?}");
        }
        for odd in [Value::Nil, Value::Int(1), Value::Array(vec![Value::Nil; 4]), Value::Array(vec![])] {
            assert!(news(odd.clone()).is_err(), "{odd:?}");
        }
    }
}
