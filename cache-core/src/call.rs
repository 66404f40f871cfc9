//! The life of one cached call, top to bottom: look, wait for another's load or lead one, store, answer.
//!
//! The edges know the types; the middle ([`approach`]) is compiled once. A failure of the cache never
//! reaches the caller: here it means that the body runs. A call that may be answered with a value that is due for
//! a refresh is in `reload`.

mod each;
mod glance;
mod load;
mod reload;
mod turn;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{Cache, Inner};
use crate::codec::{Typed, Wire};
use crate::context;
use crate::entry::{Absent, Entry};
use crate::flight::{Boarding, Outcome, Purpose, Seat, Waited};
use crate::global::AsCache;
use crate::key::{Key, KeyRef, KeyWriter};
use crate::policy::{Keep, Question, keep_options};
use crate::sabotage::{Fault, is_planted};
use crate::shape::{Shape, SharedError};
use crate::site::Site;
use crate::tag::Tag;
use crate::tiers::{AsOf, Claimed, Found, Wanted};

pub use each::{EachCall, bypass_each, lookup_each, refresh_each};
use glance::{Glance, glance};
use load::{Landed, Made, loaded};
pub use reload::lookup_stale;
use reload::{Due, Source};

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
    typed: Typed,
    tags: Vec<Tag>,
    keep: Keep<'f, S::Value>,
    /// What the lookup found, if that is due for a refresh.
    due: Option<Due>,
    /// How long to wait for that refresh.
    timeout: Option<Duration>,
    /// How long to wait for the load of another process; nothing if not at all.
    lock: Option<Duration>,
    /// Which errors of it deserve the value that is due.
    stale_if: Option<Question<'f, S::Error, bool>>,
}

/// The entry that a call is about.
struct Target {
    cache: Cache,
    key: Key,
    /// Whether to run the body even if there is a value.
    anew: bool,
    /// Of a call that may be answered with a value that is due for a refresh: the factor of `early`.
    early: Option<f64>,
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
        match local_hit(cache.inner(), shape, key) {
            Some(output) => Lookup::Hit(output),
            None => Lookup::Miss(Miss::of(site, shape, W::TYPED, cache, key)),
        }
    })
}

/// The answer that this process holds.
#[inline]
pub(crate) fn local_hit<S>(cache: &Inner, shape: S, key: KeyRef<'_>) -> Option<S::Output>
where
    S: Shape<Value: Clone + 'static>,
{
    if clones_in_place::<S::Value>() {
        return cache.peek(key, |entry| serve(cache, shape, entry));
    }
    cache.peek_unlocked(key, |entry| serve(cache, shape, entry))
}

/// What the caller gets of an entry that may be served.
#[inline]
fn serve<S>(cache: &Inner, shape: S, entry: &Entry) -> Option<S::Output>
where
    S: Shape<Value: Clone + 'static>,
{
    let output = output_of(shape, entry)?;
    cache.counters.local_hits.increment();
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
        Self { cache: cache.clone(), key, anew: false, early: None }
    }

    fn purpose(&self) -> Purpose {
        if self.anew { Purpose::Anew } else { Purpose::Load }
    }
}

impl<'f, S: Shape> Miss<'f, S> {
    fn new(site: &'static Site, shape: S, typed: Typed, target: Option<Target>) -> Self {
        Self {
            target,
            site,
            shape,
            typed,
            tags: Vec::new(),
            keep: Keep::of(site),
            due: None,
            timeout: site.fixed_timeout(),
            lock: site.fixed_lock(),
            stale_if: None,
        }
    }

    /// The miss of a call that has looked for `key`.
    #[cold]
    fn of(site: &'static Site, shape: S, typed: Typed, cache: &Cache, key: KeyRef<'_>) -> Self {
        Self::manual(site, shape, typed, cache, key.to_key())
    }

    /// The miss of a call with a key given by hand.
    pub(crate) fn manual(site: &'static Site, shape: S, typed: Typed, cache: &Cache, key: Key) -> Self {
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
        self.timeout = Some(timeout);
        self
    }

    /// With a load that other processes wait for, for so long.
    #[must_use]
    pub fn lock(mut self, wait: Duration) -> Self {
        self.lock = Some(wait);
        self
    }

    /// With the value that is due only for errors for which `stale_if` is true.
    #[must_use]
    pub fn stale_if(mut self, stale_if: impl Fn(&S::Error) -> bool + Send + Sync + 'f) -> Self {
        self.stale_if = Some(Box::new(stale_if));
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
    /// Boxed, so that the futures of cached functions stay small: a hit carries nothing of this around.
    pub fn load<F>(mut self, body: F) -> Pin<Box<impl Future<Output = S::Output>>>
    where
        F: Future<Output = S::Output>,
        S::Value: Clone + Send + Sync + 'static,
    {
        // Not an `async fn`: that would keep its arguments twice.
        Box::pin(async move {
            let Some(target) = self.target.take() else { return body.await };
            let tags = std::mem::take(&mut self.tags);
            match seek(self.shape, &target, self.wanted(&target, &tags)).await {
                Sought::Answer(output) => output,
                Sought::Load(lead) => self.run(&target, &tags, lead, body).await,
                // Nobody finds one who does not ask for it.
                Sought::Due(_) => body.await,
            }
        })
    }

    /// What this call takes for an answer.
    fn wanted<'t>(&self, target: &Target, tags: &'t [Tag]) -> Wanted<'t> {
        let wanted = Wanted::of(self.site, self.typed, tags);
        Wanted { stale: target.early.is_some(), lock: self.lock, ..wanted }
    }

    /// Runs the body in the caller's task: for everybody, if this caller leads.
    async fn run<F>(&self, target: &Target, tags: &[Tag], lead: Option<Lead>, body: F) -> S::Output
    where
        F: Future<Output = S::Output>,
        S::Value: Clone + Send + Sync + 'static,
    {
        let cache = target.cache.inner();
        let (output, load_time, met) = loaded(&target.cache, &target.key, body).await;
        if !self.shape.succeeded(&output) {
            cache.counters.load_errors.increment();
        }
        context::inherit(cache.id(), tags);
        context::inherit(cache.id(), &met);
        if let Some(lead) = lead {
            let (template, wanted) = (self.site.key_template(), self.wanted(target, tags));
            if let Landed::Kept(publication) =
                self.land(cache, &target.key, wanted, lead, (load_time, &met), &output)
            {
                cache.background.succeeded(&target.key);
                publication.publish(cache, &target.key, wanted, template).await;
            }
        }
        output
    }

    /// Ends the flight with what the load returned.
    fn land(
        &self,
        cache: &Inner,
        key: &Key,
        wanted: Wanted<'_>,
        lead: Lead,
        (load_time, met): (Duration, &[Tag]),
        output: &S::Output,
    ) -> Landed
    where
        S::Value: Clone + Send + Sync + 'static,
    {
        if !self.shape.succeeded(output) {
            match self.shape.share_error(output) {
                Some(error) => lead.seat.land(|| (), || Outcome::Error(error)),
                None => lead.seat.fail(),
            }
            return Landed::Failed;
        }
        let value = self.shape.value(output);
        let life = self.keep.decide(value, &cache.settings);
        Made { value, life, load_time, met }.land(cache, key, wanted, lead)
    }
}

/// What a caller that looked for an answer has found.
enum Sought<O> {
    Answer(O),
    /// An answer that is due for a refresh.
    Due(Due),
    /// None: run the body, for everybody or for this caller only.
    Load(Option<Lead>),
}

async fn seek<S>(shape: S, target: &Target, wanted: Wanted<'_>) -> Sought<S::Output>
where
    S: Shape<Value: Clone + Send + 'static>,
{
    let cache = target.cache.inner();
    let mut found = None::<S::Value>;
    let glance = glance(target, wanted, &mut found).await;
    let output = match glance {
        Glance::Value => found.and_then(|value| shape.output(Some(value))),
        Glance::Absent => shape.output(None),
        Glance::Nothing | Glance::Unavailable => None,
    };
    if let Some(output) = output {
        return Sought::Answer(output);
    }
    let asks = glance != Glance::Unavailable;
    // Boxed, so that such a hit carries nothing of it around.
    let answer = match Box::pin(approach(cache, target, wanted, asks)).await {
        Step::Found(entry) => {
            context::inherit(cache.id(), entry.stamp().tags());
            output_of(shape, &entry)
        }
        Step::Failed(error) => shape.failed(&error),
        Step::Due(due) => return Sought::Due(due),
        Step::Lead(lead) => return Sought::Load(Some(lead)),
        Step::Alone => None,
    };
    answer.map_or(Sought::Load(None), Sought::Answer)
}

/// What a caller has to do.
enum Step {
    Found(Arc<Entry>),
    Due(Due),
    Failed(SharedError),
    /// Run the body for everybody.
    Lead(Lead),
    /// Run the body for this caller only.
    Alone,
}

/// The duty to run the load, with the right to publish it where a remote store gave one.
struct Lead {
    seat: Seat,
    claimed: Option<Claimed>,
}

/// From a miss to a value, or to the duty of loading one. The remote store is asked if the caller `asks` for it.
async fn approach(cache: &Inner, target: &Target, wanted: Wanted<'_>, asks: bool) -> Step {
    let Target { key, anew, early, .. } = target;
    if context::is_loading(cache.id(), key) {
        return Step::Alone;
    }
    cache.listen().await;
    let mut waits = 0;
    // A caller that takes what is being refreshed need not wait for the refresh.
    let mut passes_by = early.is_some();
    let seat = loop {
        let joinable = cache.joinable();
        let purpose = if passes_by { Purpose::PassBy } else { target.purpose() };
        let ended = match cache.flights.board(key, wanted.tags, &cache.scopes, joinable, purpose) {
            Boarding::Lead(seat) => break seat,
            Boarding::Wait(seat) if passes_by && seat.refreshes() => {
                passes_by = false;
                drop(seat);
                match Box::pin(reload::pass_by(cache, target, wanted)).await {
                    Some(step) => return step,
                    None => continue,
                }
            }
            Boarding::Wait(seat) => {
                cache.counters.joins.increment();
                seat.wait(cache.settings.load_limit).await
            }
        };
        match ended {
            Waited::Landed(Outcome::Value(entry)) if wanted.accepts(&entry) => return Step::Found(entry),
            Waited::Landed(Outcome::Stale(entry)) if wanted.stale && wanted.accepts(&entry) => {
                return Step::Due(Due::of(entry, Source::Another));
            }
            Waited::Landed(Outcome::Error(error)) => return Step::Failed(error),
            // For a caller that takes no stale values nothing has happened yet.
            Waited::Landed(Outcome::Stale(_)) => {}
            Waited::Landed(_) => return Step::Alone,
            Waited::Lead(seat)
                if cache.scopes.is_current(seat.stamp(), key.borrow())
                    && (seat.stamp().carries(wanted.tags) || is_planted(Fault::LeadUntagged)) =>
            {
                break seat;
            }
            // Overtaken by an invalidation, begun by somebody who knew of fewer tags, or too slow: others
            // must not get what it makes.
            Waited::Lead(_) | Waited::Overtaken | Waited::TimedOut => {}
        }
        waits += 1;
        if waits == MAX_WAITS {
            return Step::Alone;
        }
    };
    if !anew {
        // Another flight may have landed between this caller's look and its boarding.
        let landed = cache.peek(key.borrow(), |entry| wanted.accepts(entry).then(|| Arc::clone(entry)));
        if let Some(entry) = landed {
            cache.counters.local_hits.increment();
            seat.land(|| (), || Outcome::Value(Arc::clone(&entry)));
            return Step::Found(entry);
        }
    }
    let as_of = AsOf { stamp: Arc::clone(seat.stamp()), began: seat.began() };
    let fetched = if asks && cache.settings.remote.is_some() {
        // Boxed, so that a miss is small where there is no remote store: a crowd of them fits into fewer caches.
        Box::pin(turn::fetch(&target.cache, key, wanted, &as_of, *anew)).await
    } else {
        Ok(Found::Unavailable)
    };
    let claimed = match fetched {
        Ok(Found::Value(entry, left, claimed)) => {
            seat.land(|| cache.keep(key, &entry), || Outcome::Value(Arc::clone(&entry)));
            return reload::found(cache, target, entry, left, claimed);
        }
        Ok(Found::Stale(entry, claimed)) => {
            seat.land(|| cache.keep(key, &entry), || Outcome::Stale(Arc::clone(&entry)));
            return Step::Due(Due::of(entry, Source::Remote).with(claimed));
        }
        Ok(Found::Nothing(claimed)) => Some(claimed),
        Ok(Found::Leased | Found::Unavailable) | Err(_) => None,
    };
    cache.counters.misses.increment();
    Step::Lead(Lead { seat, claimed })
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
