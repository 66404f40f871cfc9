//! For how long a result is kept, if at all, and what is done about one that is there: pure decisions, from what
//! the attribute says, what was returned, and the time. Whether a result is current is not asked here.

use std::fmt;
use std::time::Duration;

use crate::builder::Settings;
use crate::clock::Moment;
use crate::entry::{Aging, Entry, Life};
use crate::random;
use crate::site::Site;

/// What an attribute says about keeping results.
pub(crate) struct Keep<'f, V> {
    ttl: Ttl<'f, V>,
    none_ttl: Option<Duration>,
    stale: Ttl<'f, V>,
    unless: Option<Question<'f, V, bool>>,
}

/// What the attribute asks of a value.
pub(crate) type Question<'f, V, A> = Box<dyn FnOnce(&V) -> A + Send + 'f>;

/// What a call does about a current value that it may answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Answer with it.
    Serve,
    /// Answer with it, and refresh it meanwhile.
    Revalidate,
    /// Load another.
    Load,
}

/// The most that [`random::exponential`] draws.
const MAX_DRAWN: f64 = 37.0;

/// What to do about `entry`.
///
/// `haste` is how many times its load time it is refreshed before its end. Drawn from an exponential distribution
/// it makes the refresh of a value that is read often come shortly before its end, whatever the load takes, and
/// seldom twice: `XFetch` (Vattani, Chierichetti, Lowenstein: Optimal probabilistic cache stampede prevention, 2015).
pub(crate) fn decide(entry: &Entry, now: Moment, haste: f64) -> Plan {
    let ahead = if haste > 0.0 { scaled(entry.aging().load_time, haste) } else { Duration::ZERO };
    if now + ahead < entry.fresh_until() {
        Plan::Serve
    } else if now < entry.stale_until() {
        Plan::Revalidate
    } else {
        Plan::Load
    }
}

/// How much to hurry with `entry`, of a function that says `early = beta`. It draws only when that can matter.
pub(crate) fn haste(entry: &Entry, now: Moment, beta: f64) -> f64 {
    if beta > 0.0 && decide(entry, now, beta * MAX_DRAWN) != Plan::Serve {
        beta * random::exponential()
    } else {
        0.0
    }
}

fn scaled(time: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// Where the time to live of a value comes from.
enum Ttl<'f, V> {
    Fixed(Option<Duration>),
    FromValue(Question<'f, V, Duration>),
}

impl<'f, V> Keep<'f, V> {
    /// What the constants of the attribute say.
    pub(crate) fn of(site: &Site) -> Self {
        Self {
            ttl: Ttl::Fixed(site.fixed_ttl()),
            none_ttl: site.fixed_none_ttl(),
            stale: Ttl::Fixed(site.fixed_stale()),
            unless: None,
        }
    }

    pub(crate) fn set_ttl(&mut self, ttl: Duration) {
        self.ttl = Ttl::Fixed(Some(ttl));
    }

    pub(crate) fn set_ttl_from(&mut self, ttl: impl FnOnce(&V) -> Duration + Send + 'f) {
        self.ttl = Ttl::FromValue(Box::new(ttl));
    }

    pub(crate) fn set_none_ttl(&mut self, ttl: Duration) {
        self.none_ttl = Some(ttl);
    }

    pub(crate) fn set_stale(&mut self, stale: Duration) {
        self.stale = Ttl::Fixed(Some(stale));
    }

    pub(crate) fn set_stale_from(&mut self, stale: impl FnOnce(&V) -> Duration + Send + 'f) {
        self.stale = Ttl::FromValue(Box::new(stale));
    }

    pub(crate) fn set_unless(&mut self, unless: impl FnOnce(&V) -> bool + Send + 'f) {
        self.unless = Some(Box::new(unless));
    }

    /// How long `value` (nothing: a `None`) is kept; nothing if it is not to be stored.
    ///
    /// A remembered `None` has no stale window: what is not there may come at any time.
    pub(crate) fn decide(self, value: Option<&V>, settings: &Settings) -> Option<Life> {
        let (ttl, stale) = match value {
            None => (self.none_ttl?, Duration::ZERO),
            Some(value) if self.unless.is_some_and(|unless| unless(value)) => return None,
            Some(value) => {
                let ttl = self.ttl.of(value).unwrap_or(settings.default_ttl);
                (ttl, self.stale.of(value).unwrap_or_default())
            }
        };
        let fresh = random::jitter(ttl, settings.jitter);
        let life = Life { fresh, aging: Aging { stale, ..Aging::default() } };
        Some(life).filter(|life| !life.fresh.is_zero())
    }
}

impl<V> Ttl<'_, V> {
    fn of(self, value: &V) -> Option<Duration> {
        match self {
            Self::FromValue(ttl) => Some(ttl(value)),
            Self::Fixed(ttl) => ttl,
        }
    }
}

impl<V> fmt::Debug for Keep<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").field("none_ttl", &self.none_ttl).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;

    const SITE: Site = Site::new("f", "m", "f.rs", 1, "k").ttl_millis(5000);
    const BARE: Site = Site::new("f", "m", "f.rs", 1, "k");
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn values_and_none_are_kept_as_the_attribute_says() {
        let cache = Cache::builder().default_ttl(7 * SECOND).build();
        let decide = |keep: Keep<'_, u64>, value: Option<u64>| {
            keep.decide(value.as_ref(), &cache.inner().settings).map(|life| life.fresh)
        };
        let with = |change: fn(&mut Keep<'static, u64>)| {
            let mut keep = Keep::of(&SITE);
            change(&mut keep);
            keep
        };
        assert_eq!(decide(Keep::of(&SITE), Some(1)), Some(5 * SECOND));
        assert_eq!(decide(Keep::of(&BARE), Some(1)), Some(7 * SECOND), "the default of the cache");
        assert_eq!(decide(Keep::of(&SITE), None), None);
        assert_eq!(decide(with(|keep| keep.set_none_ttl(SECOND)), None), Some(SECOND));
        assert_eq!(
            decide(with(|keep| keep.set_ttl_from(|value| Duration::from_secs(*value))), Some(3)),
            Some(3 * SECOND)
        );
        assert_eq!(decide(with(|keep| keep.set_ttl(Duration::ZERO)), Some(1)), None, "zero is not at all");
        assert_eq!(decide(with(|keep| keep.set_unless(|value| *value == 1)), Some(1)), None);
        assert_eq!(decide(with(|keep| keep.set_unless(|value| *value == 1)), Some(2)), Some(5 * SECOND));
    }
}
