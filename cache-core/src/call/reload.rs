//! The life of a call that may be answered with a value that is due for a refresh: in its stale window, or early
//! by chance. The caller has its answer at once, or within its `timeout`, and one task refreshes the value.
//!
//! Both go by the rule like everybody else: an invalidated value is not due, it is gone, and what a refresh
//! has made is stored iff nothing has moved since it began.

use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::approach::{Course, Lead, Sought, Step, seek};
use super::load::{Landed, loaded};
use super::turn;
use super::{Lookup, Miss, Target, clones_in_place, output_of, serve};
use crate::cache::{Cache, Inner};
use crate::clock::{self, Moment};
use crate::codec::Wire;
use crate::context;
use crate::entry::{Absent, Entry, Life};
use crate::flight::{Boarding, Outcome, Purpose, Seat, Waited};
use crate::global::{self, AsCache};
use crate::key::{Key, KeyRef, KeyWriter};
use crate::outcome;
use crate::policy::{self, Plan};
use crate::random;
use crate::sabotage::{Fault, is_planted};
use crate::scope::Scope;
use crate::shape::Shape;
use crate::site::Site;
use crate::tag::Tag;
use crate::tally::Count;
use crate::tiers::{AsOf, Claimed, Found, Wanted};

/// A current value that is to be refreshed.
pub(super) struct Due {
    entry: Arc<Entry>,
    from: Source,
    /// How early it is to be refreshed, if it is not stale; see [`policy::decide`].
    haste: f64,
    /// What the remote store has said of it.
    claimed: Option<Box<Claimed>>,
}

/// Where a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Local,
    /// The store was asked since then.
    Remote(Moment),
    /// Another caller has found it.
    Another,
}

impl Due {
    pub(super) fn of(entry: Arc<Entry>, from: Source) -> Self {
        Self { entry, from, haste: 0.0, claimed: None }
    }

    pub(super) fn with(mut self, claimed: Claimed) -> Self {
        self.claimed = Some(Box::new(claimed));
        self
    }

    fn is_stale(&self) -> bool {
        clock::now() >= self.entry.fresh_until()
    }
}

/// What a look at the local store shows, where the store may hold a lock.
enum Sight<O> {
    Answer(O),
    /// The entry of an answer that is cloned outside the lock.
    Fresh(Arc<Entry>),
    Due(Due),
}

/// As [`lookup`](super::lookup), for a function that says `stale` or `early`: a miss may have a value at hand.
#[inline]
pub fn lookup_stale<'f, C, S, W>(
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
        let (key, inner) = (KeyRef::new(&writer), cache.inner());
        let (within, tally) = (inner.within(site.own_staleness()), inner.tally(site));
        tally.begin();
        let found = inner.look(key, |entry, now| {
            if !within.allows(entry) {
                return None;
            }
            let left = entry.left(now);
            let haste = policy::haste(left, site.beta());
            match policy::decide(left, haste) {
                Plan::Serve if clones_in_place::<S::Value>() => {
                    serve(inner, tally, shape, entry).map(Sight::Answer)
                }
                Plan::Serve => Some(Sight::Fresh(Arc::clone(entry))),
                Plan::Revalidate => {
                    let is_answer = (W::TYPED.is)(entry) || entry.value::<Absent>().is_some();
                    is_answer.then(|| Sight::Due(Due { haste, ..Due::of(Arc::clone(entry), Source::Local) }))
                }
                Plan::Load => {
                    if entry.expire() {
                        inner.counters.expirations.increment();
                    }
                    None
                }
            }
        });
        let due = match found {
            Some(Sight::Answer(output)) => return Lookup::Hit(output),
            Some(Sight::Fresh(entry)) => match serve(inner, tally, shape, &entry) {
                Some(output) => return Lookup::Hit(output),
                None => None,
            },
            Some(Sight::Due(due)) => Some(due),
            None => None,
        };
        let target = Target { takes_due: true, ..Target::new(cache, key.to_key()) };
        Lookup::Miss(Miss { due: due.map(Box::new), ..Miss::new(site, shape, W::TYPED, Some(target)) })
    })
}

/// What a value that the remote store has means to this caller.
pub(super) fn found(
    cache: &Inner,
    target: &Target,
    wanted: Wanted<'_>,
    (entry, began): (Arc<Entry>, Moment),
    left: Life,
    claimed: Claimed,
) -> Step {
    let beta = if target.takes_due { wanted.site.beta() } else { 0.0 };
    let haste = policy::haste(left, beta);
    if policy::decide(left, haste) == Plan::Revalidate {
        return Step::Due(Due {
            haste,
            claimed: Some(Box::new(claimed)),
            ..Due::of(entry, Source::Remote(began))
        });
    }
    cache.tally(wanted.site).remote_hit(Some(began));
    Step::Found(entry)
}

/// For a caller that finds nothing in this process but a refresh under way: what is refreshed is in the remote
/// store, and will do.
pub(super) async fn pass_by(cache: &Inner, target: &Target, wanted: Wanted<'_>) -> Option<Step> {
    let key = &target.key;
    let as_of = cache.as_of_now(key, wanted.tags);
    let (step, entry) = match cache.fetch(key, wanted, &as_of, None, false).await {
        Ok(Found::Value(entry, left, claimed)) => {
            (found(cache, target, wanted, (Arc::clone(&entry), as_of.began), left, claimed), entry)
        }
        Ok(Found::Stale(entry, _)) => {
            (Step::Due(Due::of(Arc::clone(&entry), Source::Remote(as_of.began))), entry)
        }
        Ok(Found::Nothing(_) | Found::Leased | Found::Fenced | Found::Unavailable) | Err(_) => return None,
    };
    cache.flights.exclusively(key, || {
        // The refresh may have landed meanwhile.
        if cache.peek(key.borrow(), |_| Some(())).is_none() {
            cache.keep(key, &entry, wanted.site);
        }
    });
    Some(step)
}

/// What a refresh tells the caller that started it.
struct Reloaded<O> {
    output: O,
    tags: Vec<Tag>,
    /// It failed, with an error that deserves the old value.
    deserves_stale: bool,
}

impl<S> Miss<'static, S>
where
    S: Shape<Value: Clone + Send + Sync + 'static, Output: Send + 'static> + Send + 'static,
{
    /// Answers the call: with the value at hand, which is then refreshed, or as [`load`](Miss::load) does.
    ///
    /// The loader may run after the call has returned, and so owns what it needs.
    pub fn reload<L, F>(self, loader: L) -> Pin<Box<impl Future<Output = S::Output>>>
    where
        L: FnOnce() -> F + Clone + Send + 'static,
        F: Future<Output = S::Output> + Send + 'static,
    {
        Box::pin(self.answer_or_refresh(loader))
    }

    async fn answer_or_refresh<L, F>(mut self, loader: L) -> S::Output
    where
        L: FnOnce() -> F + Clone + Send + 'static,
        F: Future<Output = S::Output> + Send + 'static,
    {
        let Some(target) = self.target.take() else { return loader().await };
        let (shape, tags) = (self.shape, std::mem::take(&mut self.tags));
        let wanted = self.wanted(&target, &tags);
        loop {
            let due = match self.due.take() {
                Some(due) => *due,
                None => match seek(shape, &target, wanted, Course::Board, true).await {
                    Sought::Answer(output) => return output,
                    Sought::Load(lead) => return self.run(&target, &tags, lead, loader()).await,
                    Sought::Due(due) => due,
                },
            };
            let Some(old) = output_of(shape, &due.entry) else {
                return self.run(&target, &tags, None, loader()).await;
            };
            // If not, it was invalidated after it was found, and there is nothing at hand.
            if !target.holds(&due) {
                continue;
            }
            let limit = self.limit(&due);
            match (target.board_refresh(&tags), limit) {
                (Some(Boarding::Lead(seat)), limit) => {
                    return self.lead_refresh(target, tags, seat, due, old, limit, loader).await;
                }
                (Some(Boarding::Wait(seat)), Some(limit)) if target.may_wait(&seat, wanted.staleness) => {
                    target.cache.inner().tally(self.site).increment(Count::Joins);
                    let ended = seat.wait(limit).await;
                    if let Some(output) = self.answer_of(&target, wanted, ended) {
                        outcome::note(outcome::Outcome::Joined);
                        return output;
                    }
                    if !target.holds(&due) {
                        continue;
                    }
                }
                (Some(Boarding::Wait(_)) | None, _) => {}
            }
            target.serve(&due, self.site);
            return old;
        }
    }

    /// How long to wait for the refresh of what is due; nothing if that is the answer at once.
    fn limit(&self, due: &Due) -> Option<Duration> {
        if !due.is_stale() {
            return None;
        }
        let said = self.said.as_deref();
        match (said.and_then(|said| said.timeout_from.as_ref()), due.entry.value::<S::Value>()) {
            (Some(limit), Some(old)) => limit(old, clock::now().since(due.entry.fresh_until())),
            _ => said.and_then(|said| said.timeout).or(self.site.fixed_timeout()),
        }
    }

    /// What another's refresh has ended with, if that is an answer.
    fn answer_of(&self, target: &Target, wanted: Wanted<'_>, ended: Waited) -> Option<S::Output> {
        match ended {
            Waited::Landed(Outcome::Value(entry)) if wanted.accepts(&entry) => {
                context::inherit(target.cache.inner().id(), entry.stamp().tags());
                output_of(self.shape, &entry)
            }
            Waited::Landed(Outcome::Error(error)) => {
                let output = self.shape.failed(&error)?;
                (!self.deserves_stale(&output)).then_some(output)
            }
            // Nobody knows yet how the load ends, or nobody can be told.
            Waited::Landed(_) | Waited::Overtaken | Waited::Lead(_) | Waited::TimedOut => None,
        }
    }

    /// Whether `output` is an error for which the old value is a better answer.
    fn deserves_stale(&self, output: &S::Output) -> bool {
        let stale_if = self.said.as_ref().and_then(|said| said.stale_if.as_ref());
        self.shape.error(output).is_some_and(|error| stale_if.is_none_or(|stale_if| stale_if(error)))
    }

    /// Starts the refresh of a value, and answers with one of the two.
    #[expect(clippy::too_many_arguments, reason = "all there is to say about a value that is due")]
    async fn lead_refresh<L, F>(
        self,
        target: Target,
        tags: Vec<Tag>,
        seat: Seat,
        mut due: Due,
        old: S::Output,
        limit: Option<Duration>,
        loader: L,
    ) -> S::Output
    where
        L: FnOnce() -> F + Clone + Send + 'static,
        F: Future<Output = S::Output> + Send + 'static,
    {
        let (site, shape, typed) = (self.site, self.shape, self.typed);
        let (answer, answered) = oneshot::channel();
        let job = Job {
            cache: target.cache.downgrade(),
            id: target.cache.inner().id(),
            key: target.key.clone(),
            limit: target.cache.inner().settings.load_limit,
            lock: self.lock_wait(),
            tags: tags.clone(),
            lead: Lead { seat, claimed: due.claimed.take(), fenced: false },
            haste: due.haste,
        };
        let reloaded = match Handle::try_current() {
            Ok(runtime) => {
                let span = tracing::debug_span!(target: "larder", parent: None, "refresh", template = site.key_template());
                span.follows_from(tracing::Span::current());
                let refresh = self.refresh(job, loader.clone(), answer).instrument(span);
                let task = async move { within(global::override_of_task(), refresh).await };
                let started = target.cache.inner().background.spawn(&runtime, task);
                match limit.filter(|_| started) {
                    Some(limit) => timeout(limit, answered).await.ok().and_then(Result::ok),
                    None => None,
                }
            }
            // There is no background: a stale value is loaded by its caller, one that is still fresh can wait.
            Err(_) if due.is_stale() => {
                self.refresh(job, loader.clone(), answer).await;
                answered.await.ok()
            }
            Err(_) => None,
        };
        match reloaded {
            Some(Reloaded { deserves_stale: true, .. }) | None if target.holds(&due) => {
                target.serve(&due, site);
                old
            }
            Some(Reloaded { output, tags, .. }) => {
                context::inherit(target.cache.inner().id(), &tags);
                let succeeded = shape.succeeded(&output);
                outcome::note(if succeeded { outcome::Outcome::Loaded } else { outcome::Outcome::Failed });
                output
            }
            // It was invalidated meanwhile: the refresh may be older than that.
            None => Miss::new(site, shape, typed, None).run(&target, &tags, None, loader()).await,
        }
    }

    /// Loads a value anew and stores it, in a task of its own that does not keep the cache alive.
    async fn refresh<L, F>(self, job: Job, loader: L, answer: oneshot::Sender<Reloaded<S::Output>>)
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = S::Output> + Send + 'static,
    {
        let (shape, template) = (self.shape, self.site.key_template());
        let Job { cache, id, key, limit, lock, tags, lead: Lead { seat, claimed, mut fenced }, haste } = job;
        let wanted = Wanted { stale: true, ..Wanted::of(self.site, self.typed, &tags) };
        // Given back when the refresh has ended, however it ends.
        let _turn = match lock {
            Some(wait) => turn::of_refresh(&cache, &key, wait.min(limit)).await,
            None => None,
        };
        // What was seen before the turn came may have been refreshed since.
        let claimed = if let Some(claimed) = claimed.filter(|_| lock.is_none()) {
            Some(claimed)
        } else {
            let Some(cache) = cache.upgrade() else { return };
            let as_of = AsOf { stamp: Arc::clone(seat.stamp()), began: seat.began() };
            match cache.fetch(&key, wanted, &as_of, Some(random::token()), false).await {
                Ok(Found::Value(entry, left, _)) if policy::decide(left, haste) == Plan::Serve => {
                    // Another process has refreshed it.
                    seat.land(
                        || cache.keep(&key, &entry, wanted.site),
                        || Outcome::Value(Arc::clone(&entry)),
                    );
                    cache.background.succeeded(&key);
                    if let Some(output) = output_of(shape, &entry) {
                        let tags = entry.stamp().tags().to_vec();
                        let _ = answer.send(Reloaded { output, tags, deserves_stale: false });
                    }
                    return;
                }
                Ok(Found::Value(_, _, claimed) | Found::Stale(_, claimed) | Found::Nothing(claimed)) => {
                    Some(Box::new(claimed))
                }
                Ok(Found::Fenced) => {
                    fenced = true;
                    None
                }
                Ok(Found::Leased | Found::Unavailable) | Err(_) => None,
            }
        };
        let ended = {
            let _attempt = Attempt { cache: &cache, key: &key };
            let body = pin!(loader());
            let load = loaded(cache.clone(), self.site, id, [key.clone()], body);
            if Handle::try_current().is_ok() { timeout(limit, load).await.ok() } else { Some(load.await) }
        };
        let Some(cache) = cache.upgrade() else { return };
        cache.tally(self.site).increment(Count::Refreshes);
        let Some((output, load_time, met)) = ended else {
            cache.background.failed(&key);
            tracing::debug!(target: "larder", template, "a refresh took too long");
            return seat.fail();
        };
        let deserves_stale = self.deserves_stale(&output);
        if !shape.succeeded(&output) {
            cache.load_failed(self.site);
            // Before the flight lands: no other may start at once.
            cache.background.failed(&key);
        }
        let landed =
            self.land(&cache, &key, wanted, Lead { seat, claimed, fenced }, (load_time, &met, None), &output);
        let reloaded = Reloaded { output, tags: [&tags[..], &met.tags].concat(), deserves_stale };
        // Nobody waits for it, if there is no `timeout`.
        let _ = answer.send(reloaded);
        match landed {
            Landed::Kept(publication) => {
                cache.background.succeeded(&key);
                if let Some(publishing) = publication.publish(&cache, &key, wanted, template) {
                    publishing.await;
                }
            }
            Landed::Failed if deserves_stale => {}
            // What the refresh has found is not to be stored, and yet nobody is to have the old value any more.
            Landed::NotKept | Landed::Failed => {
                let gone = cache.invalidate(vec![Scope::Key(key)]).await;
                if let Err(error) = gone {
                    tracing::debug!(target: "larder", template, %error, "an old value is not removed yet");
                }
            }
        }
    }
}

impl Target {
    /// Whether a value that was found is still current.
    fn holds(&self, due: &Due) -> bool {
        self.cache.inner().scopes.is_current(due.entry.stamp(), self.key.borrow())
            || is_planted(Fault::StaleUnasked)
    }

    /// Comes aboard the refresh of the key; nothing, if there is to be none.
    fn board_refresh(&self, tags: &[Tag]) -> Option<Boarding> {
        let (cache, key) = (self.cache.inner(), &self.key);
        let may = !context::is_loading(cache.id(), key) && !cache.background.rests(key);
        may.then(|| cache.board(key, tags, None, Purpose::Refresh))
    }

    /// Whether what the flight of `seat` makes is an answer for a caller that comes now.
    fn may_wait(&self, seat: &Seat, own: Option<Duration>) -> bool {
        clock::now().since(seat.began()) < self.cache.inner().joinable(own).load
    }

    /// Counts the answer that `due` is.
    fn serve(&self, due: &Due, site: &'static Site) {
        let cache = self.cache.inner();
        let tally = cache.tally(site);
        match due.from {
            Source::Local => tally.late_hit(),
            Source::Remote(began) => tally.remote_hit(Some(began)),
            Source::Another => outcome::note(outcome::Outcome::Joined),
        }
        if due.is_stale() {
            if due.from != Source::Another {
                tally.increment(Count::StaleHits);
            }
            outcome::note(outcome::Outcome::Stale);
        }
        context::inherit(cache.id(), due.entry.stamp().tags());
    }
}

/// A refresh, apart from the types.
struct Job {
    /// Not kept alive by its refreshes.
    cache: Weak<Inner>,
    id: usize,
    key: Key,
    limit: Duration,
    /// How long it waits for another process that refreshes the key.
    lock: Option<Duration>,
    tags: Vec<Tag>,
    lead: Lead,
    haste: f64,
}

/// Notes a refresh that panics.
struct Attempt<'a> {
    cache: &'a Weak<Inner>,
    key: &'a Key,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(cache) = self.cache.upgrade()
        {
            cache.background.failed(self.key);
        }
    }
}

/// Runs `future` where `cache` is the global one, if that was so for the caller.
async fn within<F: Future>(cache: Option<Cache>, future: F) -> F::Output {
    match cache {
        Some(cache) => global::scope(cache, future).await,
        None => future.await,
    }
}
