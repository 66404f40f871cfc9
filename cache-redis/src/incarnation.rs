//! The life of a server that something was written in: what another life has left behind counts as absent.
//!
//! A server that was restarted from an older copy of its data, or a replica that was promoted before it had heard
//! everything, holds values, leases and generations that were removed or moved since. Both begin a new history of
//! replication, with a new number. So that number stands at the beginning of whatever is stored, and what begins with
//! another is not read: it is as gone as it may have been.
//!
//! Only `link` knows: it writes the number into what is sent, and takes it out of what is answered.

use cache_core::store::Token;
use redis::Value;

use crate::script::{FENCE, LEASE, VALUE};

/// The beginning of the number of a server's history. Zero where the server does not tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Incarnation(pub(crate) [u8; LEN]);

/// Bytes of it that are kept: two histories have the same with one chance in 2⁶⁴.
pub(crate) const LEN: usize = 8;

impl Incarnation {
    /// What `INFO replication` says; nothing if it says none.
    pub(crate) fn told_by(info: &Value) -> Option<Self> {
        let digits = figure(info, "master_replid")?.as_bytes().get(..2 * LEN)?;
        let mut bytes = [0; LEN];
        for (byte, digits) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Leaves of `reply` what it says of this life of the server: a value, a lease or a fence without the incarnation after its
    /// mark, a generation without that before it, and nothing in place of what another life has left. What was never
    /// ours is an empty text: no generation, and a value that whoever asked will refuse, and count.
    pub(crate) fn take_out_of(self, reply: &mut Value) {
        match reply {
            Value::Array(parts) => parts.iter_mut().for_each(|part| self.take_out_of(part)),
            Value::BulkString(bytes) => {
                let from = match bytes.first() {
                    // No generation begins so, but for one incarnation in 2⁶⁴.
                    Some(&(LEASE | VALUE | FENCE)) if bytes[1..].starts_with(&self.0) => 1,
                    _ if bytes.starts_with(&self.0) => 0,
                    Some(&(VALUE | FENCE)) if bytes.len() > LEN => return *reply = Value::Nil,
                    Some(&LEASE) if bytes.len() == 1 + LEN + size_of::<Token>() => {
                        return *reply = Value::Nil;
                    }
                    _ => return bytes.clear(),
                };
                bytes.drain(from..from + LEN);
            }
            _ => {}
        }
    }
}

/// What INFO says about `name`.
pub(crate) fn figure<'a>(info: &'a Value, name: &str) -> Option<&'a str> {
    let text = match info {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?,
        Value::VerbatimString { text, .. } => text,
        _ => return None,
    };
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn figures_are_found_by_their_whole_name() {
        let info = bytes("# Memory\r\nused_memory_human:1M\r\nused_memory:1048576\r\n");
        assert_eq!(figure(&info, "used_memory"), Some("1048576"));
        assert_eq!(figure(&info, "used"), None);
        assert_eq!(figure(&Value::Nil, "used_memory"), None);
    }

    #[test]
    fn an_incarnation_is_the_beginning_of_the_number_of_the_history() {
        let told =
            |text: &str| Incarnation::told_by(&bytes(&format!("role:master\r\nmaster_replid:{text}\r\n")));
        let one = told("0123456789abcdef0123456789abcdef01234567").unwrap();
        assert_eq!(one, Incarnation([0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]));
        for text in ["", "0123", "something else entirely"] {
            assert_eq!(told(text), None, "{text}");
        }
        assert_eq!(Incarnation::told_by(&Value::Nil), None);
    }

    #[test]
    fn what_is_of_another_life_is_taken_for_nothing_and_what_is_of_others_for_no_value() {
        let one = Incarnation(*b"ABCDEFGH");
        for (held, said) in [
            ("VABCDEFGHvalue", Some("Vvalue")),
            ("VABCDEFGH", Some("V")),
            ("PABCDEFGHtoken", Some("Ptoken")),
            ("FABCDEFGHfences", Some("Ffences")),
            ("ABCDEFGH12345678", Some("12345678")),
            ("VOTHERONEvalue", None),
            ("POTHERONE0123456789abcdef", None),
            ("FOTHERONEfences", None),
            ("POTHERONE0123456789", Some("")),
            ("OTHERONE12345678", Some("")),
            ("VABCDEFG", Some("")),
            ("value", Some("")),
            ("", Some("")),
        ] {
            let said = said.map_or(Value::Nil, bytes);
            let left_of = |mut reply| {
                one.take_out_of(&mut reply);
                reply
            };
            assert_eq!(left_of(bytes(held)), said, "{held}");
            let array = |value| Value::Array(vec![value, Value::Int(1)]);
            assert_eq!(left_of(array(bytes(held))), array(said), "{held}");
        }
    }
}
