//! The checksum of an entry, worked out as the table in `cache-core/src/envelope.rs` and the words above its checksum say,
//! by other means than the code there: so that tests can alter entries and have all the checks behind it.

/// `bytes` as the entry of `key`, with the checksum at the end.
#[must_use]
pub fn signed(key: &str, bytes: &[u8]) -> Vec<u8> {
    [bytes, &checksum(&[key.as_bytes(), bytes]).to_le_bytes()].concat()
}

fn checksum(texts: &[&[u8]]) -> u64 {
    let mut lanes =
        [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89_u64];
    for text in texts {
        let mut filled = text.to_vec();
        filled.resize(text.len() / 32 * 32 + 32, 0);
        for (place, number) in filled.chunks(8).enumerate() {
            let number = number.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
            lanes[place % 4] = stirred(lanes[place % 4] ^ number);
        }
        lanes[0] = stirred(lanes[0] ^ text.len() as u64);
    }
    let mut sum = 0;
    for lane in lanes {
        sum = stirred(sum ^ lane);
    }
    stirred(stirred(sum))
}

fn stirred(number: u64) -> u64 {
    let mixed = u128::from(number ^ number >> 32) * 0x9e37_79b9_7f4a_7c15;
    u64::try_from(mixed % (1 << 64)).unwrap_or(0)
}
