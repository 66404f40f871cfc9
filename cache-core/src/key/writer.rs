//! The buffer that a key is written to: on the stack while it is short.

use std::sync::atomic::{AtomicU64, Ordering};

use arrayvec::ArrayVec;

/// Bytes kept without allocating: the length of nearly every key.
const INLINE: usize = 120;

/// Writes the text of a key, a pattern or a tag.
///
/// Literals go in as they are; values go in through [`escaped`](Self::escaped), which never writes a
/// character that has a meaning in a key or a pattern. Up to 120 bytes stay on the stack.
///
/// # Examples
///
/// ```
/// use cache_core::{Key, KeyPart, KeyWriter};
///
/// struct Shelf { room: u8, name: String }
///
/// impl KeyPart for Shelf {
///     fn write(&self, key: &mut KeyWriter) {
///         key.group(&self.room);
///         key.group(&self.name);
///     }
/// }
///
/// let shelf = Shelf { room: 2, name: "a:b".to_owned() };
/// let key = Key::build(|key| {
///     key.literal("shelf:");
///     shelf.write(key);
/// });
/// assert_eq!(key.as_str(), "shelf:(2)(a%3Ab)");
/// ```
#[derive(Clone, Debug)]
pub struct KeyWriter {
    /// Never cleared before it is written: that would cost as much as the writing.
    inline: ArrayVec<u8, INLINE>,
    /// All of the text, from the moment it was longer than `inline`.
    spilled: Option<Vec<u8>>,
    usable: bool,
}

impl KeyWriter {
    /// An empty buffer.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self { inline: ArrayVec::new(), spilled: None, usable: true }
    }

    /// Writes text of the template as it is.
    #[inline]
    pub fn literal(&mut self, text: &str) {
        self.push(text.as_bytes());
    }

    /// Writes a value: `%`, control characters, space and `: * ? < > { } [ ] ( ) \` as `%` and two hex digits.
    pub fn escaped(&mut self, value: &str) {
        let bytes = value.as_bytes();
        let mut clean = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if is_reserved(byte) || is_late_control(bytes, at) {
                self.push(&bytes[clean..at]);
                self.push(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                clean = at + 1;
            }
        }
        self.push(&bytes[clean..]);
    }

    /// Writes one part of a composite value, in parentheses.
    pub fn group(&mut self, part: &(impl super::KeyPart + ?Sized)) {
        self.push(b"(");
        part.write(self);
        self.push(b")");
    }

    /// Writes all that `other` holds.
    pub fn append(&mut self, other: &Self) {
        self.push(other.as_bytes());
        self.usable &= other.usable;
    }

    /// Writes `*`: in a [`Pattern`](crate::Pattern), any run of characters.
    pub fn wildcard(&mut self) {
        self.push(b"*");
    }

    /// Marks the key as unusable because a value could not be written.
    ///
    /// A call whose key is unusable bypasses the cache. The text gets a mark that no other key has, so
    /// that nothing is ever found under it.
    pub(super) fn fail(&mut self, reason: &dyn std::error::Error) {
        static FAILED: AtomicU64 = AtomicU64::new(0);
        tracing::warn!(target: "larder", %reason, "an argument cannot be written into a cache key; the call bypasses the cache");
        let number = FAILED.fetch_add(1, Ordering::Relaxed);
        self.push(format!("<unusable {number}>").as_bytes());
        self.usable = false;
    }

    /// Whether every value could be written.
    #[inline]
    pub(crate) fn is_usable(&self) -> bool {
        self.usable
    }

    /// The text so far.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.spilled {
            None => &self.inline,
            Some(text) => text,
        }
    }

    /// Writes bytes that are valid in place: text, or ASCII.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.spilled.is_some() || self.inline.try_extend_from_slice(bytes).is_err() {
            self.spill(bytes);
        }
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        self.spilled.get_or_insert_with(|| self.inline.to_vec()).extend_from_slice(bytes);
    }

    /// Puts everything written since `start` in parentheses.
    pub(super) fn wrap_from(&mut self, start: usize) {
        let inner = self.as_bytes()[start..].to_vec();
        match &mut self.spilled {
            None => self.inline.truncate(start),
            Some(text) => text.truncate(start),
        }
        self.push(b"(");
        self.push(&inner);
        self.push(b")");
    }
}

impl Default for KeyWriter {
    fn default() -> Self {
        Self::new()
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Whether the byte at `at` is one of the two of a control character from U+0080 to U+009F. A terminal obeys those
/// like the early ones: U+009B is the start of a command.
fn is_late_control(bytes: &[u8], at: usize) -> bool {
    const LEAD: u8 = 0xC2;
    match bytes[at] {
        LEAD => matches!(bytes.get(at + 1), Some(0x80..=0x9F)),
        0x80..=0x9F => at > 0 && bytes[at - 1] == LEAD,
        _ => false,
    }
}

/// Whether a value must escape `byte`: it has a meaning in a key, a pattern or a terminal.
/// Bytes above 127 are parts of longer characters.
fn is_reserved(byte: u8) -> bool {
    matches!(
        byte,
        0..=b' '
            | 0x7F
            | b'%'
            | b':'
            | b'*'
            | b'?'
            | b'<'
            | b'>'
            | b'{'
            | b'}'
            | b'['
            | b']'
            | b'('
            | b')'
            | b'\\'
    )
}
