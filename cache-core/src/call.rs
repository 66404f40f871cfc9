//! The life of one cached call, top to bottom: look, wait for another's load or lead one, store, answer.
//!
//! The edges know the types; the middle (`approach`) is compiled once. A failure of the cache never
//! reaches the caller: here it means that the body runs. A call that may be answered with a value that is due for
//! a refresh is in `reload`.

mod answer;
mod approach;
mod each;
mod glance;
mod load;
mod reload;
mod turn;

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use crate::cache::{Cache, Inner};
use crate::codec::{Typed, Wire};
use crate::context::{self, Met};
use crate::entry::{Absent, Entry};
use crate::flight::{Outcome, Purpose, Waited};
use crate::global::AsCache;
use crate::key::{Key, KeyRef, KeyWriter};
use crate::outcome;
use crate::policy::{Keep, Question, keep_options};
use crate::shape::Shape;
use crate::site::Site;
use crate::store::Generation;
use crate::tag::Tag;
use crate::tally::Tally;
use crate::tiers::Wanted;

pub use answer::Answer;
use approach::{Course, First, Lead, Sought, embark, seek};
pub use each::{EachCall, bypass_each, lookup_each, refresh_each};
use glance::Glance;
use load::{Landed, Made, loaded};
use reload::Due;
pub use reload::lookup_stale;

/// Loads of others that a caller waits for before it runs its own.
const MAX_WAITS: u32 = 3;

/// What a look at the local store found.
#[derive(Debug)]
pub enum Lookup<O, M> {
    /// The answer.
    Hit(O),
    /// How to come by it.
    Miss(M),
}

/// A call that found nothing in this process: its options are set, then [`load`](Miss::load) answers it.
pub struct Miss<'f, S: Shape> {
    /// Nothing, if the call bypasses the cache.
    target: Option<Target>,
    site: &'static Site,
    shape: S,
    typed: &'static Typed,
    tags: Vec<Tag>,
    keep: Keep<'f, S::Value>,
    /// What the lookup found, if that is due for a refresh.
    due: Option<Box<Due>>,
    /// By itself, as most calls say nothing, and hundreds may wait.
    said: Option<Box<Said<'f, S>>>,
}

/// What a call says about waiting, in place of the constants of its function.
struct Said<'f, S: Shape> {
    /// How long to wait for the refresh of what is due.
    timeout: Option<Duration>,
    /// The same, where the value that is due decides.
    timeout_from: Option<Patience<'f, S::Value>>,
    /// How long to wait for the load of another process.
    lock: Option<Duration>,
    /// Which errors deserve the value that is due.
    stale_if: Option<Question<'f, S::Error, bool>>,
}

/// How long to wait for the refresh of a value that has been stale for so long.
type Patience<'f, V> = Box<dyn Fn(&V, Duration) -> Option<Duration> + Send + Sync + 'f>;

/// The entry that a call is about.
struct Target {
    cache: Cache,
    key: Key,
    /// Whether to run the body even if there is a value.
    anew: bool,
    /// Whether the call may be answered with a value that is due for a refresh.
    takes_due: bool,
}

/// Looks the key up in this process. This is all that a local hit runs.
#[inline]
pub fn lookup<'f, C, S, W>(
    site: &'static Site,
    cache: &C,
    shape: S,
    _wire: W,
    key: impl FnOnce(&mut KeyWriter),
) -> Lookup<S::Output, Miss<'f, S>>
where
    C: AsCache + ?Sized,
    S: Shape<Value: Clone + Send + Sync + 'static>,
    W: Wire<S::Value>,
{
    cache.with(|cache| {
        let mut writer = KeyWriter::new();
        key(&mut writer);
        if !(cache.is_enabled() && writer.is_usable()) {
            return Lookup::Miss(Miss::new(site, shape, W::TYPED, None));
        }
        let key = KeyRef::new(&writer);
        let (inner, tally) = (cache.inner(), cache.inner().tally(site));
        tally.begin();
        // Apart, so that a hit carries nothing of it around where there is none.
        let hit = match site.own_staleness() {
            None => local_hit(inner, tally, shape, key),
            Some(own) => local_hit_within(inner, tally, shape, key, own),
        };
        match hit {
            Some(output) => Lookup::Hit(output),
            None => Lookup::Miss(Miss::of(site, shape, W::TYPED, cache, key)),
        }
    })
}

/// The answer that this process holds under a key given by hand.
#[inline]
pub(crate) fn local_hit_by_hand<S>(cache: &Inner, shape: S, key: KeyRef<'_>) -> Option<S::Output>
where
    S: Shape<Value: Clone + 'static>,
{
    let tally = cache.counters.book.by_hand();
    tally.begin();
    local_hit(cache, tally, shape, key)
}

/// The answer that this process holds.
#[inline]
fn local_hit<S>(cache: &Inner, tally: &Tally, shape: S, key: KeyRef<'_>) -> Option<S::Output>
where
    S: Shape<Value: Clone + 'static>,
{
    if clones_in_place::<S::Value>() {
        return cache.peek(key, |entry| serve(cache, tally, shape, entry));
    }
    cache.peek_unlocked(key, |entry| serve(cache, tally, shape, entry))
}

/// The answer that this process holds, for a function with a Δ of its own.
#[inline(never)]
fn local_hit_within<S>(
    cache: &Inner,
    tally: &Tally,
    shape: S,
    key: KeyRef<'_>,
    own: Duration,
) -> Option<S::Output>
where
    S: Shape<Value: Clone + 'static>,
{
    // As of before the rule is asked.
    let within = cache.within(Some(own));
    cache.peek_unlocked(
        key,
        |entry| if within.allows(entry) { serve(cache, tally, shape, entry) } else { None },
    )
}

/// What the caller gets of an entry that may be served.
#[inline]
fn serve<S>(cache: &Inner, tally: &Tally, shape: S, entry: &Entry) -> Option<S::Output>
where
    S: Shape<Value: Clone + 'static>,
{
    let output = output_of(shape, entry)?;
    tally.hit();
    context::inherit(cache.id(), entry.stamp().tags());
    Some(output)
}

/// Whether a `V` is cloned without running what others have written, which may take long or call the cache:
/// then it may happen under the store's lock, which spares the entry two changes of its count.
///
/// True of values that own nothing and of shared ones. The name of a type promises nothing, but none outside
/// the standard library begins with that of its crate.
#[inline]
fn clones_in_place<V>() -> bool {
    !std::mem::needs_drop::<V>() || std::any::type_name::<V>().starts_with("alloc::sync::Arc<")
}

/// A call that goes past the cache: nothing is looked up, nothing is stored.
pub fn bypass<'f, C, S, W>(
    site: &'static Site,
    _cache: &C,
    shape: S,
    _wire: W,
) -> Lookup<S::Output, Miss<'f, S>>
where
    C: AsCache + ?Sized,
    S: Shape<Value: Clone + Send + Sync + 'static>,
    W: Wire<S::Value>,
{
    Lookup::Miss(Miss::new(site, shape, W::TYPED, None))
}

/// A call that runs its body and stores the result, whatever is cached.
pub fn refresh<'f, C, S, W>(
    site: &'static Site,
    cache: &C,
    shape: S,
    _wire: W,
    key: impl FnOnce(&mut KeyWriter),
) -> Miss<'f, S>
where
    C: AsCache + ?Sized,
    S: Shape<Value: Clone + Send + Sync + 'static>,
    W: Wire<S::Value>,
{
    cache.with(|cache| {
        let mut writer = KeyWriter::new();
        key(&mut writer);
        let target = (cache.is_enabled() && writer.is_usable())
            .then(|| Target { anew: true, ..Target::new(cache, KeyRef::new(&writer).to_key()) });
        Miss::new(site, shape, W::TYPED, target)
    })
}

impl Target {
    fn new(cache: &Cache, key: Key) -> Self {
        Self { cache: cache.clone(), key, anew: false, takes_due: false }
    }

    fn purpose(&self) -> Purpose {
        if self.anew { Purpose::Anew } else { Purpose::Load }
    }
}

impl<'f, S: Shape> Miss<'f, S> {
    fn new(site: &'static Site, shape: S, typed: &'static Typed, target: Option<Target>) -> Self {
        let foreseen = target.as_ref().map(|target| target.cache.inner().foreseen(site, &target.key));
        Self {
            target,
            site,
            shape,
            typed,
            tags: foreseen.unwrap_or_default(),
            keep: Keep::of(site),
            due: None,
            said: None,
        }
    }

    fn said(&mut self) -> &mut Said<'f, S> {
        let nothing = || Said { timeout: None, timeout_from: None, lock: None, stale_if: None };
        self.said.get_or_insert_with(|| Box::new(nothing()))
    }

    /// The miss of a call that has looked for `key`.
    #[cold]
    fn of(site: &'static Site, shape: S, typed: &'static Typed, cache: &Cache, key: KeyRef<'_>) -> Self {
        Self::manual(site, shape, typed, cache, key.to_key())
    }

    /// The miss of a call with a key given by hand.
    pub(crate) fn manual(
        site: &'static Site,
        shape: S,
        typed: &'static Typed,
        cache: &Cache,
        key: Key,
    ) -> Self {
        Self::new(site, shape, typed, Some(Target::new(cache, key)))
    }

    keep_options!(S::Value);

    /// With this stale window.
    #[must_use]
    pub fn stale(mut self, stale: Duration) -> Self {
        self.keep.set_stale(stale);
        self
    }

    /// With a stale window that the value decides.
    #[must_use]
    pub fn stale_from(mut self, stale: impl Fn(&S::Value) -> Duration + Send + Sync + 'f) -> Self {
        self.keep.set_stale_from(stale);
        self
    }

    /// With this limit to the wait for a reload.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.said().timeout = Some(timeout);
        self
    }

    /// With a limit to the wait for a reload that the stale value decides, and for how long it has been stale: nothing, if
    /// it is the answer at once.
    #[must_use]
    pub fn timeout_from(
        mut self,
        timeout: impl Fn(&S::Value, Duration) -> Option<Duration> + Send + Sync + 'f,
    ) -> Self {
        self.said().timeout_from = Some(Box::new(timeout));
        self
    }

    /// With a load that other processes wait for, for so long.
    #[must_use]
    pub fn lock(mut self, wait: Duration) -> Self {
        self.said().lock = Some(wait);
        self
    }

    /// With the value that is due only for errors for which `stale_if` is true.
    #[must_use]
    pub fn stale_if(mut self, stale_if: impl Fn(&S::Error) -> bool + Send + Sync + 'f) -> Self {
        self.said().stale_if = Some(Box::new(stale_if));
        self
    }

    /// With a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl FnOnce(&mut KeyWriter)) -> Self {
        self.tags.push(Tag::build(tag));
        self
    }

    /// Answers the call: with another's value, the remote store's, or that of `body`.
    ///
    /// What is waited for is boxed, so that the futures of cached functions stay small: a hit carries nothing of this
    /// around. Who leads is decided before that, since whoever waits for another's load needs no room for one.
    pub fn load<F>(
        self,
        body: F,
    ) -> Answer<
        S::Output,
        impl Future<Output = S::Output>,
        impl Future<Output = S::Output>,
        impl Future<Output = S::Output>,
    >
    where
        F: Future<Output = S::Output>,
        S::Value: Clone + Send + Sync + 'static,
    {
        let first = self.target.as_ref().map(|target| {
            let wanted = self.wanted(target, &self.tags);
            (embark(target, wanted), target)
        });
        let lead = match first {
            Some((First::Glance, _)) => return Answer::glanced(self.glanced(body)),
            Some((First::Seek(course), _)) => return Answer::sought(self.sought(course, true, body)),
            Some((First::Found(entry), target)) => match answer_of(self.shape, target, &entry) {
                Some(output) => return Answer::at_hand(output),
                None => None,
            },
            Some((First::Lead(lead), _)) => Some(lead),
            None => None,
        };
        Answer::loaded(self.led(lead, body))
    }

    /// The answer that the remote store has, or else that of whoever has one, or of the body.
    #[expect(clippy::manual_async_fn, reason = "that keeps its arguments twice, and a crowd may wait here")]
    fn glanced<F>(self, body: F) -> impl Future<Output = S::Output>
    where
        F: Future<Output = S::Output>,
        S::Value: Clone + Send + Sync + 'static,
    {
        async move {
            let mut asks = true;
            if let Some(target) = &self.target
                && let Some(asked) = glance::ask(target, &self.tags)
            {
                let began = target.cache.inner().tally(self.site).begin_remote();
                let glimpse = asked.await;
                let mut found = None::<S::Value>;
                let glance =
                    glance::look(target, &self.wanted(target, &self.tags), began, glimpse, &mut found);
                let output = match glance {
                    Glance::Value => found.and_then(|value| self.shape.output(Some(value))),
                    Glance::Absent => self.shape.output(None),
                    Glance::Nothing | Glance::Unavailable => None,
                };
                if let Some(output) = output {
                    return output;
                }
                asks = glance != Glance::Unavailable;
            }
            // Boxed, since hardly anybody comes to this who has a hit in a remote store.
            Box::pin(self.sought(Course::Board, asks, body)).await
        }
    }

    /// The answer of whoever has one, or of the body if nobody has. The remote store is asked if the caller `asks` for it.
    #[expect(clippy::manual_async_fn, reason = "that keeps its arguments twice, and a crowd may wait here")]
    fn sought<F>(self, course: Course, asks: bool, body: F) -> impl Future<Output = S::Output>
    where
        F: Future<Output = S::Output>,
        S::Value: Clone + Send + Sync + 'static,
    {
        async move {
            let mut lead = None;
            if let Some(target) = &self.target {
                let wanted = self.wanted(target, &self.tags);
                let course = match course {
                    Course::Wait(seat) => match seat.wait(target.cache.inner().settings.load_limit).await {
                        Waited::Landed(Outcome::Value(entry))
                            if wanted.accepts(&entry)
                                && let Some(output) = answer_of(self.shape, target, &entry) =>
                        {
                            outcome::note(outcome::Outcome::Joined);
                            return output;
                        }
                        ended => Course::Ended(ended),
                    },
                    course => course,
                };
                // Boxed, since hardly anybody comes to this who waits for another's load.
                match Box::pin(seek(self.shape, target, wanted, course, asks)).await {
                    Sought::Answer(output) => return output,
                    Sought::Load(duty) => lead = duty,
                    // Nobody finds one who does not ask for it.
                    Sought::Due(_) => {}
                }
            }
            Box::pin(self.led(lead, body)).await
        }
    }

    /// The answer of the body: for everybody, if this caller leads.
    fn led<F>(self, lead: Option<Lead>, body: F) -> impl Future<Output = S::Output>
    where
        F: Future<Output = S::Output>,
        S::Value: Clone + Send + Sync + 'static,
    {
        // By itself, since each future around it would be as large again.
        let body = Box::pin(body);
        async move {
            let Some(target) = &self.target else {
                let output = body.await;
                outcome::note(outcome::Outcome::Bypassed);
                return output;
            };
            self.run(target, &self.tags, lead, body).await
        }
    }

    /// What this call takes for an answer.
    fn wanted<'t>(&self, target: &Target, tags: &'t [Tag]) -> Wanted<'t> {
        let wanted = Wanted::of(self.site, self.typed, tags);
        Wanted { stale: target.takes_due, lock: self.lock_wait(), ..wanted }
    }

    /// How long to wait for the load of another process; nothing if not at all.
    fn lock_wait(&self) -> Option<Duration> {
        self.said.as_ref().and_then(|said| said.lock).or(self.site.fixed_lock())
    }

    /// Runs the body in the caller's task: for everybody, if this caller leads.
    async fn run<F>(&self, target: &Target, tags: &[Tag], lead: Option<Lead>, body: F) -> S::Output
    where
        F: Future<Output = S::Output>,
        S::Value: Clone + Send + Sync + 'static,
    {
        let cache = target.cache.inner();
        let body = pin!(body);
        let position = match &lead {
            Some(Lead { claimed: Some(_), .. }) if cache.may_learn(self.site) => {
                Box::pin(cache.position()).await
            }
            _ => None,
        };
        let (output, load_time, met) =
            loaded(target.cache.downgrade(), self.site, cache.id(), [target.key.clone()], body).await;
        if !self.shape.succeeded(&output) {
            cache.load_failed(self.site);
        }
        context::inherit(cache.id(), tags);
        context::inherit(cache.id(), &met.tags);
        if let Some(lead) = lead {
            let (template, wanted) = (self.site.key_template(), self.wanted(target, tags));
            if let Landed::Kept(publication) =
                self.land(cache, &target.key, wanted, lead, (load_time, &met, position), &output)
            {
                cache.background.succeeded(&target.key);
                if let Some(publishing) = publication.publish(cache, &target.key, wanted, template) {
                    publishing.await;
                }
            }
        }
        outcome::note(self.outcome(&output));
        output
    }

    /// How a load of this caller has ended.
    fn outcome(&self, output: &S::Output) -> outcome::Outcome {
        if self.shape.succeeded(output) { outcome::Outcome::Loaded } else { outcome::Outcome::Failed }
    }

    /// Ends the flight with what the load returned.
    fn land(
        &self,
        cache: &Inner,
        key: &Key,
        wanted: Wanted<'_>,
        lead: Lead,
        (load_time, met, position): (Duration, &Met, Option<Generation>),
        output: &S::Output,
    ) -> Landed
    where
        S::Value: Clone + Send + Sync + 'static,
    {
        if !self.shape.succeeded(output) {
            match self.shape.share_error(output) {
                Some(error) if !met.unfit => lead.seat.land(|| (), || Outcome::Error(error)),
                _ => lead.seat.fail(),
            }
            return Landed::Failed;
        }
        let value = self.shape.value(output);
        let life = self.keep.decide(value, &cache.settings);
        Made { value, life, load_time, met, position }.land(cache, key, wanted, lead)
    }
}

/// The answer that an entry of another's load is, if it is of this shape.
fn answer_of<S>(shape: S, target: &Target, entry: &Entry) -> Option<S::Output>
where
    S: Shape<Value: Clone + 'static>,
{
    context::inherit(target.cache.inner().id(), entry.stamp().tags());
    output_of(shape, entry)
}

/// The output that an entry stands for, if it is of this shape.
#[inline]
fn output_of<S>(shape: S, entry: &Entry) -> Option<S::Output>
where
    S: Shape<Value: Clone + 'static>,
{
    match entry.value::<S::Value>() {
        Some(value) => shape.output(Some(value.clone())),
        None => entry.value::<Absent>().and_then(|_| shape.output(None)),
    }
}

impl<S: Shape> fmt::Debug for Miss<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Miss").field("template", &self.site.key_template()).finish_non_exhaustive()
    }
}
