//! The checksum of an envelope: that its bytes are those that were written, whole and under this key.
//!
//! It says nothing of who wrote them. Whoever may write to a remote store can give anything the right checksum, as with
//! any digest that needs no secret, so a costly one would be no safer. What it is for is damage: a difference that lies
//! within eight bytes of one text is always noticed, any other but for one chance in 2⁶⁴.
//!
//! It is the same on every machine and in every version that writes this format.

/// The 64 bits that stand for `texts`, in their order and each with its length.
///
/// A text is taken in stripes of 32 bytes, the last of them filled up with zeros; the number at each of the four places
/// of a stripe goes into a lane of its own.
pub(crate) fn checksum<const N: usize>(texts: [&[u8]; N]) -> [u8; 8] {
    let mut lanes = SEEDS;
    for text in texts {
        let (stripes, rest) = text.as_chunks();
        for stripe in stripes {
            absorb(&mut lanes, stripe);
        }
        let mut last = [0; STRIPE];
        last[..rest.len()].copy_from_slice(rest);
        absorb(&mut lanes, &last);
        lanes[0] = stirred(lanes[0] ^ text.len() as u64);
    }
    // A step for each lane, and two more, since bits travel half the way in one.
    let sum = lanes.into_iter().fold(0, |sum, lane| stirred(sum ^ lane));
    stirred(stirred(sum)).to_le_bytes()
}

const STRIPE: usize = 32;

/// The first digits of π behind the point.
const SEEDS: [u64; 4] =
    [0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344, 0xA409_3822_299F_31D0, 0x082E_FA98_EC4E_6C89];

fn absorb(lanes: &mut [u64; 4], stripe: &[u8; STRIPE]) {
    for (lane, number) in lanes.iter_mut().zip(stripe.as_chunks().0) {
        *lane = stirred(*lane ^ u64::from_le_bytes(*number));
    }
}

/// Another number for each: the upper bits come down, and all of them go up.
fn stirred(number: u64) -> u64 {
    (number ^ number >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn it_is_the_same_everywhere() {
        // Worked out by another program.
        assert_eq!(u64::from_le_bytes(checksum([b""])), 0xb707_5594_6a07_02e8);
        assert_eq!(u64::from_le_bytes(checksum([b"user:1", b"{}"])), 0x9e0a_bae1_7e69_6378);
        assert_eq!(u64::from_le_bytes(checksum([&[7; 100]])), 0xeeea_d89c_0941_f2c1);
    }

    #[test]
    fn every_change_within_eight_bytes_is_noticed() {
        let text: Vec<u8> = (0..100).collect();
        let right = checksum([&text]);
        for at in 0..text.len() - 8 {
            for change in [1_u64, 1 << 31, 1 << 63, 0x0101_0101_0101_0101, u64::MAX] {
                let mut wrong = text.clone();
                for (byte, change) in wrong[at..].iter_mut().zip(change.to_le_bytes()) {
                    *byte ^= change;
                }
                assert_ne!(checksum([&wrong]), right, "{change:x} at {at}");
            }
        }
    }

    #[test]
    fn lengths_borders_and_places_matter() {
        let mut sums = HashSet::new();
        for length in 0..100 {
            assert!(sums.insert(checksum([&vec![0; length]])), "{length} zeros");
        }
        for border in 0..=100 {
            let (first, second) = [1; 100].split_at(border);
            assert!(sums.insert(checksum([first, second])), "a border at {border}");
        }
        for place in 0..100 {
            let mut text = [2; 100];
            text[place] = 3;
            assert!(sums.insert(checksum([&text])), "another byte at {place}");
        }
    }

    #[test]
    fn each_bit_of_a_text_changes_half_of_the_sum() {
        let text = *b"an entry of a cache, of any length";
        let right = u64::from_le_bytes(checksum([&text]));
        for bit in 0..text.len() * 8 {
            let mut wrong = text;
            wrong[bit / 8] ^= 1 << (bit % 8);
            let changed = (u64::from_le_bytes(checksum([&wrong])) ^ right).count_ones();
            assert!((12..=52).contains(&changed), "bit {bit} changes {changed}");
        }
    }
}
