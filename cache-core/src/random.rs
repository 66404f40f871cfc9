//! The one source of chance: seeded by the operating system, unpredictable outside the process. A test may seed it.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::store::Token;

static SEEDS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
static DRAWN: AtomicU64 = AtomicU64::new(0);

/// Two numbers that nobody can foretell, unless this thread was given a seed.
fn draw() -> [u64; 2] {
    #[cfg(feature = "testing")]
    if let Some(numbers) = seeded::draw() {
        return numbers;
    }
    let number = DRAWN.fetch_add(1, Ordering::Relaxed);
    [SEEDS[0].hash_one(number), SEEDS[1].hash_one(number)]
}

#[cfg(feature = "testing")]
pub(crate) mod seeded {
    use std::cell::Cell;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// Makes everything that caches draw on this thread follow from `seed`: tokens, jitter, early refreshes, pauses.
    ///
    /// On a runtime of one thread with a paused clock, the same seed is the same run then.
    ///
    /// # Examples
    ///
    /// ```
    /// cache_core::testing::seed_chance(42);
    /// ```
    pub fn seed_chance(seed: u64) {
        STATE.set(Some(seed));
    }

    pub(super) fn draw() -> Option<[u64; 2]> {
        let mut state = STATE.get()?;
        let numbers = [(), ()].map(|()| next(&mut state));
        STATE.set(Some(state));
        Some(numbers)
    }

    /// `SplitMix64`, by Steele, Lea and Flood: "Fast splittable pseudorandom number generators", 2014.
    fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// A token that no other load, here or elsewhere, has.
pub(crate) fn token() -> Token {
    let [high, low] = draw();
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
    let [number, _] = draw();
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

    #[cfg(feature = "testing")]
    #[test]
    fn a_seed_decides_what_its_thread_draws() {
        let drawn = |seed| {
            seeded::seed_chance(seed);
            (token(), token(), exponential().to_bits())
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert_ne!(drawn(1).0, drawn(1).1);
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(token(), token());
    }
}
