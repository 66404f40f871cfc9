//! The life of a bulk call: one answer for many ids, of which each has its own key, flight and entry, and so shares
//! them with the callers of one.
//!
//! What this process has is looked up first, what the remote store has at once for all that is missing, and
//! the body runs for the rest. Ids that others load are waited for after that, never before: whoever leads a
//! load makes others wait.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::BuildHasherDefault;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use super::MAX_WAITS;
use super::approach::Lead;
use super::load::{Landed, Made, Publication, loaded};
use crate::cache::{Cache, Inner};
use crate::codec::{Typed, Wire};
use crate::concurrent::all;
use crate::context;
use crate::entry::Entry;
use crate::flight::{Boarding, Outcome, Purpose, Seat, Waited};
use crate::global::AsCache;
use crate::key::{Key, KeyRef, KeyWriter};
use crate::outcome;
use crate::policy::{Keep, keep_options};
use crate::random;
use crate::sabotage::{Fault, is_planted};
use crate::scope::Identity;
use crate::shape::{Batch, Bulk, Shape};
use crate::site::Site;
use crate::tag::Tag;
use crate::tally::Count;
use crate::tiers::{AsOf, Claimed, Found, Wanted};

/// A bulk call: its options are set, then [`load`](Self::load) answers it.
pub struct EachCall<'f, S: Shape, I> {
    /// Nothing, if the call bypasses the cache.
    cache: Option<Cache>,
    site: &'static Site,
    shape: S,
    typed: &'static Typed,
    keep: Keep<'f, S::Value>,
    /// Whether to run the body even if there are values.
    anew: bool,
    ids: &'f [I],
    /// For each id, the place of its key among the parts; nothing where there is no usable key.
    places: Vec<Option<usize>>,
    /// One for each different key.
    parts: Vec<Part>,
}

/// What the call is about, for one key.
struct Part {
    key: Key,
    tags: Vec<Tag>,
    /// The first id that has it.
    first: usize,
}

/// Looks each of `ids` up.
pub fn lookup_each<'f, C, S, W, I>(
    site: &'static Site,
    cache: &C,
    shape: S,
    _wire: W,
    ids: &'f [I],
    key: impl Fn(&I, &mut KeyWriter),
) -> EachCall<'f, S, I>
where
    C: AsCache + ?Sized,
    S: Shape,
    W: Wire<S::Value>,
{
    cache.with(|cache| {
        let mut call = EachCall::past(site, shape, W::TYPED, ids);
        if !cache.is_enabled() {
            return call;
        }
        call.cache = Some(cache.clone());
        let mut known = HashMap::<Key, usize, BuildHasherDefault<Identity>>::default();
        for (at, id) in ids.iter().enumerate() {
            let mut writer = KeyWriter::new();
            key(id, &mut writer);
            let place = writer.is_usable().then(|| {
                let key = KeyRef::new(&writer).to_key();
                *known.entry(key.clone()).or_insert_with(|| {
                    let tags = cache.inner().foreseen(site, &key);
                    call.parts.push(Part { key, tags, first: at });
                    call.parts.len() - 1
                })
            });
            call.places.push(place);
        }
        call
    })
}

/// A bulk call that goes past the cache.
pub fn bypass_each<'f, C, S, W, I>(
    site: &'static Site,
    _cache: &C,
    shape: S,
    _wire: W,
    ids: &'f [I],
) -> EachCall<'f, S, I>
where
    C: AsCache + ?Sized,
    S: Shape,
    W: Wire<S::Value>,
{
    EachCall::past(site, shape, W::TYPED, ids)
}

/// A bulk call that runs its body for all ids and stores the result, whatever is cached.
pub fn refresh_each<'f, C, S, W, I>(
    site: &'static Site,
    cache: &C,
    shape: S,
    wire: W,
    ids: &'f [I],
    key: impl Fn(&I, &mut KeyWriter),
) -> EachCall<'f, S, I>
where
    C: AsCache + ?Sized,
    S: Shape,
    W: Wire<S::Value>,
{
    EachCall { anew: true, ..lookup_each(site, cache, shape, wire, ids, key) }
}

impl<'f, S: Shape, I> EachCall<'f, S, I> {
    fn past(site: &'static Site, shape: S, typed: &'static Typed, ids: &'f [I]) -> Self {
        let keep = Keep::of(site);
        Self {
            cache: None,
            site,
            shape,
            typed,
            keep,
            anew: false,
            ids,
            places: Vec::new(),
            parts: Vec::new(),
        }
    }

    keep_options!(S::Value);

    /// With a tag of each value.
    #[must_use]
    pub fn tag(mut self, tag: impl Fn(&I, &mut KeyWriter)) -> Self {
        for part in &mut self.parts {
            part.tags.push(Tag::build(|writer| tag(&self.ids[part.first], writer)));
        }
        self
    }
}

/// How far a bulk call has come.
struct Progress<B> {
    /// What bodies returned.
    made: B,
    /// For each part, the entry that answers it.
    found: Vec<Option<Arc<Entry>>>,
    /// For each part, how often waiting for another's load was in vain.
    tries: Vec<u32>,
    /// Parts that nobody has been asked for yet.
    open: Vec<usize>,
    /// Parts that this caller loads for everybody …
    leads: Vec<(usize, Seat)>,
    /// … and for itself only.
    alone: Vec<usize>,
    /// Parts that others load.
    waits: VecDeque<(usize, Seat)>,
    /// The furthest that any of them came from.
    from: outcome::Outcome,
}

impl<B> Progress<B> {
    /// A part came from there.
    fn came_from(&mut self, outcome: outcome::Outcome) {
        self.from = self.from.max(outcome);
    }
}

impl<S, I> EachCall<'_, S, I>
where
    S: Bulk<Value: Clone + Send + Sync + 'static>,
    I: Clone + Into<<S::Batch as Batch>::Id>,
{
    /// Answers the call: with what is cached, what others load, and what `body` returns for the rest.
    pub fn load<B, F>(self, body: B) -> Pin<Box<impl Future<Output = S::Output>>>
    where
        B: Fn(Vec<I>) -> F,
        F: Future<Output = S::Output>,
    {
        Box::pin(self.answer(body))
    }

    async fn answer<B, F>(self, body: B) -> S::Output
    where
        B: Fn(Vec<I>) -> F,
        F: Future<Output = S::Output>,
    {
        let Some(cache) = &self.cache else {
            let output = body(self.ids.to_vec()).await;
            outcome::note(outcome::Outcome::Bypassed);
            return output;
        };
        let inner = cache.inner();
        let mut progress = Progress {
            made: S::Batch::empty(),
            found: self.parts.iter().map(|part| self.local(inner, part)).collect(),
            tries: vec![0; self.parts.len()],
            open: Vec::new(),
            leads: Vec::new(),
            alone: Vec::new(),
            waits: VecDeque::new(),
            from: outcome::Outcome::LocalHit,
        };
        progress.open = (0..self.parts.len()).filter(|&at| progress.found[at].is_none()).collect();
        inner.tally(self.site).add(Count::LocalHits, (self.parts.len() - progress.open.len()) as u64);
        let mut keyless = self.places.iter().any(Option::is_none);
        if !progress.open.is_empty() {
            inner.listen().await;
        }
        loop {
            self.board(inner, &mut progress);
            let claims = self.fetch(inner, &mut progress).await;
            if keyless || !progress.alone.is_empty() || !claims.is_empty() {
                if let Some(failed) = self.make(cache, &body, &mut progress, claims, keyless).await {
                    outcome::note(outcome::Outcome::Failed);
                    return failed;
                }
                progress.came_from(outcome::Outcome::Loaded);
                keyless = false;
            }
            match progress.waits.pop_front() {
                Some((at, seat)) => {
                    let ended = seat.wait(inner.settings.load_limit).await;
                    if let Some(failed) = self.waited(inner, &mut progress, at, ended) {
                        outcome::note(outcome::Outcome::Joined);
                        return failed;
                    }
                }
                None if progress.open.is_empty()
                    && progress.leads.is_empty()
                    && progress.alone.is_empty() =>
                {
                    break;
                }
                None => {}
            }
        }
        outcome::note(progress.from);
        self.gathered(progress)
    }

    fn wanted<'t>(&self, part: &'t Part) -> Wanted<'t> {
        Wanted::of(self.site, self.typed, &part.tags)
    }

    /// What this process has.
    fn local(&self, cache: &Inner, part: &Part) -> Option<Arc<Entry>> {
        let wanted = self.wanted(part);
        let within = cache.within(wanted.staleness);
        let accepts = |entry: &Entry| wanted.accepts(entry) && within.allows(entry);
        let look = || cache.peek(part.key.borrow(), |entry| accepts(entry).then(|| Arc::clone(entry)));
        let entry = if self.anew { None } else { look() }?;
        context::inherit(cache.id(), entry.stamp().tags());
        Some(entry)
    }

    /// Comes aboard the flight of every open part.
    fn board(&self, cache: &Inner, progress: &mut Progress<S::Batch>) {
        let purpose = if self.anew { Purpose::Anew } else { Purpose::Load };
        for at in std::mem::take(&mut progress.open) {
            let part = &self.parts[at];
            if progress.tries[at] >= MAX_WAITS || context::is_loading(cache.id(), &part.key) {
                progress.alone.push(at);
                continue;
            }
            match cache.board(&part.key, &part.tags, self.site.own_staleness(), purpose) {
                Boarding::Wait(seat) => {
                    cache.tally(self.site).increment(Count::Joins);
                    progress.waits.push_back((at, seat));
                }
                Boarding::Lead(seat) => match self.local(cache, part) {
                    // Another flight has landed between this caller's look and its boarding.
                    Some(entry) => {
                        cache.tally(self.site).increment(Count::LocalHits);
                        seat.land(|| (), || Outcome::Value(Arc::clone(&entry)));
                        progress.found[at] = Some(entry);
                    }
                    None => progress.leads.push((at, seat)),
                },
            }
        }
    }

    /// What the remote store has of the parts that this caller leads. The rest it has to load.
    async fn fetch(&self, cache: &Inner, progress: &mut Progress<S::Batch>) -> Vec<(usize, Lead)> {
        let leads = std::mem::take(&mut progress.leads);
        let asked = leads.iter().map(|(at, seat)| {
            let (part, as_of) =
                (&self.parts[*at], AsOf { stamp: Arc::clone(seat.stamp()), began: seat.began() });
            async move {
                cache.fetch(&part.key, self.wanted(part), &as_of, Some(random::token()), self.anew).await
            }
        });
        let mut open = Vec::new();
        let answers = all(asked).await;
        for ((at, seat), answer) in leads.into_iter().zip(answers) {
            let fenced = matches!(answer, Ok(Found::Fenced));
            let claimed: Option<Claimed> = match answer {
                Ok(Found::Value(entry, ..)) => {
                    cache.tally(self.site).remote_hit(Some(seat.began()));
                    context::inherit(cache.id(), entry.stamp().tags());
                    seat.land(
                        || cache.keep(&self.parts[at].key, &entry, self.site),
                        || Outcome::Value(Arc::clone(&entry)),
                    );
                    progress.found[at] = Some(entry);
                    progress.came_from(outcome::Outcome::RemoteHit);
                    continue;
                }
                Ok(Found::Nothing(claimed)) => Some(claimed),
                Ok(Found::Stale(..) | Found::Leased | Found::Fenced | Found::Unavailable) | Err(_) => None,
            };
            cache.missed(self.site);
            open.push((at, Lead { seat, claimed: claimed.map(Box::new), fenced }));
        }
        open
    }

    /// Runs the body for what is to be loaded, and stores what it makes; its output, if it failed.
    async fn make<B, F>(
        &self,
        cache: &Cache,
        body: &B,
        progress: &mut Progress<S::Batch>,
        leads: Vec<(usize, Lead)>,
        keyless: bool,
    ) -> Option<S::Output>
    where
        B: Fn(Vec<I>) -> F,
        F: Future<Output = S::Output>,
    {
        let inner = cache.inner();
        let alone = std::mem::take(&mut progress.alone);
        let mut wants = vec![false; self.parts.len()];
        leads.iter().map(|(at, _)| *at).chain(alone).for_each(|at| wants[at] = true);
        let asked = self.ids.iter().zip(&self.places);
        let asked: Vec<I> = asked
            .filter(|(_, place)| place.map_or(keyless, |at| wants[at]))
            .map(|(id, _)| id.clone())
            .collect();
        let keys: Vec<Key> = leads.iter().map(|(at, _)| self.parts[*at].key.clone()).collect();
        let (output, load_time, met) =
            loaded(cache.downgrade(), self.site, inner.id(), keys, pin!(body(asked))).await;
        let failed = !self.shape.succeeded(&output);
        if failed {
            inner.load_failed(self.site);
            for (_, Lead { seat, .. }) in leads {
                match self.shape.share_error(&output) {
                    Some(error) if !met.unfit => seat.land(|| (), || Outcome::Error(error)),
                    _ => seat.fail(),
                }
            }
            return Some(output);
        }
        context::inherit(inner.id(), &met.tags);
        let made = self.shape.into_batch(output)?;
        let mut publications = Vec::new();
        for (at, lead) in leads {
            let part = &self.parts[at];
            context::inherit(inner.id(), &part.tags);
            let value = made.item(&self.ids[part.first].clone().into());
            let life = self.keep.decide(value, &inner.settings);
            let made = Made { value, life, load_time, met: &met, position: None };
            let landed = made.land(inner, &part.key, self.wanted(part), lead);
            if let Landed::Kept(publication) = landed {
                inner.background.succeeded(&part.key);
                publications.push((part, publication));
            }
        }
        progress.made.join(made);
        let template = self.site.key_template();
        let published = publications.into_iter().filter_map(|(part, publication): (&Part, Publication)| {
            publication.publish(inner, &part.key, self.wanted(part), template)
        });
        all(published).await;
        None
    }

    /// Notes how another's load has ended; the output, if it failed and that is to be told.
    fn waited(
        &self,
        cache: &Inner,
        progress: &mut Progress<S::Batch>,
        at: usize,
        ended: Waited,
    ) -> Option<S::Output> {
        let part = &self.parts[at];
        match ended {
            Waited::Landed(Outcome::Value(entry)) if self.wanted(part).accepts(&entry) => {
                context::inherit(cache.id(), entry.stamp().tags());
                progress.found[at] = Some(entry);
                progress.came_from(outcome::Outcome::Joined);
            }
            Waited::Landed(Outcome::Error(error)) => match self.shape.failed(&error) {
                Some(output) => return Some(output),
                None => progress.alone.push(at),
            },
            Waited::Landed(Outcome::Stale(_)) => {
                progress.tries[at] += 1;
                progress.open.push(at);
            }
            Waited::Landed(_) => progress.alone.push(at),
            Waited::Lead(seat)
                if cache.scopes.is_current(seat.stamp(), part.key.borrow())
                    && (seat.stamp().carries(&part.tags) || is_planted(Fault::LeadUntagged)) =>
            {
                progress.leads.push((at, seat));
            }
            Waited::Lead(_) | Waited::Overtaken | Waited::TimedOut => {
                progress.tries[at] += 1;
                progress.open.push(at);
            }
        }
        None
    }

    /// Puts what was found to what was made.
    fn gathered(&self, progress: Progress<S::Batch>) -> S::Output {
        let Progress { mut made, found, .. } = progress;
        for (id, place) in self.ids.iter().zip(&self.places) {
            let entry = place.and_then(|at| found[at].as_ref());
            if let Some(value) = entry.and_then(|entry| entry.value::<S::Value>()) {
                made.put(id.clone().into(), value.clone());
            }
        }
        self.shape.of_batch(made)
    }
}

impl<S: Shape, I> fmt::Debug for EachCall<'_, S, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EachCall")
            .field("template", &self.site.key_template())
            .field("ids", &self.ids.len())
            .finish_non_exhaustive()
    }
}
