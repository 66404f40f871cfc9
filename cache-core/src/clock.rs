//! The one place that reads the time: a clock that tests can pause.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

/// A point in time: nanoseconds since the process first asked. Good for 584 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

static ORIGIN: LazyLock<Instant> = LazyLock::new(instant);

/// The current time. Under a paused tokio runtime it stands still with it.
#[inline]
pub(crate) fn now() -> Moment {
    let since = instant().saturating_duration_since(*ORIGIN);
    Moment(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn instant() -> Instant {
    Instant::now()
}

impl Moment {
    pub(crate) fn nanos(self) -> u64 {
        self.0
    }

    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The time from `earlier` to this moment; zero if it is the other way round.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }
}
