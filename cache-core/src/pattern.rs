//! Patterns: text in which `*` stands for any run of characters, and what of a cache one of them can reach.

use std::fmt;
use std::sync::Arc;

use crate::key::{KeyArgument, KeyPart, KeyWriter};
use crate::scope::levels;

/// A set of keys: text in which every `*` matches any run of characters, `:` included.
///
/// Values that are written into a pattern are escaped as in a key, so a value never acts as a wildcard.
///
/// In memory an invalidation takes exactly what matches. What is in a remote store goes by whole levels of its key, so that it
/// costs the same however much it reaches: `user:*` and `user:42:*` are exact there, too; `user:4*` and `user:*:posts` take all of
/// `user:*` along, and `*:posts` everything. What is taken along is loaded again, and is never wrong.
///
/// # Examples
///
/// ```
/// use cache_core::Pattern;
///
/// let pattern = Pattern::from("user:*:posts");
/// assert!(pattern.matches("user:42:posts"));
/// assert!(pattern.matches("user:42:drafts:posts"));
/// assert!(!pattern.matches("user:42"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Arc<str>,
}

/// Every value of one argument, where a pattern is built from arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Any;

/// How an invalidation of a pattern is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach<'a> {
    /// Nothing but this key: the pattern has no wildcard.
    Key(&'a str),
    /// Every key that begins with this prefix, which is one that entries know they are covered by.
    Level(&'a str),
    /// Every key.
    Everything,
    /// Whatever matches.
    Glob,
}

impl Pattern {
    /// The pattern that `write` writes.
    #[must_use]
    pub fn build(write: impl FnOnce(&mut KeyWriter)) -> Self {
        let mut writer = KeyWriter::new();
        write(&mut writer);
        Self { text: Arc::from(&*String::from_utf8_lossy(writer.as_bytes())) }
    }

    /// The text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `key` is in the set. Takes time linear in the length of the pattern and the key together.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        self.matches_by(key, |rest, piece| rest.find(piece))
    }

    /// The bytes that [`matches`](Self::matches) lets its searches pass over, for the proof that they are few.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    #[must_use]
    pub fn steps(&self, key: &str) -> usize {
        let mut steps = 0;
        self.matches_by(key, |rest, piece| {
            let found = rest.find(piece);
            // A search is linear in the piece, and in what it passes over until it has found it.
            steps += piece.len() + 1 + found.map_or(rest.len(), |at| at + piece.len());
            found
        });
        steps
    }

    /// Whether `key` is in the set, with the search for a piece of the pattern in the rest of the key.
    fn matches_by(&self, key: &str, mut find: impl FnMut(&str, &str) -> Option<usize>) -> bool {
        let Some((head, rest)) = self.text.split_once('*') else { return *self.text == *key };
        let Some(mut key) = key.strip_prefix(head) else { return false };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The leftmost place of each piece leaves the most room for the next: no need to go back.
        for piece in middle.split('*') {
            let Some(found) = find(key, piece) else { return false };
            key = &key[found + piece.len()..];
        }
        key.ends_with(tail)
    }

    pub(crate) fn reach(&self) -> Reach<'_> {
        let Some((head, rest)) = self.text.split_once('*') else { return Reach::Key(&self.text) };
        match (head, rest) {
            ("", "") => Reach::Everything,
            (_, "") if levels(head).last() == Some(head) => Reach::Level(head),
            _ => Reach::Glob,
        }
    }

    /// The longest prefix scope that covers everything the pattern matches, if one does.
    pub(crate) fn widened(&self) -> Option<&str> {
        let head = self.text.split('*').next().unwrap_or_default();
        levels(head).last()
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self { text: Arc::from(text) }
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self { text: Arc::from(text) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

/// A value or [`Any`], given for an argument of type `T`. The marker keeps the two apart.
#[diagnostic::on_unimplemented(
    message = "expected `{T}` or `Any` for this argument of the pattern, found `{Self}`",
    label = "expected `{T}` or `Any`"
)]
pub trait PatternArgument<T: ?Sized, M> {
    /// The value; nothing for every value.
    fn argument(&self) -> Option<&T>;
}

/// Marks an argument that is given.
#[derive(Debug)]
pub enum Given {}

/// Marks an argument that may be anything.
#[derive(Debug)]
pub enum Every {}

impl<T: ?Sized, A: KeyArgument<T>> PatternArgument<T, Given> for A {
    fn argument(&self) -> Option<&T> {
        Some(KeyArgument::argument(self))
    }
}

impl<T: ?Sized> PatternArgument<T, Every> for Any {
    fn argument(&self) -> Option<&T> {
        None
    }
}

/// A key part or [`Any`], given for an argument of generic type.
pub trait PatternPart {
    /// Writes the text of the value, or a wildcard.
    fn write(&self, pattern: &mut KeyWriter);
}

impl<T: KeyPart + ?Sized> PatternPart for T {
    fn write(&self, pattern: &mut KeyWriter) {
        KeyPart::write(self, pattern);
    }
}

impl PatternPart for Any {
    fn write(&self, pattern: &mut KeyWriter) {
        pattern.wildcard();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_any_run() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("user:*", &["user:", "user:1", "user:1:posts"], &["user", "users:1", "xuser:1"]),
            ("*", &["", "a", "a:b"], &[]),
            ("*:posts", &[":posts", "user:1:posts"], &["posts", "user:posts:1"]),
            ("a*b*c", &["abc", "axbxc", "abcbc"], &["ab", "acb", "abcx"]),
            ("a*a", &["aa", "aba"], &["a"]),
            ("a**b", &["ab", "axb"], &["a"]),
            ("plain", &["plain"], &["plai", "plainx"]),
            ("*ab*ab*", &["abab", "xabyabz"], &["ab", "aab"]),
        ];
        for (pattern, inside, outside) in cases {
            for key in *inside {
                assert!(Pattern::from(*pattern).matches(key), "{pattern} should match {key}");
            }
            for key in *outside {
                assert!(!Pattern::from(*pattern).matches(key), "{pattern} should not match {key}");
            }
        }
    }

    #[test]
    fn a_value_is_never_a_wildcard() {
        let pattern = Pattern::build(|pattern| {
            pattern.literal("user:");
            KeyPart::write("*", pattern);
            pattern.literal(":");
            pattern.wildcard();
        });
        assert_eq!(pattern.as_str(), "user:%2A:*");
        assert!(!pattern.matches("user:1:posts"));
    }

    #[test]
    fn reach_is_the_cheapest_scope_that_is_exact() {
        assert_eq!(Pattern::from("user:42").reach(), Reach::Key("user:42"));
        assert_eq!(Pattern::from("user:*").reach(), Reach::Level("user:"));
        assert_eq!(Pattern::from("user:42:*").reach(), Reach::Level("user:42:"));
        assert_eq!(Pattern::from("*").reach(), Reach::Everything);
        assert_eq!(Pattern::from("us*").reach(), Reach::Glob);
        assert_eq!(Pattern::from("*:posts").reach(), Reach::Glob);
        assert_eq!(Pattern::from("user:*:posts").reach(), Reach::Glob);
        assert_eq!(Pattern::from("a:b:c:d:e:f:g:h:i:*").reach(), Reach::Glob, "deeper than entries know");
    }

    #[test]
    fn widening_covers_the_pattern() {
        assert_eq!(Pattern::from("user:*:posts").widened(), Some("user:"));
        assert_eq!(Pattern::from("user:4*").widened(), Some("user:"));
        assert_eq!(Pattern::from("*:posts").widened(), None);
        assert_eq!(Pattern::from("a:b:c:d:e:f:g:h:i:*").widened(), Some("a:b:c:d:e:f:g:h:"));
    }
}
