//! Fewer bytes for the same value, where that is worth it, and back again without trusting what they say.
//! Which bytes were compressed, and how, is noted in the `envelope`.
//!
//! A compressed payload is its length before (4 bytes, little-endian) and what the algorithm made of it.

/// How values are made smaller before they travel to a remote store. Each but `None` is a Cargo feature.
///
/// # Examples
///
/// ```
/// use cache_core::{Cache, Compression};
///
/// let cache = Cache::builder().compression(Compression::None).build();
/// # #[cfg(feature = "lz4")]
/// let cache = Cache::builder().compression(Compression::Lz4.above(4096)).build();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Values travel as they are.
    #[default]
    None,
    /// LZ4: fast, and a third to a half of the size. Cargo feature `lz4`.
    #[cfg(feature = "lz4")]
    Lz4,
    /// Zstandard at level 1: slower than LZ4 and smaller. Cargo feature `zstd`.
    #[cfg(feature = "zstd")]
    Zstd,
}

/// A [`Compression`], and the size from which on it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    compression: Compression,
    above: usize,
}

impl Compression {
    /// For values of which the encoded form has more than so many bytes; 1024 if nothing says otherwise.
    #[must_use]
    pub const fn above(self, bytes: usize) -> Threshold {
        Threshold { compression: self, above: bytes }
    }

    /// What it makes of `payload`, and the flag that says so.
    #[cfg_attr(
        not(any(feature = "lz4", feature = "zstd")),
        expect(unused_variables, reason = "there is none")
    )]
    fn compressed(self, payload: &[u8]) -> Option<(u8, Vec<u8>)> {
        match self {
            Self::None => None,
            #[cfg(feature = "lz4")]
            Self::Lz4 => Some((LZ4, lz4_flex::block::compress(payload))),
            #[cfg(feature = "zstd")]
            Self::Zstd => Some((ZSTD, zstandard::compressed(payload)?)),
        }
    }

    /// The algorithm of this name; an error says what is allowed.
    pub(crate) fn named(name: &str) -> Result<Self, &'static str> {
        match name {
            "none" => Ok(Self::None),
            #[cfg(feature = "lz4")]
            "lz4" => Ok(Self::Lz4),
            #[cfg(not(feature = "lz4"))]
            "lz4" => Err("`none`, or turn on the Cargo feature `lz4` of `larder`"),
            #[cfg(feature = "zstd")]
            "zstd" => Ok(Self::Zstd),
            #[cfg(not(feature = "zstd"))]
            "zstd" => Err("`none`, or turn on the Cargo feature `zstd` of `larder`"),
            _ => Err("one of `none`, `lz4`, `zstd`"),
        }
    }
}

impl From<Compression> for Threshold {
    fn from(compression: Compression) -> Self {
        compression.above(1024)
    }
}

/// The flag of an entry whose payload LZ4 made.
const LZ4: u8 = 2;

/// The flag of an entry whose payload Zstandard made.
const ZSTD: u8 = 4;

/// All flags that are known here.
pub(crate) const FLAGS: u8 = LZ4 | ZSTD;

impl Threshold {
    /// `payload` made smaller, and the flag that says how; nothing if it stays as it is.
    pub(crate) fn pack(self, payload: &[u8]) -> Option<(u8, Vec<u8>)> {
        if payload.len() <= self.above {
            return None;
        }
        let (flag, packed) = self.compression.compressed(payload)?;
        let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
        (length.len() + packed.len() < payload.len()).then(|| (flag, [&length[..], &packed].concat()))
    }
}

/// What [`Threshold::pack`] was given, if that was no more than `most` bytes.
pub(crate) fn unpack(flag: u8, packed: &[u8], most: usize) -> Option<Vec<u8>> {
    let (length, packed) = packed.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= most)?;
    decompressed(flag, packed, length).filter(|payload| payload.len() == length)
}

fn decompressed(flag: u8, packed: &[u8], length: usize) -> Option<Vec<u8>> {
    match flag {
        // A byte of it stands for 255 at most: what claims more would only have us allocate that.
        #[cfg(feature = "lz4")]
        LZ4 if length / 255 <= packed.len() => lz4_flex::block::decompress(packed, length).ok(),
        #[cfg(feature = "zstd")]
        // And of this, a block of 128 KiB has four bytes at least.
        ZSTD if length >> 15 <= packed.len() => zstandard::decompressed(packed, length),
        _ => {
            tracing::trace!(target: "larder", flag, packed = packed.len(), length, "not a compression that is known here");
            None
        }
    }
}

/// Zstandard with contexts that every thread keeps: to make one costs more than to use it.
#[cfg(feature = "zstd")]
mod zstandard {
    use std::cell::RefCell;

    use zstd::bulk::{Compressor, Decompressor};

    thread_local! {
        static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(1).ok());
        static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
    }

    pub(super) fn compressed(payload: &[u8]) -> Option<Vec<u8>> {
        COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(payload).ok())
    }

    /// Never writes more than `most` bytes, whatever the frame says.
    pub(super) fn decompressed(packed: &[u8], most: usize) -> Option<Vec<u8>> {
        DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(packed, most).ok())
    }
}

#[cfg(all(test, any(feature = "lz4", feature = "zstd")))]
mod tests {
    use super::*;

    const MOST: usize = 1 << 20;

    const ALL: &[Compression] = &[
        #[cfg(feature = "lz4")]
        Compression::Lz4,
        #[cfg(feature = "zstd")]
        Compression::Zstd,
    ];

    #[test]
    fn what_is_packed_is_smaller_and_comes_back() {
        let text = "the same words again and again, ".repeat(100);
        for compression in ALL {
            let (flag, packed) = compression.above(100).pack(text.as_bytes()).expect("it is long");
            assert!(packed.len() < text.len() / 4, "{compression:?}: {}", packed.len());
            assert_eq!(unpack(flag, &packed, MOST).as_deref(), Some(text.as_bytes()));
            assert_eq!(unpack(flag, &packed, text.len() - 1), None, "larger than is accepted");
            assert_eq!(unpack(flag, &[&packed[..], b"x"].concat(), MOST), None, "followed by more");
            assert_eq!(unpack(0, &packed, MOST), None);
        }
    }

    #[test]
    fn what_is_short_or_does_not_get_smaller_stays_as_it_is() {
        let mut noise = [0; 5_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        for compression in ALL {
            assert_eq!(compression.above(100).pack(&[0; 100]), None);
            assert!(compression.above(100).pack(&[0; 101]).is_some());
            assert_eq!(compression.above(100).pack(&noise), None);
        }
        assert_eq!(Compression::None.above(0).pack(&[0; 10_000]), None);
    }

    #[test]
    fn a_length_that_is_a_lie_is_refused() {
        for compression in ALL {
            let (flag, packed) = compression.above(0).pack(&[0; 10_000]).expect("it gets smaller");
            for length in [0, 1, 9_999, 10_001, 1 << 20, u32::MAX] {
                let mut lie = packed.clone();
                lie[..4].copy_from_slice(&length.to_le_bytes());
                assert_eq!(unpack(flag, &lie, 64 << 20), None, "{compression:?}: {length}");
            }
            for cut in 0..packed.len() {
                assert_eq!(unpack(flag, &packed[..cut], MOST), None, "{compression:?} cut at {cut}");
            }
        }
    }
}
