//! The text that names an entry: how values are written into it, and its owned and borrowed forms.
//!
//! Nothing here knows of namespaces, stores or scopes.

mod argument;
#[cfg(any(feature = "chrono", feature = "time", feature = "uuid"))]
mod foreign;
mod part;
mod text;
mod writer;

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use text::Text;

pub use argument::{KeyArgument, part};
pub use part::{KeyPart, write_hash, write_lower};
pub use writer::KeyWriter;

/// The longest key, in bytes, that is stored as it is written.
pub const MAX_KEY_LEN: usize = 512;

/// Marks the digest of a long key. Values escape every `%`, so no argument can write it.
const DIGEST_MARK: &str = "%~";
/// Hex digits of a 128-bit digest.
const DIGEST_LEN: usize = 32;

/// One seed for the process, unknown outside, so that nobody can prepare keys that collide.
static SEED: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);

/// The 64-bit hash under which this process files `bytes`.
#[inline]
pub(crate) fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = SEED.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// An owned key: the name of one entry, without its namespace. Clones share the text, or copy it where that
/// is cheaper: up to 22 bytes are kept in place.
///
/// Text given by hand is taken literally, so `Key::from("user:42")` names what
/// `#[cached(key = "user:<id>")]` stores for `id = 42`. A key of more than [`MAX_KEY_LEN`] bytes is
/// stored as its readable head and a 128-bit BLAKE3 digest of the whole.
///
/// # Examples
///
/// ```
/// use cache_core::Key;
///
/// let key = Key::from("user:42");
/// assert_eq!(key.as_str(), "user:42");
/// assert!(Key::from("x".repeat(4096)).as_str().len() <= 512);
/// ```
#[derive(Clone)]
pub struct Key {
    text: Text,
    hash: u64,
}

impl Key {
    /// The key that `write` writes.
    #[must_use]
    pub fn build(write: impl FnOnce(&mut KeyWriter)) -> Self {
        let mut writer = KeyWriter::new();
        write(&mut writer);
        KeyRef::new(&writer).to_key()
    }

    /// The stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.stored()
    }

    /// The text as it was written, however long: what patterns are matched against.
    #[must_use]
    pub fn whole(&self) -> &str {
        self.text.whole()
    }

    /// The same as bytes, which nobody has to see to be text.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.bytes()
    }

    /// The stored text as bytes.
    pub(crate) fn stored_bytes(&self) -> &[u8] {
        self.text.stored_bytes()
    }

    /// The hash of the text in this process: differs between processes.
    #[must_use]
    #[inline]
    pub fn hash64(&self) -> u64 {
        self.hash
    }

    /// The borrowed form, as stores look it up.
    #[must_use]
    pub fn borrow(&self) -> KeyRef<'_> {
        KeyRef { bytes: self.text.bytes(), hash: self.hash }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        KeyRef::from(text).to_key()
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Key {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        key.clone()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text.bytes() == other.text.bytes()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.bytes().cmp(other.text.bytes())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.as_str())
    }
}

/// A borrowed key with its hash: what a hit looks up without owning anything.
///
/// Hashes and compares like [`Key`], so that a map of keys can be asked with it.
#[derive(Clone, Copy, Debug)]
pub struct KeyRef<'a> {
    bytes: &'a [u8],
    hash: u64,
}

impl<'a> KeyRef<'a> {
    /// The key that `writer` holds.
    #[must_use]
    #[inline]
    pub fn new(writer: &'a KeyWriter) -> Self {
        Self { bytes: writer.as_bytes(), hash: hash_of(writer.as_bytes()) }
    }

    /// The hash of the text in this process: differs between processes.
    #[must_use]
    #[inline]
    pub fn hash64(&self) -> u64 {
        self.hash
    }

    /// Whether this names the same entry as `key`.
    #[must_use]
    #[inline]
    pub fn names(&self, key: &Key) -> bool {
        self.hash == key.hash && are_equal(self.bytes, key.text.bytes())
    }

    /// The whole text of the key.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        // Only text is ever written into a key, so nothing is lost.
        String::from_utf8_lossy(self.bytes)
    }

    /// The owned form.
    #[must_use]
    pub fn to_key(&self) -> Key {
        Key { text: Text::new(self.bytes), hash: self.hash }
    }
}

impl<'a> From<&'a str> for KeyRef<'a> {
    fn from(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), hash: hash_of(text.as_bytes()) }
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Whether two texts are the same, without a call for those of the usual lengths: their beginnings and their ends are
/// compared as numbers, which overlap.
#[inline]
fn are_equal(left: &[u8], right: &[u8]) -> bool {
    #[inline]
    fn ends<const N: usize>(text: &[u8]) -> Option<([u8; N], [u8; N])> {
        Some((*text.first_chunk()?, *text.last_chunk()?))
    }

    left.len() == right.len()
        && match left.len() {
            4..=8 => ends::<4>(left) == ends::<4>(right),
            9..=16 => ends::<8>(left) == ends::<8>(right),
            17..=32 => ends::<16>(left) == ends::<16>(right),
            _ => left == right,
        }
}

/// The stored form of a long key: whole segments from its head, then the digest of all of it.
fn digested(text: &str) -> String {
    let room = MAX_KEY_LEN - DIGEST_MARK.len() - DIGEST_LEN;
    // Values escape `:`, so a cut after a colon never shows half a value.
    let head = text.as_bytes()[..room].iter().rposition(|&byte| byte == b':').map_or(0, |colon| colon + 1);
    format!("{}{DIGEST_MARK}{}", &text[..head], digest(text.as_bytes()))
}

/// 128 bits of BLAKE3 in lower-case hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    blake3::hash(bytes).as_bytes()[..DIGEST_LEN / 2].iter().fold(
        String::with_capacity(DIGEST_LEN),
        |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        },
    )
}

#[cfg(test)]
mod tests;
