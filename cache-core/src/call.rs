//! The life of one cached call, top to bottom: look, wait for another's load or lead one, store, answer.
//!
//! The edges know the types; the middle ([`approach`]) is compiled once. A failure of the cache never
//! reaches the caller: here it means that the body runs.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{Cache, Inner};
use crate::clock::{self, Moment};
use crate::codec::{Typed, Wire};
use crate::context::{self, Context};
use crate::entry::{Absent, Entry};
use crate::flight::{Boarding, Outcome, Seat, Waited};
use crate::global::AsCache;
use crate::key::{Key, KeyRef, KeyWriter};
use crate::policy::Keep;
use crate::sabotage::{Fault, is_planted};
use crate::shape::{Shape, SharedError};
use crate::site::Site;
use crate::tag::Tag;
use crate::tiers::{AsOf, Claimed, Found, Wanted};

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
}

/// The entry that a call is about.
struct Target {
    cache: Cache,
    key: Key,
    /// Whether to run the body even if there is a value.
    refresh: bool,
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
    serve(cache, shape, &cache.peek(key, |entry| Some(Arc::clone(entry)))?)
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
            .then(|| Target { refresh: true, ..Target::new(cache, KeyRef::new(&writer).to_key()) });
        Miss::new(site, shape, W::TYPED, target)
    })
}

impl Target {
    fn new(cache: &Cache, key: Key) -> Self {
        Self { cache: cache.clone(), key, refresh: false }
    }
}

impl<'f, S: Shape> Miss<'f, S> {
    fn new(site: &'static Site, shape: S, typed: Typed, target: Option<Target>) -> Self {
        Self { target, site, shape, typed, tags: Vec::new(), keep: Keep::of(site) }
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

    /// With this time to live.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.keep.set_ttl(ttl);
        self
    }

    /// With a time to live that the value decides.
    #[must_use]
    pub fn ttl_from(mut self, ttl: impl FnOnce(&S::Value) -> Duration + Send + 'f) -> Self {
        self.keep.set_ttl_from(ttl);
        self
    }

    /// With this time to live of a `None`.
    #[must_use]
    pub fn none_ttl(mut self, ttl: Duration) -> Self {
        self.keep.set_none_ttl(ttl);
        self
    }

    /// Without storing values for which `unless` is true.
    #[must_use]
    pub fn unless(mut self, unless: impl FnOnce(&S::Value) -> bool + Send + 'f) -> Self {
        self.keep.set_unless(unless);
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
    pub fn load<F>(self, body: F) -> Pin<Box<impl Future<Output = S::Output>>>
    where
        F: Future<Output = S::Output>,
        S::Value: Clone + Send + Sync + 'static,
    {
        Box::pin(self.answer(body))
    }

    async fn answer<F>(mut self, body: F) -> S::Output
    where
        F: Future<Output = S::Output>,
        S::Value: Clone + Send + Sync + 'static,
    {
        let Some(target) = self.target.take() else { return body.await };
        let tags = std::mem::take(&mut self.tags);
        let wanted = Wanted {
            typed: self.typed,
            type_matters: true,
            version: Some(self.site.value_version()),
            tags: &tags,
        };
        let cache = target.cache.inner();
        let (answer, lead) = match approach(cache, &target, wanted).await {
            Step::Found(entry) => {
                context::inherit(cache.id(), entry.stamp().tags());
                (output_of(self.shape, &entry), None)
            }
            Step::Failed(error) => (self.shape.failed(&error), None),
            Step::Lead(lead) => (None, Some(lead)),
            Step::Alone => (None, None),
        };
        if let Some(output) = answer {
            return output;
        }
        let (output, met) = Context::run(cache.id(), target.key.clone(), Loading::of(cache, body)).await;
        if !self.shape.succeeded(&output) {
            cache.counters.load_errors.increment();
        }
        context::inherit(cache.id(), &tags);
        context::inherit(cache.id(), &met);
        if let Some(lead) = lead {
            self.land(cache, &target.key, wanted, lead, met, &output).await;
        }
        output
    }

    /// Ends the flight with what the load made, and stores what is to be stored.
    async fn land(
        self,
        cache: &Inner,
        key: &Key,
        wanted: Wanted<'_>,
        lead: Lead,
        met: Vec<Tag>,
        output: &S::Output,
    ) where
        S::Value: Clone + Send + Sync + 'static,
    {
        let Lead { seat, claimed } = lead;
        if !self.shape.succeeded(output) {
            return match self.shape.share_error(output) {
                Some(error) => seat.land(|| (), || Outcome::Error(error)),
                None => seat.fail(),
            };
        }
        let value = self.shape.value(output);
        let ttl = self.keep.decide(value, &cache.settings);
        let learned = !met.iter().all(|tag| wanted.tags.contains(tag));
        let stamp = if is_planted(Fault::StampAfterLoad) {
            Arc::new(cache.scopes.stamp(key, &[wanted.tags, &met].concat()))
        } else if learned {
            Arc::new(cache.scopes.extend(seat.stamp(), &met))
        } else {
            Arc::clone(seat.stamp())
        };
        let as_of = AsOf { stamp, began: seat.began() };
        let entry = |ttl| match value {
            Some(value) => cache.entry(value.clone(), wanted.typed, &as_of, ttl),
            None => cache.entry_of_none(&as_of, ttl),
        };
        let Some(ttl) = ttl else {
            return seat.land(|| (), || Outcome::Value(entry(Duration::ZERO)));
        };
        let kept = entry(ttl);
        seat.land(|| cache.keep(key, &kept), || Outcome::Value(Arc::clone(&kept)));

        let (Some(claimed), Some(bytes)) = (claimed, wanted.typed.bytes) else { return };
        if learned {
            // Other processes could not tell whether those tags have moved.
            return;
        }
        let encoded = value.map(|value| (bytes.encode)(value, cache.settings.codec)).transpose();
        let published = match encoded {
            Ok(payload) => cache.publish(key, wanted, &claimed, payload.as_deref(), ttl).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = published {
            tracing::debug!(target: "larder", template = self.site.key_template(), %error, "a load was not stored remotely");
        }
    }
}

/// What a caller has to do.
enum Step {
    Found(Arc<Entry>),
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

/// From a miss to a value, or to the duty of loading one.
async fn approach(cache: &Inner, target: &Target, wanted: Wanted<'_>) -> Step {
    let Target { key, refresh, .. } = target;
    if context::is_loading(cache.id(), key) {
        return Step::Alone;
    }
    let mut waits = 0;
    let seat = loop {
        let joinable = cache.settings.joinable();
        let ended = match cache.flights.board(key, wanted.tags, &cache.scopes, joinable, !refresh) {
            Boarding::Lead(seat) => break seat,
            Boarding::Wait(seat) => {
                cache.counters.joins.increment();
                seat.wait(cache.settings.load_limit).await
            }
        };
        match ended {
            Waited::Landed(Outcome::Value(entry)) if wanted.accepts(&entry) => return Step::Found(entry),
            Waited::Landed(Outcome::Error(error)) => return Step::Failed(error),
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
    if !refresh {
        // Another flight may have landed between this caller's look and its boarding.
        let landed = cache.peek(key.borrow(), |entry| wanted.accepts(entry).then(|| Arc::clone(entry)));
        if let Some(entry) = landed {
            cache.counters.local_hits.increment();
            seat.land(|| (), || Outcome::Value(Arc::clone(&entry)));
            return Step::Found(entry);
        }
    }
    let as_of = AsOf { stamp: Arc::clone(seat.stamp()), began: seat.began() };
    let claimed = match cache.fetch(key, wanted, &as_of, Some(cache.lease()), *refresh).await {
        Ok(Found::Value(entry, _)) => {
            cache.counters.remote_hits.increment();
            seat.land(|| cache.keep(key, &entry), || Outcome::Value(Arc::clone(&entry)));
            return Step::Found(entry);
        }
        Ok(Found::Nothing(claimed)) => Some(claimed),
        Ok(Found::Unavailable) | Err(_) => None,
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

/// Counts a load from its start to its end, also when that is a panic or a drop.
struct Loading<'c> {
    cache: &'c Inner,
    began: Moment,
    ended: bool,
}

impl<'c> Loading<'c> {
    async fn of<F: Future>(cache: &'c Inner, body: F) -> F::Output {
        let mut loading = Self { cache, began: clock::now(), ended: false };
        let output = body.await;
        loading.ended = true;
        output
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        let counters = &self.cache.counters;
        counters.loads.increment();
        if self.ended {
            let took = clock::now().since(self.began).as_nanos();
            counters.load_nanos.add(u64::try_from(took).unwrap_or(u64::MAX));
        } else {
            counters.load_errors.increment();
        }
    }
}

impl<S: Shape> fmt::Debug for Miss<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Miss").field("template", &self.site.key_template()).finish_non_exhaustive()
    }
}
