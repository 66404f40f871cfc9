//! The static that an attribute leaves in the program: what is known of a function without calling it.
//!
//! For introspection only: a crate that is never named is not linked, and its sites are not here.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// One `#[cached]` function, as its attribute describes it.
#[derive(Debug)]
pub struct Site {
    place: Place,
    template: &'static str,
    /// The expression that names its cache; nothing for the global one.
    cache: Option<&'static str>,
    ttl: Option<Duration>,
    none_ttl: Option<Duration>,
    stale: Option<Duration>,
    timeout: Option<Duration>,
    /// How long callers wait for the load of another process; nothing without `lock`.
    lock: Option<Duration>,
    /// The function's own Δ; nothing for that of the cache.
    max_staleness: Option<Duration>,
    /// The factor of `early`; 0 without it.
    early: f64,
    version: u64,
    tags: &'static [&'static str],
    /// Whether what it reads becomes its tags, where that is observed.
    auto: bool,
    shared: bool,
    value_type: Option<fn() -> &'static str>,
    /// Where caches count what it does. Elsewhere, so that all the rest is known to the compiler where it is asked for.
    number: &'static Number,
}

/// Where caches count what a function does: nowhere, before any has.
#[derive(Debug, Default)]
pub struct Number {
    number: AtomicUsize,
    /// Whether it was said that nothing is seen of what it reads.
    told: AtomicBool,
}

impl Number {
    /// For one more function.
    #[must_use]
    pub const fn new() -> Self {
        Self { number: AtomicUsize::new(0), told: AtomicBool::new(false) }
    }
}

/// That of whatever is counted as by hand.
static NONE: Number = Number::new();

/// One `#[cache_invalidate]` function, as its attribute describes it.
#[derive(Debug)]
pub struct Mutation {
    place: Place,
    targets: &'static [&'static str],
    tags: &'static [&'static str],
    /// The names of the functions whose entries it names by reference.
    functions: &'static [&'static str],
}

/// Where an attribute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) function: &'static str,
    pub(crate) module: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

/// What is done with keys given by hand, which has no function.
pub(crate) static BY_HAND: Site = Site::new("", module_path!(), file!(), line!(), "<by hand>");

impl Mutation {
    /// The site of a function.
    #[must_use]
    pub const fn new(function: &'static str, module: &'static str, file: &'static str, line: u32) -> Self {
        Self { place: Place { function, module, file, line }, targets: &[], tags: &[], functions: &[] }
    }

    /// With the templates of its keys and patterns.
    #[must_use]
    pub const fn targets(mut self, targets: &'static [&'static str]) -> Self {
        self.targets = targets;
        self
    }

    /// With the templates of its tags.
    #[must_use]
    pub const fn tags(mut self, tags: &'static [&'static str]) -> Self {
        self.tags = tags;
        self
    }

    /// With the names of the functions whose entries it names by reference.
    #[must_use]
    pub const fn functions(mut self, functions: &'static [&'static str]) -> Self {
        self.functions = functions;
        self
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn function_names(&self) -> &'static [&'static str] {
        self.functions
    }

    pub(crate) fn target_templates(&self) -> &'static [&'static str] {
        self.targets
    }

    pub(crate) fn tag_templates(&self) -> &'static [&'static str] {
        self.tags
    }
}

impl Site {
    /// The site of a function.
    #[must_use]
    pub const fn new(
        function: &'static str,
        module: &'static str,
        file: &'static str,
        line: u32,
        template: &'static str,
    ) -> Self {
        Self {
            place: Place { function, module, file, line },
            template,
            cache: None,
            ttl: None,
            none_ttl: None,
            stale: None,
            timeout: None,
            lock: None,
            max_staleness: None,
            early: 0.0,
            version: 0,
            tags: &[],
            auto: false,
            shared: false,
            value_type: None,
            number: &NONE,
        }
    }

    /// With where caches count what it does.
    #[must_use]
    pub const fn numbered_at(mut self, number: &'static Number) -> Self {
        self.number = number;
        self
    }

    /// With the expression that names its cache.
    #[must_use]
    pub const fn cache(mut self, cache: &'static str) -> Self {
        self.cache = Some(cache);
        self
    }

    /// With a template that other functions may have too.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// With the name of the type of its value.
    #[must_use]
    pub const fn value_type(mut self, name: fn() -> &'static str) -> Self {
        self.value_type = Some(name);
        self
    }

    /// With a time to live, in milliseconds.
    #[must_use]
    pub const fn ttl_millis(mut self, millis: u64) -> Self {
        self.ttl = Some(Duration::from_millis(millis));
        self
    }

    /// With a time to live of `None`, in milliseconds.
    #[must_use]
    pub const fn none_ttl_millis(mut self, millis: u64) -> Self {
        self.none_ttl = Some(Duration::from_millis(millis));
        self
    }

    /// With a stale window, in milliseconds.
    #[must_use]
    pub const fn stale_millis(mut self, millis: u64) -> Self {
        self.stale = Some(Duration::from_millis(millis));
        self
    }

    /// With a limit to the wait for a reload, in milliseconds.
    #[must_use]
    pub const fn timeout_millis(mut self, millis: u64) -> Self {
        self.timeout = Some(Duration::from_millis(millis));
        self
    }

    /// With a load that other processes wait for, as long as the cache lets a load take.
    #[must_use]
    pub const fn lock(mut self) -> Self {
        self.lock = Some(Duration::MAX);
        self
    }

    /// With a load that other processes wait for, for so many milliseconds.
    #[must_use]
    pub const fn lock_millis(mut self, millis: u64) -> Self {
        self.lock = Some(Duration::from_millis(millis));
        self
    }

    /// With a Δ of its own, in milliseconds.
    #[must_use]
    pub const fn max_staleness_millis(mut self, millis: u64) -> Self {
        self.max_staleness = Some(Duration::from_millis(millis));
        self
    }

    /// With refreshes before the end, `beta` times as far before it as is optimal.
    #[must_use]
    pub const fn early(mut self, beta: f64) -> Self {
        self.early = beta;
        self
    }

    /// With the version of the stored value's meaning.
    #[must_use]
    pub const fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// With the templates of its tags.
    #[must_use]
    pub const fn tags(mut self, tags: &'static [&'static str]) -> Self {
        self.tags = tags;
        self
    }

    /// With what it reads as its tags, where that is observed.
    #[must_use]
    pub const fn auto(mut self) -> Self {
        self.auto = true;
        self
    }

    pub(crate) fn is_observed(&self) -> bool {
        self.auto
    }

    /// Whether this is the first time that nothing was seen of what it reads, although its tags are to come from that.
    pub(crate) fn is_first_unobserved(&self) -> bool {
        self.auto && !self.number.told.swap(true, Ordering::Relaxed)
    }

    /// Its number among the sites that caches count for; 0 if it has none yet.
    #[inline]
    pub(crate) fn number(&self) -> usize {
        self.number.number.load(Ordering::Relaxed)
    }

    /// Its number, from 1 on, which it has from now on; nothing for what is by hand.
    pub(crate) fn numbered(&self) -> Option<usize> {
        static NUMBERED: AtomicUsize = AtomicUsize::new(0);

        if std::ptr::eq(self.number, &raw const NONE) {
            return None;
        }
        if self.number() == 0 {
            let next = NUMBERED.fetch_add(1, Ordering::Relaxed) + 1;
            // Of two threads that come at once, the number of one is never used.
            let _ = self.number.number.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        Some(self.number())
    }

    #[cfg(test)]
    pub(crate) fn set_number(&self, number: usize) {
        self.number.number.store(number, Ordering::Relaxed);
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The template of its key: how keys are shown where argument values must not be.
    pub(crate) fn key_template(&self) -> &'static str {
        self.template
    }

    pub(crate) fn tag_templates(&self) -> &'static [&'static str] {
        self.tags
    }

    pub(crate) fn cache_name(&self) -> Option<&'static str> {
        self.cache
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    pub(crate) fn value_type_name(&self) -> Option<&'static str> {
        self.value_type.map(|name| name())
    }

    pub(crate) fn fixed_ttl(&self) -> Option<Duration> {
        self.ttl
    }

    pub(crate) fn fixed_none_ttl(&self) -> Option<Duration> {
        self.none_ttl
    }

    pub(crate) fn fixed_stale(&self) -> Option<Duration> {
        self.stale
    }

    pub(crate) fn fixed_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn fixed_lock(&self) -> Option<Duration> {
        self.lock
    }

    #[inline]
    pub(crate) fn own_staleness(&self) -> Option<Duration> {
        self.max_staleness
    }

    pub(crate) fn beta(&self) -> f64 {
        self.early
    }

    pub(crate) fn value_version(&self) -> u64 {
        self.version
    }
}

/// A site that registered itself when the program started.
#[derive(Debug)]
pub enum Registered {
    /// A `#[cached]` function.
    Cached(&'static Site),
    /// A `#[cache_invalidate]` function.
    Mutation(&'static Mutation),
}

/// The sites of all linked crates.
pub(crate) fn registered() -> impl Iterator<Item = &'static Registered> {
    inventory::iter::<Registered>.into_iter()
}

inventory::collect!(Registered);

/// The path of the function around a local item, from the name of that item's type.
///
/// Methods of different types in one module differ in it, which the module path alone cannot tell.
#[must_use]
pub fn location(item: &'static str) -> &'static str {
    let function = item.rsplit_once("::").map_or(item, |(function, _)| function);
    function.split("::{{closure}}").next().unwrap_or(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_the_path_of_the_function() {
        assert_eq!(location("shop::db::get_user::here"), "shop::db::get_user");
        assert_eq!(location("shop::Users::load::{{closure}}::here"), "shop::Users::load");
        assert_eq!(
            location("<shop::A as shop::B>::load::{{closure}}::{{closure}}::here"),
            "<shop::A as shop::B>::load"
        );
    }
}
