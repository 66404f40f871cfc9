//! For whom pages are cached: a share of the users that can grow while the program runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A share of the users. Its clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Flags {
    percent: Arc<AtomicU8>,
}

impl Flags {
    pub(crate) fn new(percent: u8) -> Self {
        Self { percent: Arc::new(AtomicU8::new(percent)) }
    }

    /// Whether this user's pages are cached. Who is in stays in when the share grows.
    pub(crate) fn caches(&self, user: i64) -> bool {
        mixed(user.unsigned_abs()) % 100 < u64::from(self.percent())
    }

    pub(crate) fn percent(&self) -> u8 {
        self.percent.load(Ordering::Relaxed)
    }

    pub(crate) fn set_percent(&self, percent: u8) {
        self.percent.store(percent, Ordering::Relaxed);
    }
}

/// A number that looks like chance and is always the same for the same `number`: the last step of `SplitMix64`.
///
/// With the plain id, a share of the users would be those who joined at one time.
pub(crate) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_share_keeps_those_who_are_in() {
        let flags = Flags::new(25);
        let quarter: Vec<i64> = (0..1000).filter(|user| flags.caches(*user)).collect();
        assert!((200..300).contains(&quarter.len()), "{}", quarter.len());
        flags.set_percent(50);
        assert!(quarter.iter().all(|user| flags.caches(*user)));
        flags.set_percent(0);
        assert!(!(0..1000).any(|user| flags.caches(user)));
    }
}
