//! How long things are kept, in the whole milliseconds that Redis counts in.
//! Deadlines of operations are not here.

use std::time::Duration;

/// How long a generation is kept at least. What was stored under one that is gone is a miss, so this may be
/// any time; shorter ones cost misses, longer ones memory.
pub(crate) const GENERATION: Duration = Duration::from_secs(24 * 3600);

/// The longest time to live that Redis is asked for: beyond it a clock would overflow.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Of the generations of a value that is kept for `ttl`: how long they must be kept at least, in milliseconds, and
/// how long they are kept if it is less.
pub(crate) fn kept(ttl: Duration) -> [u64; 2] {
    // Twice as long as the value, so that the value need not be the last to be stored under them.
    let least = millis(ttl.saturating_mul(2));
    // Not at every value anew: each extension is a write of its own to replicas and to the log.
    [least.max(millis(GENERATION) / 2), least.max(millis(GENERATION))]
}

/// Whole milliseconds that Redis accepts: at least one.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.min(FOREVER).as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_one_that_redis_accepts() {
        assert_eq!(millis(Duration::ZERO), 1);
        assert_eq!(millis(Duration::from_micros(1_999)), 1);
        assert_eq!(millis(Duration::from_secs(3)), 3_000);
        assert_eq!(millis(Duration::MAX), 3_153_600_000_000);
    }
}
