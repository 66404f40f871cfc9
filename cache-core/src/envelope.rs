//! The bytes of a remote entry: a value, and everything needed to refuse it.
//!
//! Whatever comes from a remote store is untrusted: each length is checked against the bytes that are there
//! before anything is allocated, and a mismatch of any kind is a [`Refusal`], which the caller counts as a miss.
//!
//! All numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | `LDR` and the format version, 1 |
//! | 4–19 | the token of the load that made the value |
//! | 20 | codec |
//! | 21 | flags: 1 = a remembered `None`, without payload; 2, 4 = the payload is compressed (LZ4, Zstandard) |
//! | 22–25 | how the value ages: the stale window, with which its time to live ends, and the time of its load |
//! | 26–33 | the function's `version` |
//! | 34–41 | XXH64 of the name of the value's type |
//! | 42 | number of scopes, then 8 bytes of generation for each |
//! | … | length of the payload (4), payload, XXH64 of everything before it, seeded with that of the key (8) |

use std::borrow::Cow;
use std::cell::Cell;
use std::time::Duration;

use crate::codec::Codec;
use crate::compress::{self, Threshold};
use crate::entry::{Aging, stale_of};
use crate::store::{Generation, Token};
use crate::xxh64::xxh64;

const MAGIC: [u8; 4] = *b"LDR\x01";
const FLAG_ABSENT: u8 = 1;
const CHECKSUM: usize = 8;
const GENERATION: usize = 8;

/// The bytes that identify one stored entry: magic and token.
pub(crate) const IDENTITY: usize = MAGIC.len() + 16;

/// The largest payload, in bytes, that is written or read: 64 MiB.
pub(crate) const MAX_PAYLOAD: usize = 64 << 20;

/// What an entry must say to be the one that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label<'a> {
    /// The key, in its stored form.
    pub(crate) key: &'a [u8],
    /// The name of the value's type; a reader without one takes any.
    pub(crate) type_name: Option<&'static str>,
    /// The function's `version`; a reader without one takes any.
    pub(crate) version: Option<u64>,
}

/// An entry that was what it had to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opened<'a> {
    pub(crate) codec: Codec,
    /// The encoded value, or nothing for a remembered `None`.
    pub(crate) payload: Option<Cow<'a, [u8]>>,
    /// The generations of its scopes, as bytes.
    pub(crate) generations: &'a [[u8; GENERATION]],
    /// The bits of an [`Aging`]: hardly anybody asks for more than the stale window.
    aging: u32,
}

impl Opened<'_> {
    pub(crate) fn aging(&self) -> Aging {
        Aging::from_bits(self.aging)
    }

    pub(crate) fn stale(&self) -> Duration {
        stale_of(self.aging)
    }
}

/// Why an entry is a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not an envelope of this format, cut short, altered, or that of another key.
    Damaged,
    /// An entry of another type, version or codec, or compressed in a way that is not built in.
    Foreign,
    /// A scope that covers it has moved since it was made. Not asked here.
    Moved,
}

/// Puts a value (`None`: a remembered `None`) into its envelope.
pub(crate) fn seal(
    label: Label<'_>,
    token: Token,
    generations: &[Generation],
    codec: Codec,
    aging: Aging,
    threshold: Threshold,
    payload: Option<&[u8]>,
) -> Option<Vec<u8>> {
    let scopes = u8::try_from(generations.len()).ok()?;
    let body = payload.unwrap_or_default();
    if body.len() > MAX_PAYLOAD {
        return None;
    }
    let packed = threshold.pack(body);
    let (compression, body) = packed.as_ref().map_or((0, body), |(flag, packed)| (*flag, packed));
    let length = u32::try_from(body.len()).ok()?;

    let mut bytes = Vec::with_capacity(64 + 8 * generations.len() + body.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&token.0);
    bytes.push(codec.id());
    bytes.push(if payload.is_none() { FLAG_ABSENT } else { compression });
    bytes.extend_from_slice(&aging.bits().to_le_bytes());
    bytes.extend_from_slice(&label.version.unwrap_or_default().to_le_bytes());
    bytes.extend_from_slice(&fingerprint(label.type_name.unwrap_or_default()));
    bytes.push(scopes);
    for generation in generations {
        bytes.extend_from_slice(&generation.0);
    }
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(body);
    let checksum = checksum(label.key, &bytes);
    bytes.extend_from_slice(&checksum);
    Some(bytes)
}

/// Opens an envelope if it holds what `label` asks for.
pub(crate) fn open<'a>(bytes: &'a [u8], label: Label<'_>) -> Result<Opened<'a>, Refusal> {
    let (rest, found) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Refusal::Damaged)?;
    if !rest.starts_with(&MAGIC) || checksum(label.key, rest) != *found {
        return Err(Refusal::Damaged);
    }
    let mut reader = Reader(rest.get(IDENTITY..).ok_or(Refusal::Damaged)?);
    let [codec] = reader.take()?;
    let [flags] = reader.take()?;
    let aging = u32::from_le_bytes(reader.take()?);
    let version = u64::from_le_bytes(reader.take()?);
    let type_print: [u8; 8] = reader.take()?;
    let [scopes] = reader.take()?;
    let (generations, rest) =
        reader.0.split_at_checked(GENERATION * usize::from(scopes)).ok_or(Refusal::Damaged)?;
    let mut reader = Reader(rest);
    let length = u32::from_le_bytes(reader.take()?);
    let Reader(payload) = reader;
    if usize::try_from(length) != Ok(payload.len()) || payload.len() > MAX_PAYLOAD {
        return Err(Refusal::Damaged);
    }
    if label.type_name.is_some_and(|expected| type_print != fingerprint(expected))
        || label.version.is_some_and(|expected| expected != version)
    {
        return Err(Refusal::Foreign);
    }
    let codec = Codec::from_id(codec).ok_or(Refusal::Foreign)?;
    let payload = match flags {
        0 => Some(Cow::Borrowed(payload)),
        FLAG_ABSENT => None,
        _ if flags & !compress::FLAGS != 0 => return Err(Refusal::Foreign),
        _ => Some(Cow::Owned(compress::unpack(flags, payload, MAX_PAYLOAD).ok_or(Refusal::Foreign)?)),
    };
    Ok(Opened { codec, payload, generations: generations.as_chunks().0, aging })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Refusal::Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }
}

thread_local! {
    /// The last name of a type, and its fingerprint: most entries that come one after the other are of one.
    static LAST: Cell<Option<(&'static str, [u8; 8])>> = const { Cell::new(None) };
}

fn fingerprint(type_name: &'static str) -> [u8; 8] {
    match LAST.get() {
        Some((last, print)) if std::ptr::eq(last, type_name) => print,
        _ => {
            let print = xxh64(type_name.as_bytes(), 0).to_le_bytes();
            LAST.set(Some((type_name, print)));
            print
        }
    }
}

/// Of `bytes`, as the entry of `key`.
fn checksum(key: &[u8], bytes: &[u8]) -> [u8; CHECKSUM] {
    xxh64(bytes, xxh64(key, 0)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::compress::Compression;

    const LABEL: Label<'_> = Label { key: b"user:1", type_name: Some("app::User"), version: Some(3) };
    const GENERATIONS: [Generation; 2] = [Generation(*b"everythi"), Generation(*b"allusers")];

    const AGING: Aging = Aging { stale: Duration::from_secs(5), load_time: Duration::ZERO };

    fn sealed(payload: Option<&[u8]>) -> Vec<u8> {
        let none = Compression::None.into();
        seal(LABEL, Token([7; 16]), &GENERATIONS, Codec::Json, AGING, none, payload).expect("small enough")
    }

    fn signature(bytes: &[u8]) -> [u8; 8] {
        checksum(LABEL.key, bytes)
    }

    #[test]
    fn what_is_sealed_opens() {
        let bytes = sealed(Some(b"{}"));
        let opened = open(&bytes, LABEL).expect("the same label");
        assert_eq!(opened.payload.as_deref(), Some(&b"{}"[..]));
        assert_eq!(opened.generations, GENERATIONS.map(|generation| generation.0));
        assert_eq!((opened.aging(), opened.stale()), (AGING, AGING.stale));
        assert_eq!(open(&sealed(None), LABEL).expect("a remembered None").payload, None);
        assert_eq!(
            open(&sealed(Some(b"")), LABEL).expect("an empty payload").payload.as_deref(),
            Some(&b""[..])
        );
    }

    #[test]
    fn of_another_key_it_is_damaged() {
        assert_eq!(open(&sealed(Some(b"{}")), Label { key: b"user:2", ..LABEL }), Err(Refusal::Damaged));
    }

    #[test]
    fn another_type_or_version_is_foreign() {
        let bytes = sealed(Some(b"{}"));
        for label in [Label { type_name: Some("app::Team"), ..LABEL }, Label { version: Some(4), ..LABEL }] {
            assert_eq!(open(&bytes, label), Err(Refusal::Foreign), "{label:?}");
        }
        assert!(open(&bytes, Label { version: None, type_name: None, ..LABEL }).is_ok(), "neither asked for");
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let bytes = sealed(Some(b"{\"id\":1}"));
        for length in 0..bytes.len() {
            assert_eq!(open(&bytes[..length], LABEL), Err(Refusal::Damaged), "cut at {length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&flipped, LABEL), Err(Refusal::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn what_is_too_short_is_damage_even_with_a_right_checksum() {
        let bytes = sealed(Some(b""));
        for length in 0..bytes.len() - CHECKSUM {
            let cut = &bytes[..length];
            assert_eq!(
                open(&[cut, &signature(cut)].concat(), LABEL),
                Err(Refusal::Damaged),
                "cut at {length}"
            );
        }
    }

    #[test]
    fn a_length_that_is_not_there_is_damage_even_with_a_right_checksum() {
        let mut bytes = sealed(Some(b"{}"));
        let at = IDENTITY + 22 + 1 + 16;
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let end = bytes.len() - CHECKSUM;
        let right = signature(&bytes[..end]);
        bytes[end..].copy_from_slice(&right);
        assert_eq!(open(&bytes, LABEL), Err(Refusal::Damaged));
    }
}
