//! For how long a result is kept, if at all: pure decisions, from what the attribute says and what was returned.

use std::fmt;
use std::time::Duration;

use crate::builder::Settings;
use crate::random;
use crate::site::Site;

/// What an attribute says about keeping results.
pub(crate) struct Keep<'f, V> {
    ttl: Ttl<'f, V>,
    none_ttl: Option<Duration>,
    unless: Option<Question<'f, V, bool>>,
}

/// What the attribute asks of a value.
type Question<'f, V, A> = Box<dyn FnOnce(&V) -> A + Send + 'f>;

/// Where the time to live of a value comes from.
enum Ttl<'f, V> {
    Fixed(Option<Duration>),
    FromValue(Question<'f, V, Duration>),
}

impl<'f, V> Keep<'f, V> {
    /// What the constants of the attribute say.
    pub(crate) fn of(site: &Site) -> Self {
        Self { ttl: Ttl::Fixed(site.fixed_ttl()), none_ttl: site.fixed_none_ttl(), unless: None }
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

    pub(crate) fn set_unless(&mut self, unless: impl FnOnce(&V) -> bool + Send + 'f) {
        self.unless = Some(Box::new(unless));
    }

    /// How long `value` (nothing: a `None`) is fresh; nothing if it is not to be stored.
    pub(crate) fn decide(self, value: Option<&V>, settings: &Settings) -> Option<Duration> {
        let ttl = match value {
            None => self.none_ttl?,
            Some(value) if self.unless.is_some_and(|unless| unless(value)) => return None,
            Some(value) => match self.ttl {
                Ttl::FromValue(ttl) => ttl(value),
                Ttl::Fixed(ttl) => ttl.unwrap_or(settings.default_ttl),
            },
        };
        Some(random::jitter(ttl, settings.jitter)).filter(|ttl| !ttl.is_zero())
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
        let decide =
            |keep: Keep<'_, u64>, value: Option<u64>| keep.decide(value.as_ref(), &cache.inner().settings);
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
