//! How often something may be done: so many times at once, and so many more each second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    holds: f64,
    per_second: f64,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub(super) fn new(holds: u32, per_second: f64) -> Self {
        let holds = f64::from(holds);
        Self { holds, per_second, level: Mutex::new((holds, Instant::now())) }
    }

    /// Takes a token; if there is none, how long it takes until there is.
    pub(super) fn take(&self) -> Result<(), Duration> {
        let mut state = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (level, since) = *state;
        let came = now.saturating_duration_since(since).as_secs_f64() * self.per_second;
        let level = (level + came).min(self.holds);
        let taken = level >= 1.0;
        *state = (if taken { level - 1.0 } else { level }, now);
        if taken { Ok(()) } else { Err(Duration::from_secs_f64((1.0 - level) / self.per_second)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_what_it_holds_and_fills_again_no_further() {
        let bucket = Bucket::new(2, 0.5);
        for _ in 0..2 {
            assert_eq!((bucket.take(), bucket.take()), (Ok(()), Ok(())));
            assert_eq!(bucket.take(), Err(Duration::from_secs(2)));
            tokio::time::advance(Duration::from_secs(2)).await;
            assert_eq!(bucket.take(), Ok(()));
            assert!(bucket.take().is_err());
            tokio::time::advance(Duration::from_secs(3600)).await;
        }
    }
}
