//! For how long a result is kept, if at all, and what is done about one that is there: pure decisions, from what
//! the attribute says, what was returned, and the time. Whether a result is current is not asked here.

use std::fmt;
use std::time::Duration;

use crate::builder::Settings;
use crate::entry::{Aging, Life};
use crate::random;
use crate::site::Site;

/// What an attribute says about keeping results: constants of its function, unless the call says otherwise.
pub(crate) struct Keep<'f, V> {
    site: &'static Site,
    /// By itself, since most calls say nothing, and hundreds may wait.
    said: Option<Box<Said<'f, V>>>,
}

/// What a call says about keeping its result.
struct Said<'f, V> {
    ttl: Option<Ttl<'f, V>>,
    none_ttl: Option<Duration>,
    stale: Option<Ttl<'f, V>>,
    unless: Option<Question<'f, V, bool>>,
}

/// What the attribute asks of a value.
pub(crate) type Question<'f, V, A> = Box<dyn Fn(&V) -> A + Send + Sync + 'f>;

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

/// What to do about a value that has so much left of its life.
///
/// `haste` is how many times its load time it is refreshed before its end. Drawn from an exponential distribution
/// it makes the refresh of a value that is read often come shortly before its end, whatever the load takes, and
/// seldom twice: `XFetch` (Vattani, Chierichetti, Lowenstein: Optimal probabilistic cache stampede prevention, 2015).
pub(crate) fn decide(left: Life, haste: f64) -> Plan {
    let ahead = if haste > 0.0 { scaled(left.aging.load_time, haste) } else { Duration::ZERO };
    if ahead < left.fresh {
        Plan::Serve
    } else if left.fresh.is_zero() && left.aging.stale.is_zero() {
        Plan::Load
    } else {
        Plan::Revalidate
    }
}

/// How much to hurry with a value of a function that says `early = beta`. It draws only when that can matter.
pub(crate) fn haste(left: Life, beta: f64) -> f64 {
    if beta > 0.0 && decide(left, beta * MAX_DRAWN) != Plan::Serve {
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
    Fixed(Duration),
    FromValue(Question<'f, V, Duration>),
}

impl<'f, V> Keep<'f, V> {
    /// What the constants of the attribute say.
    pub(crate) fn of(site: &'static Site) -> Self {
        Self { site, said: None }
    }

    fn said(&mut self) -> &mut Said<'f, V> {
        self.said
            .get_or_insert_with(|| Box::new(Said { ttl: None, none_ttl: None, stale: None, unless: None }))
    }

    pub(crate) fn set_ttl(&mut self, ttl: Duration) {
        self.said().ttl = Some(Ttl::Fixed(ttl));
    }

    pub(crate) fn set_ttl_from(&mut self, ttl: impl Fn(&V) -> Duration + Send + Sync + 'f) {
        self.said().ttl = Some(Ttl::FromValue(Box::new(ttl)));
    }

    pub(crate) fn set_none_ttl(&mut self, ttl: Duration) {
        self.said().none_ttl = Some(ttl);
    }

    pub(crate) fn set_stale(&mut self, stale: Duration) {
        self.said().stale = Some(Ttl::Fixed(stale));
    }

    pub(crate) fn set_stale_from(&mut self, stale: impl Fn(&V) -> Duration + Send + Sync + 'f) {
        self.said().stale = Some(Ttl::FromValue(Box::new(stale)));
    }

    pub(crate) fn set_unless(&mut self, unless: impl Fn(&V) -> bool + Send + Sync + 'f) {
        self.said().unless = Some(Box::new(unless));
    }

    /// How long `value` (nothing: a `None`) is kept; nothing if it is not to be stored.
    ///
    /// A remembered `None` has no stale window: what is not there may come at any time.
    pub(crate) fn decide(&self, value: Option<&V>, settings: &Settings) -> Option<Life> {
        let said = self.said.as_deref();
        let (ttl, stale) = match value {
            None => (said.and_then(|said| said.none_ttl).or(self.site.fixed_none_ttl())?, Duration::ZERO),
            Some(value) => {
                let unless = said.and_then(|said| said.unless.as_ref());
                if unless.is_some_and(|unless| unless(value)) {
                    return None;
                }
                let ttl = said.and_then(|said| said.ttl.as_ref()).map(|ttl| ttl.of(value));
                let stale = said.and_then(|said| said.stale.as_ref()).map(|stale| stale.of(value));
                let ttl = ttl.or(self.site.fixed_ttl()).unwrap_or(settings.default_ttl);
                (ttl, stale.or(self.site.fixed_stale()).unwrap_or_default())
            }
        };
        let fresh = random::jitter(ttl, settings.jitter);
        let life = Life { fresh, aging: Aging { stale, ..Aging::default() } };
        Some(life).filter(|life| !life.fresh.is_zero())
    }
}

/// The options of every kind of call that stores a `$value`, as far as they are not known while compiling. Each kind has
/// them as methods of its own, so that an expansion brings no trait into the scope of what users write.
macro_rules! keep_options {
    ($value:ty) => {
        /// With this time to live.
        #[must_use]
        pub fn ttl(mut self, ttl: Duration) -> Self {
            self.keep.set_ttl(ttl);
            self
        }

        /// With a time to live that the value decides.
        #[must_use]
        pub fn ttl_from(mut self, ttl: impl Fn(&$value) -> Duration + Send + Sync + 'f) -> Self {
            self.keep.set_ttl_from(ttl);
            self
        }

        /// With this time to live of a `None`, or of what is remembered not to be there.
        #[must_use]
        pub fn none_ttl(mut self, ttl: Duration) -> Self {
            self.keep.set_none_ttl(ttl);
            self
        }

        /// Without storing values for which `unless` is true.
        #[must_use]
        pub fn unless(mut self, unless: impl Fn(&$value) -> bool + Send + Sync + 'f) -> Self {
            self.keep.set_unless(unless);
            self
        }
    };
}

pub(crate) use keep_options;

impl<V> Ttl<'_, V> {
    fn of(&self, value: &V) -> Duration {
        match self {
            Self::FromValue(ttl) => ttl(value),
            Self::Fixed(ttl) => *ttl,
        }
    }
}

impl<V> fmt::Debug for Keep<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").field("site", self.site).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;

    static SITE: Site = Site::new("f", "m", "f.rs", 1, "k").ttl_millis(5000);
    static BARE: Site = Site::new("f", "m", "f.rs", 1, "k");
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn age_decides_what_is_done_about_a_value() {
        let plan = |fresh: u64, stale: u64, load_time, haste| {
            let [fresh, stale] = [fresh, stale].map(Duration::from_millis);
            decide(Life { fresh, aging: Aging { stale, load_time } }, haste)
        };
        assert_eq!(plan(1, 0, SECOND, 0.0), Plan::Serve);
        assert_eq!(plan(0, 0, SECOND, 0.0), Plan::Load);
        assert_eq!(plan(2_100, 0, SECOND, 2.0), Plan::Serve, "two load times before the end");
        assert_eq!(plan(1_900, 0, SECOND, 2.0), Plan::Revalidate);
        assert_eq!(plan(0, 0, SECOND, 2.0), Plan::Load);
        assert_eq!(
            plan(1, 5_000, Duration::ZERO, 37.0),
            Plan::Serve,
            "without a load time there is no hurry"
        );
        assert_eq!(plan(0, 5_000, Duration::ZERO, 0.0), Plan::Revalidate);
        assert_eq!(plan(0, 1, Duration::ZERO, 0.0), Plan::Revalidate);
    }

    #[test]
    fn haste_is_drawn_where_it_can_matter() {
        let left = |fresh| Life { fresh, aging: Aging { stale: Duration::ZERO, load_time: SECOND } };
        assert!(haste(left(100 * SECOND), 1.0).abs() < f64::EPSILON, "too far from the end");
        assert!(haste(left(SECOND), 0.0).abs() < f64::EPSILON, "no `early`");
        let early = (0..1000).filter(|_| decide(left(SECOND), haste(left(SECOND), 1.0)) != Plan::Serve);
        // One in e.
        assert!((250..500).contains(&early.count()));
    }

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
