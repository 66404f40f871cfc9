//! The records by which processes tell each other what they have invalidated, as they stand in the log of a remote
//! store. What is done about one is decided in `feed`.
//!
//! A record is the sender, perhaps what is fenced, and then its scopes: for each a letter, the length of its text in four
//! bytes, and the text. What cannot be read covers everything: it may come from a newer version.

use std::time::Duration;

use crate::key::Key;
use crate::pattern::Pattern;
use crate::scope::{Scope, levels};
use crate::store::{Fence, Token};
use crate::tag::Tag;

/// The bytes after which a record ends, and another begins for what is left.
const FULL: usize = 16 * 1024;

/// The bytes of the token and the time of a fence.
const FENCE_LEN: u32 = 16 + 8;

/// The longest text of a scope that is passed on. What has a longer one is widened.
const MAX_TEXT: usize = 4 * 1024;

/// What an invalidation does to what is stored under its scopes from then on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Around {
    #[default]
    Nothing,
    /// A mutation begins: while its fence stands nothing is stored.
    Begin(Fence),
    /// It has ended, and its fence is gone; but for so long nothing is stored yet.
    End(Fence),
}

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) sender: Option<Token>,
    pub(crate) around: Around,
    /// What has moved.
    pub(crate) scopes: Vec<Scope>,
}

/// An invalidation of `scopes` by `sender`, in records of bounded size: at least one.
pub(crate) fn write(sender: Token, around: Around, scopes: &[Scope]) -> Vec<Vec<u8>> {
    let begun = || {
        let mut record = sender.0.to_vec();
        if let Around::Begin(fence) | Around::End(fence) = around {
            record.push(if matches!(around, Around::Begin(_)) { b'f' } else { b'e' });
            record.extend(FENCE_LEN.to_le_bytes());
            record.extend(fence.token.0);
            record.extend(u64::try_from(fence.lasts.as_millis()).unwrap_or(u64::MAX).to_le_bytes());
        }
        record
    };
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

/// What `record` says.
pub(crate) fn read(record: &[u8]) -> Record {
    let everything = |sender| Record { sender, around: Around::Nothing, scopes: vec![Scope::Everything] };
    let Some((sender, mut rest)) = record.split_first_chunk() else { return everything(None) };
    let sender = Some(Token(*sender));
    let (mut around, mut scopes) = (Around::Nothing, Vec::new());
    while let Some(letter) = rest.first() {
        let said = match letter {
            b'f' | b'e' => next_fence(&mut rest).map(|said| around = said),
            _ => next(&mut rest).map(|scope| scopes.push(scope)),
        };
        if said.is_none() {
            return everything(sender);
        }
    }
    Record { sender, around, scopes }
}

fn next_fence(rest: &mut &[u8]) -> Option<Around> {
    let (letter, bytes) = part(rest)?;
    let (token, millis) = bytes.split_first_chunk()?;
    let lasts = Duration::from_millis(u64::from_le_bytes(millis.try_into().ok()?));
    let fence = Fence { token: Token(*token), lasts };
    Some(if letter == b'f' { Around::Begin(fence) } else { Around::End(fence) })
}

/// A letter, and what belongs to it.
fn part<'r>(rest: &mut &'r [u8]) -> Option<(u8, &'r [u8])> {
    let (&letter, after) = rest.split_first()?;
    let (length, after) = after.split_first_chunk()?;
    let (bytes, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *rest = after;
    Some((letter, bytes))
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
    let (letter, text) = part(rest)?;
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

    fn write(scopes: &[Scope]) -> Vec<Vec<u8>> {
        super::write(SENDER, Around::Nothing, scopes)
    }

    /// Who wrote it, and what has moved.
    fn said(record: &[u8]) -> (Option<Token>, Vec<Scope>) {
        let Record { sender, around, scopes } = read(record);
        assert_eq!(around, Around::Nothing);
        (sender, scopes)
    }

    #[test]
    fn what_was_written_is_read() {
        let scopes = vec![
            Scope::Key("user:1".into()),
            Scope::Key("x".repeat(600).into()),
            Scope::Pattern("user:*:posts".into()),
            Scope::Tag("team:ü".into()),
            Scope::Everything,
        ];
        let records = write(&scopes);
        assert_eq!(records.len(), 1);
        assert_eq!(said(&records[0]), (Some(SENDER), scopes.clone()));
        assert_eq!(said(&write(&[])[0]), (Some(SENDER), vec![]));
        let fence = Fence { token: Token([9; 16]), lasts: Duration::from_secs(30) };
        for around in [Around::Begin(fence), Around::End(fence)] {
            let record = &super::write(SENDER, around, &scopes)[0];
            assert_eq!(read(record), Record { sender: Some(SENDER), around, scopes: scopes.clone() });
        }
    }

    #[test]
    fn a_record_is_bounded_and_nothing_is_left_out() {
        let scopes: Vec<Scope> = (0..5_000).map(|number| format!("user:{number}").into()).collect();
        let records = write(&scopes);
        assert!(records.len() > 1 && records.iter().all(|record| record.len() < FULL + MAX_TEXT + 5));
        let read: Vec<Scope> = records.iter().flat_map(|record| said(record).1).collect();
        assert_eq!(read, scopes);

        let long = "x".repeat(MAX_TEXT + 1);
        for (scope, widened) in [
            (Scope::Key(format!("user:{long}").into()), Scope::Pattern("user:*".into())),
            (Scope::Key(long.as_str().into()), Scope::Everything),
            (Scope::Key(format!("{long}:1").into()), Scope::Everything),
            (Scope::Tag(long.as_str().into()), Scope::Everything),
            (Scope::Pattern(format!("{long}*").into()), Scope::Everything),
        ] {
            assert_eq!(said(&write(&[scope])[0]).1, [widened]);
        }
    }

    #[test]
    fn what_cannot_be_read_covers_everything() {
        assert_eq!(said(b""), (None, vec![Scope::Everything]));
        assert_eq!(said(&[7; 15]), (None, vec![Scope::Everything]));
        let whole = &write(&["user:1".into(), Scope::Tag("users".into())])[0];
        for cut in 17..whole.len() {
            let scopes = said(&whole[..cut]).1;
            // Between two scopes it is a record of the first alone.
            let expected = if cut == 16 + 5 + 6 { Scope::Key("user:1".into()) } else { Scope::Everything };
            assert_eq!(scopes, [expected], "{cut}");
        }
        let unknown = [&SENDER.0[..], b"?\0\0\0\0"].concat();
        assert_eq!(said(&unknown).1, [Scope::Everything]);
        let no_text = [&SENDER.0[..], b"k\x01\0\0\0\xff"].concat();
        assert_eq!(said(&no_text).1, [Scope::Everything]);
        let no_fence = [&SENDER.0[..], b"f\x01\0\0\0\xff"].concat();
        assert_eq!(said(&no_fence).1, [Scope::Everything]);
    }
}
