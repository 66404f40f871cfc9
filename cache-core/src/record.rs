//! The records by which processes tell each other what they have invalidated, as they stand in the log of a remote
//! store. What is done about one is decided in `feed`.
//!
//! A record is the sender, and then its scopes: for each a letter, the length of its text in four bytes, and the
//! text. What cannot be read covers everything: it may come from a newer version.

use crate::key::Key;
use crate::pattern::Pattern;
use crate::scope::{Scope, levels};
use crate::store::Token;
use crate::tag::Tag;

/// The bytes after which a record ends, and another begins for what is left.
const FULL: usize = 16 * 1024;

/// The longest text of a scope that is passed on. What has a longer one is widened.
const MAX_TEXT: usize = 4 * 1024;

/// An invalidation of `scopes` by `sender`, in records of bounded size: at least one.
pub(crate) fn write(sender: Token, scopes: &[Scope]) -> Vec<Vec<u8>> {
    let begun = || sender.0.to_vec();
    let mut records = vec![begun()];
    for scope in scopes {
        if records.last().is_none_or(|record| record.len() >= FULL) {
            records.push(begun());
        }
        let (letter, text) = spelt(scope);
        if let (Some(record), Ok(length)) = (records.last_mut(), u32::try_from(text.len())) {
            record.push(letter);
            record.extend(length.to_le_bytes());
            record.extend(text.as_bytes());
        }
    }
    records
}

/// Who wrote the record, and what it says has moved.
pub(crate) fn read(record: &[u8]) -> (Option<Token>, Vec<Scope>) {
    let Some((sender, mut rest)) = record.split_first_chunk() else { return (None, vec![Scope::Everything]) };
    let mut scopes = Vec::new();
    while !rest.is_empty() {
        let Some(scope) = next(&mut rest) else { return (Some(Token(*sender)), vec![Scope::Everything]) };
        scopes.push(scope);
    }
    (Some(Token(*sender)), scopes)
}

fn spelt(scope: &Scope) -> (u8, &str) {
    let (letter, text) = match scope {
        Scope::Key(key) => (b'k', key.whole()),
        Scope::Pattern(pattern) => (b'p', pattern.as_str()),
        Scope::Tag(tag) => (b't', tag.as_str()),
        Scope::Everything => (b'*', ""),
    };
    match scope {
        _ if text.len() <= MAX_TEXT => (letter, text),
        Scope::Key(_) => levels(text)
            .filter(|level| level.len() <= MAX_TEXT)
            .last()
            .map_or((b'*', ""), |level| (b'l', level)),
        _ => (b'*', ""),
    }
}

fn next(rest: &mut &[u8]) -> Option<Scope> {
    let (&letter, after) = rest.split_first()?;
    let (length, after) = after.split_first_chunk()?;
    let (text, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *rest = after;
    let text = std::str::from_utf8(text).ok()?;
    match letter {
        b'k' => Some(Scope::Key(Key::from(text))),
        b'p' => Some(Scope::Pattern(Pattern::from(text))),
        b'l' => Some(Scope::Pattern(Pattern::from(format!("{text}*")))),
        b't' => Some(Scope::Tag(Tag::from(text))),
        b'*' => Some(Scope::Everything),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: Token = Token([7; 16]);

    #[test]
    fn what_was_written_is_read() {
        let scopes = vec![
            Scope::Key("user:1".into()),
            Scope::Key("x".repeat(600).into()),
            Scope::Pattern("user:*:posts".into()),
            Scope::Tag("team:ü".into()),
            Scope::Everything,
        ];
        let records = write(SENDER, &scopes);
        assert_eq!(records.len(), 1);
        assert_eq!(read(&records[0]), (Some(SENDER), scopes));
        assert_eq!(read(&write(SENDER, &[])[0]), (Some(SENDER), vec![]));
    }

    #[test]
    fn a_record_is_bounded_and_nothing_is_left_out() {
        let scopes: Vec<Scope> = (0..5_000).map(|number| format!("user:{number}").into()).collect();
        let records = write(SENDER, &scopes);
        assert!(records.len() > 1 && records.iter().all(|record| record.len() < FULL + MAX_TEXT + 5));
        let read: Vec<Scope> = records.iter().flat_map(|record| read(record).1).collect();
        assert_eq!(read, scopes);

        let long = "x".repeat(MAX_TEXT + 1);
        for (scope, widened) in [
            (Scope::Key(format!("user:{long}").into()), Scope::Pattern("user:*".into())),
            (Scope::Key(long.as_str().into()), Scope::Everything),
            (Scope::Key(format!("{long}:1").into()), Scope::Everything),
            (Scope::Tag(long.as_str().into()), Scope::Everything),
            (Scope::Pattern(format!("{long}*").into()), Scope::Everything),
        ] {
            assert_eq!(super::read(&write(SENDER, &[scope])[0]).1, [widened]);
        }
    }

    #[test]
    fn what_cannot_be_read_covers_everything() {
        assert_eq!(read(b""), (None, vec![Scope::Everything]));
        assert_eq!(read(&[7; 15]), (None, vec![Scope::Everything]));
        let whole = &write(SENDER, &["user:1".into(), Scope::Tag("users".into())])[0];
        for cut in 17..whole.len() {
            let scopes = read(&whole[..cut]).1;
            // Between two scopes it is a record of the first alone.
            let expected = if cut == 16 + 5 + 6 { Scope::Key("user:1".into()) } else { Scope::Everything };
            assert_eq!(scopes, [expected], "{cut}");
        }
        let unknown = [&SENDER.0[..], b"?\0\0\0\0"].concat();
        assert_eq!(read(&unknown).1, [Scope::Everything]);
        let no_text = [&SENDER.0[..], b"k\x01\0\0\0\xff"].concat();
        assert_eq!(read(&no_text).1, [Scope::Everything]);
    }
}
