//! The one source of chance in this crate: seeded by the operating system, unpredictable outside the process.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

// SipHash of a counter under a key that only this process has.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
static DRAWN: AtomicU64 = AtomicU64::new(0);

/// Bytes that no process draws twice, but for one chance in 2⁶⁴.
pub(crate) fn generation() -> [u8; 8] {
    draw().to_le_bytes()
}

/// The number of a new epoch, that no process draws twice.
pub(crate) fn epoch() -> [u8; 16] {
    (u128::from(draw()) << 64 | u128::from(draw())).to_le_bytes()
}

/// Some duration up to `most`: full jitter.
pub(crate) fn up_to(most: Duration) -> Duration {
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX - 1);
    Duration::from_nanos(draw() % (most + 1))
}

fn draw() -> u64 {
    SEED.hash_one(DRAWN.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_uses_the_whole_range() {
        let most = Duration::from_millis(100);
        let drawn: Vec<_> = (0..1000).map(|_| up_to(most)).collect();
        assert!(drawn.iter().all(|delay| *delay <= most));
        assert!(drawn.iter().any(|delay| *delay < most / 10));
        assert!(drawn.iter().any(|delay| *delay > most * 9 / 10));
        assert_eq!(up_to(Duration::ZERO), Duration::ZERO);
        assert_ne!(generation(), generation());
    }
}
