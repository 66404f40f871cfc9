//! The one source of chance: seeded by the operating system, unpredictable outside the process.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::store::Token;

static SEEDS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
static DRAWN: AtomicU64 = AtomicU64::new(0);

/// A token that no other load, here or elsewhere, has.
pub(crate) fn token() -> Token {
    let number = DRAWN.fetch_add(1, Ordering::Relaxed);
    let [high, low] = [SEEDS[0].hash_one(number), SEEDS[1].hash_one(number)];
    Token((u128::from(high) << 64 | u128::from(low)).to_le_bytes())
}

/// `ttl`, lengthened or shortened by up to `fraction` of itself.
pub(crate) fn jitter(ttl: Duration, fraction: f64) -> Duration {
    if fraction <= 0.0 {
        return ttl;
    }
    let factor = 1.0 + fraction.min(1.0) * (2.0 * unit() - 1.0);
    Duration::try_from_secs_f64(ttl.as_secs_f64() * factor).unwrap_or(ttl)
}

/// A number of the exponential distribution with mean 1: from 0 to less than 37.
pub(crate) fn exponential() -> f64 {
    -(1.0 - unit()).ln()
}

/// A number from 0 to less than 1, each of its 53 bits by chance.
fn unit() -> f64 {
    let number = SEEDS[0].hash_one(DRAWN.fetch_add(1, Ordering::Relaxed));
    #[expect(clippy::cast_precision_loss, reason = "53 random bits are plenty")]
    let unit = (number >> 11) as f64 / (1_u64 << 53) as f64;
    unit
}

/// Some duration up to `most`: full jitter.
pub(crate) fn up_to(most: Duration) -> Duration {
    jitter(most / 2, 1.0)
}

/// The longest first pause between attempts to get what another process holds; it doubles with each further one …
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// … until it is this.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A pause after this many attempts in vain, from 0: up to 10 ms first, up to 100 ms later.
pub(crate) fn pause(attempt: u32) -> Duration {
    up_to(FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_fraction_and_spreads() {
        let ttl = Duration::from_secs(100);
        let drawn: Vec<_> = (0..1000).map(|_| jitter(ttl, 0.1)).collect();
        assert!(drawn.iter().all(|ttl| (90.0..=110.0).contains(&ttl.as_secs_f64())));
        assert!(drawn.iter().any(|ttl| ttl.as_secs_f64() < 95.0));
        assert!(drawn.iter().any(|ttl| ttl.as_secs_f64() > 105.0));
        assert_eq!(jitter(ttl, 0.0), ttl);
    }

    #[test]
    fn the_exponential_distribution_has_its_mean() {
        let drawn: Vec<_> = (0..10_000).map(|_| exponential()).collect();
        assert!(drawn.iter().all(|number| (0.0..37.0).contains(number)));
        let mean = drawn.iter().sum::<f64>() / 10_000.0;
        assert!((0.9..1.1).contains(&mean), "{mean}");
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(token(), token());
    }
}
