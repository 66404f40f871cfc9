//! The checksum of an entry, worked out as `cache-core/src/envelope.rs` says, by another's code: so that tests can alter
//! entries and have all the checks behind it.

use twox_hash::XxHash64;

/// `bytes` as the entry of `key`, with the checksum at the end.
#[must_use]
pub fn signed(key: &str, bytes: &[u8]) -> Vec<u8> {
    let checksum = XxHash64::oneshot(XxHash64::oneshot(0, key.as_bytes()), bytes);
    [bytes, &checksum.to_le_bytes()].concat()
}
