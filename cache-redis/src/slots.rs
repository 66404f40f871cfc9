//! Which node of a cluster has which keys: hash slots, the map of them, and the answers that correct it.
//! Pure: nothing here asks anybody.

use std::fmt;

use redis::Value;

/// How many slots every cluster has.
const COUNT: u16 = 16_384;

/// Where a node listens.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The primary of each slot, as one node saw it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    /// In the order of their slots.
    ranges: Vec<Range>,
}

#[derive(Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    primary: Node,
}

/// An answer that says where else to ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Redirection {
    /// The slot belongs to this node.
    Moved(Node),
    /// The slot is on its way, and this key has arrived there or is nowhere.
    Ask(Node),
    /// The slot is on its way, and so are only some of the keys.
    TryAgain,
}

impl Slots {
    /// Reads the answer of `asked` to CLUSTER SLOTS; nothing if it has another form, or knows no slot.
    pub(crate) fn read(reply: &Value, asked: &Node) -> Option<Self> {
        let Value::Array(rows) = reply else { return None };
        let mut ranges = rows.iter().map(|row| range(row, asked)).collect::<Option<Vec<_>>>()?;
        ranges.sort_by_key(|range| range.first);
        (!ranges.is_empty()).then_some(Self { ranges })
    }

    /// The primary of `slot`, if it has one.
    pub(crate) fn primary(&self, slot: u16) -> Option<&Node> {
        let range = self.ranges.get(self.ranges.partition_point(|range| range.last < slot))?;
        (range.first <= slot).then_some(&range.primary)
    }

    /// Every primary, once.
    pub(crate) fn primaries(&self) -> Vec<&Node> {
        let mut primaries: Vec<&Node> = Vec::new();
        for Range { primary, .. } in &self.ranges {
            if !primaries.contains(&primary) {
                primaries.push(primary);
            }
        }
        primaries
    }
}

impl Redirection {
    /// Where else the answer of `asked` says to ask, if it does.
    pub(crate) fn of(reply: &Value, asked: &Node) -> Option<Self> {
        let Value::ServerError(error) = reply else { return None };
        let target = || {
            let (_slot, target) = error.details()?.trim().split_once(' ')?;
            let (host, port) = target.rsplit_once(':')?;
            Some(asked.beside(host, port.parse().ok()?))
        };
        match error.code() {
            "MOVED" => target().map(Self::Moved),
            "ASK" => target().map(Self::Ask),
            "TRYAGAIN" => Some(Self::TryAgain),
            _ => None,
        }
    }
}

impl Node {
    /// What this node calls `host`: without a name, where it was reached itself.
    fn beside(&self, host: &str, port: u16) -> Self {
        let host = if host.is_empty() || host == "?" { self.host.as_str() } else { host };
        Self { host: host.to_owned(), port }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The slot of `key`: of what stands in its first pair of braces, if that is something.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(key).as_bytes()) % COUNT
}

/// First slot, last slot, the primary, and replicas, which do not matter here.
fn range(row: &Value, asked: &Node) -> Option<Range> {
    let Value::Array(row) = row else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = row.as_slice() else {
        return None;
    };
    let [host, Value::Int(port), ..] = primary.as_slice() else { return None };
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        Value::Nil => "",
        _ => return None,
    };
    let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
    let primary = asked.beside(host, u16::try_from(*port).ok()?);
    (first <= last && last < COUNT).then_some(Range { first, last, primary })
}

/// The checksum that clusters hash with: CCITT, from zero, most significant bit first.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| crc << 8 ^ REMAINDERS[usize::from(crc >> 8 ^ u16::from(*byte))])
}

const REMAINDERS: [u16; 256] = {
    let mut table = [0; 256];
    let mut index: u16 = 0;
    while index < 256 {
        let mut crc = index << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[index as usize] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: u16) -> Node {
        Node { host: host.to_owned(), port }
    }

    fn row(first: i64, last: i64, host: Value, port: i64) -> Value {
        Value::Array(vec![Value::Int(first), Value::Int(last), Value::Array(vec![host, Value::Int(port)])])
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn keys_are_hashed_as_redis_does() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // As CLUSTER KEYSLOT says.
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{foo}:bar"), 12_182);
        assert_eq!(slot("a{foo}b{bar}"), 12_182);
        assert_eq!(slot("foo{}"), crc16(b"foo{}") % COUNT);
        assert_eq!(slot("{foo"), crc16(b"{foo") % COUNT);
        assert_eq!(slot("}{foo}"), 12_182);
        assert_eq!(slot("{}{foo}"), crc16(b"{}{foo}") % COUNT);
        assert_eq!(slot(""), 0);
    }

    #[test]
    fn a_map_finds_the_primary_of_each_slot() {
        let asked = node("10.0.0.9", 1);
        let reply = Value::Array(vec![
            row(5_461, 10_922, text("b"), 2),
            row(0, 5_460, text("a"), 1),
            row(11_000, 16_383, Value::Nil, 3),
        ]);
        let slots = Slots::read(&reply, &asked).unwrap();
        assert_eq!(slots.primary(0), Some(&node("a", 1)));
        assert_eq!(slots.primary(5_460), Some(&node("a", 1)));
        assert_eq!(slots.primary(5_461), Some(&node("b", 2)));
        assert_eq!(slots.primary(10_950), None, "nobody has it");
        assert_eq!(slots.primary(16_383), Some(&node("10.0.0.9", 3)), "a node that does not know its name");
        assert_eq!(slots.primaries().len(), 3);
    }

    #[test]
    fn an_answer_of_another_form_is_no_map_and_no_panic() {
        let asked = node("a", 1);
        let replies = [
            Value::Nil,
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(vec![])]),
            Value::Array(vec![row(0, 16_384, text("a"), 1)]),
            Value::Array(vec![row(-1, 3, text("a"), 1)]),
            Value::Array(vec![row(3, 1, text("a"), 1)]),
            Value::Array(vec![row(0, 1, text("a"), 70_000)]),
            Value::Array(vec![row(0, 1, Value::Int(1), 1)]),
        ];
        for reply in replies {
            assert_eq!(Slots::read(&reply, &asked), None, "{reply:?}");
        }
    }

    #[test]
    fn answers_that_say_where_else_to_ask() {
        let says = |text: &str| {
            let error = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
            Redirection::of(&error, &node("asked", 7))
        };
        assert_eq!(says("MOVED 3999 127.0.0.1:6381"), Some(Redirection::Moved(node("127.0.0.1", 6381))));
        assert_eq!(says("ASK 3999 ::1:6381"), Some(Redirection::Ask(node("::1", 6381))));
        assert_eq!(says("MOVED 3999 :6381"), Some(Redirection::Moved(node("asked", 6381))));
        assert_eq!(says("TRYAGAIN Multiple keys"), Some(Redirection::TryAgain));
        assert_eq!(says("CLUSTERDOWN down"), None);
        for text in ["MOVED", "MOVED 3999", "MOVED 3999 host", "ASK 3999 host:x", "ASK 3999 host:99999"] {
            assert_eq!(says(text), None, "{text}");
        }
    }
}
