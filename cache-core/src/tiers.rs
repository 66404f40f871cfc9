//! The local and the remote store as one place: reading from both and storing into both.
//!
//! Every value passes the rule on its way, in whichever direction. What to do about a miss is decided in
//! `call`; what an invalidation does is in `invalidate`.

use std::sync::Arc;
use std::time::Duration;

use crate::builder::Settings;
use crate::cache::Inner;
use crate::clock::{self, Moment};
use crate::codec::Typed;
use crate::entry::{Absent, Aging, Entry, Life, Until};
use crate::envelope::{self, IDENTITY, Label, Opened, Refusal};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::Guard;
use crate::key::Key;
use crate::lease::Lease;
use crate::random;
use crate::sabotage::{Fault, is_planted};
use crate::scope::{Stamp, unmoved};
use crate::site::Site;
use crate::store::{Claim, Expect, Fetched, Generation, LocalStore, Put, Token};
use crate::tag::Tag;
use crate::tally::Count;
use crate::xxh64::xxh64;

/// The longest time to live that is passed on, so that no store has to fear overflow: 10 years.
const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Entries that each insertion looks at, so that those that are over are reclaimed: three times as fast as entries
/// come, and by little enough to go unnoticed.
const RECLAIMED: usize = 3;

/// What a reader takes for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Who asks, for the counts.
    pub(crate) site: &'static Site,
    pub(crate) typed: &'static Typed,
    /// Whether a value of another type is refused.
    pub(crate) type_matters: bool,
    /// The version of the value's meaning; manual reads take any.
    pub(crate) version: Option<u64>,
    /// Whether a value in its stale window is one.
    pub(crate) stale: bool,
    /// How long it waits for the load of another process; nothing if not at all.
    pub(crate) lock: Option<Duration>,
    /// The Δ of its own, if any.
    pub(crate) staleness: Option<Duration>,
    /// The static tags of the entry.
    pub(crate) tags: &'a [Tag],
}

/// What the remote store had.
#[derive(Debug)]
pub(crate) enum Found {
    /// A current and fresh value, and how much longer the store keeps it.
    Value(Arc<Entry>, Life, Claimed),
    /// A current value in its stale window.
    Stale(Arc<Entry>, Claimed),
    /// Nothing current. With a lease, the right to store what a load makes.
    Nothing(Claimed),
    /// Nothing current, and another process is loading it.
    Leased,
    /// Nothing, and what is loaded now must not be kept, here or there.
    Fenced,
    /// There is no remote store, or this value is not for it.
    Unavailable,
}

/// What a value needs to be stored remotely: the name of its load, and where its scopes stood before.
#[derive(Debug)]
pub(crate) struct Claimed {
    token: Token,
    generations: Vec<Generation>,
    /// How the value begins that was found there.
    seen: Option<Vec<u8>>,
    /// Whether that value was an answer, so that no lease took its place.
    answers: bool,
    /// What is given back if nothing is stored.
    lease: Option<Lease>,
}

/// A remote value as a live entry.
pub(crate) struct Live {
    pub(crate) entry: Arc<Entry>,
    /// How much longer the store keeps it.
    pub(crate) left: Life,
    pub(crate) is_stale: bool,
}

impl Claimed {
    /// For the load of this name.
    pub(crate) fn new(token: Token, generations: Vec<Generation>) -> Self {
        Self { token, generations, seen: None, answers: false, lease: None }
    }

    /// With the lease that other processes wait for.
    pub(crate) fn with(self, lease: Lease) -> Self {
        Self { lease: Some(lease), ..self }
    }

    /// What it was for is done.
    pub(crate) fn done(self) {
        if let Some(lease) = self.lease {
            lease.forget();
        }
    }

    /// For a value that takes the place of whatever is there.
    fn anew(generations: Vec<Generation>) -> Self {
        Self::new(random::token(), generations)
    }

    /// That nobody has stored or removed anything under the name since.
    fn unchanged(&self) -> Expect<'_> {
        match &self.seen {
            Some(seen) if self.answers => Expect::Value(seen),
            _ => Expect::Lease(self.token),
        }
    }
}

/// The point in time and the stamp as of which a value is known.
#[derive(Clone, Debug)]
pub(crate) struct AsOf {
    pub(crate) stamp: Arc<Stamp>,
    pub(crate) began: Moment,
}

impl<'a> Wanted<'a> {
    /// What a call of the function at `site` takes that does not ask for stale values.
    pub(crate) fn of(site: &'static Site, typed: &'static Typed, tags: &'a [Tag]) -> Self {
        Self {
            site,
            typed,
            type_matters: true,
            version: Some(site.value_version()),
            stale: false,
            lock: None,
            staleness: site.own_staleness(),
            tags,
        }
    }

    /// Whether `entry` is of the type asked for.
    pub(crate) fn accepts(&self, entry: &Entry) -> bool {
        !self.type_matters || (self.typed.is)(entry) || entry.value::<Absent>().is_some()
    }

    /// What is in the envelope of a remote value, if it is what was asked for and current.
    pub(crate) fn unseal<'v>(
        &self,
        key: &Key,
        value: &'v [u8],
        generations: &[Generation],
    ) -> Result<Opened<'v>, Refusal> {
        let opened = envelope::open(value, self.label(key))?;
        if !(unmoved(opened.generations, generations) || is_planted(Fault::GenerationsUnasked)) {
            return Err(Refusal::Moved);
        }
        Ok(opened)
    }

    fn label<'l>(&self, key: &'l Key) -> Label<'l> {
        // Which tags an observed load meets is foreseen by each process for itself, and generations say how their scopes
        // stand, not which they are: what was stored under other tags is another version.
        let tags = if self.site.is_observed() { digest(self.tags) } else { 0 };
        let version = self.version.map(|version| version ^ tags);
        Label { key: key.stored_bytes(), type_name: self.type_matters.then(self.typed.name), version }
    }
}

/// The same for the same tags in the same order, in every process.
fn digest(tags: &[Tag]) -> u64 {
    tags.iter().fold(0, |digest, tag| xxh64(tag.as_str().as_bytes(), digest ^ 1))
}

impl Settings {
    /// Until when this process may serve a value that is known as of `began` and fresh for `life`.
    fn until(&self, began: Moment, life: Life) -> Until {
        Until { fresh: clock::now() + life.fresh, trusted: began + self.floor() }
    }
}

/// What a store is told of a time to live: whole milliseconds, at least one.
fn stored_ttl(ttl: Duration) -> Duration {
    ttl.clamp(Duration::from_millis(1), MAX_TTL)
}

impl Inner {
    /// What is known from now on of `key`: take it before asking anybody for the value.
    pub(crate) fn as_of_now(&self, key: &Key, tags: &[Tag]) -> AsOf {
        let began = clock::now();
        AsOf { stamp: Arc::new(self.scopes.stamp(key, tags)), began }
    }

    /// An entry made of `value`, that lives for `life` in this process.
    pub(crate) fn entry<V: Send + Sync + 'static>(
        &self,
        value: V,
        typed: &Typed,
        as_of: &AsOf,
        life: impl Into<Life>,
    ) -> Arc<Entry> {
        let weighing = self.settings.local.as_ref().filter(|local| local.is_weighed());
        let weigh = |local: &dyn LocalStore| local.weigh(&value).unwrap_or_else(|| (typed.weigh)(&value));
        let weight = weighing.map_or(0, |local| weigh(&**local));
        let life = life.into();
        let entry = Entry::new(value, as_of.stamp.clone(), self.settings.until(as_of.began, life), weight);
        entry.set_aging(life.aging);
        Arc::new(entry)
    }

    /// An entry that remembers a `None`, and lives for `life` in this process.
    pub(crate) fn entry_of_none(&self, as_of: &AsOf, life: impl Into<Life>) -> Arc<Entry> {
        let life = life.into();
        let entry = Entry::new(Absent, as_of.stamp.clone(), self.settings.until(as_of.began, life), 0);
        entry.set_aging(life.aging);
        Arc::new(entry)
    }

    /// Stores `entry` in this process iff it is current. Called while no other store of `key` can happen.
    pub(crate) fn keep(&self, key: &Key, entry: &Arc<Entry>, site: &'static Site) {
        if is_planted(Fault::StoreUnasked) {
            self.scopes.vouch(entry.stamp());
        }
        if let Some(local) = &self.settings.local
            && self.scopes.is_current(entry.stamp(), key.borrow())
        {
            if self.settings.time_to_idle.is_some() {
                entry.stamp().note_use(clock::now());
            }
            local.insert(Arc::clone(entry));
            self.tally(site).stored();
            local.reclaim(RECLAIMED, &mut |entry| self.is_over(entry));
        }
    }

    /// Reads `key` from the remote store; with a token, claims the load of what is not there for it, or of
    /// whatever is there if it is to be made `anew`.
    pub(crate) async fn fetch(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        as_of: &AsOf,
        token: Option<Token>,
        anew: bool,
    ) -> Result<Found> {
        let Some(remote) = self.remote().await? else { return Ok(Found::Unavailable) };
        if wanted.typed.bytes.is_none() {
            return Ok(Found::Unavailable);
        }
        let (name, scopes) = (self.settings.name_of(key), self.scopes_of(key, wanted.tags));
        let claims = token.is_some();
        let token = token.unwrap_or_else(random::token);
        // Every value begins with nothing.
        let mut rejected = anew.then(Vec::new);
        loop {
            let claim = Claim {
                reject: rejected.as_deref(),
                yields: wanted.lock.is_some() && !anew,
                ..Claim::new(token, self.lease())
            };
            let claim = Some(claim).filter(|_| claims);
            let found = remote.fetch(&name, &scopes, claim).await?;
            let Fetched { value, ttl, generations, leased, fenced } = found;
            if fenced {
                return Ok(Found::Fenced);
            }
            if leased {
                return Ok(Found::Leased);
            }
            let Some(value) = value else {
                return Ok(Found::Nothing(Claimed::new(token, generations)));
            };
            let live = self.open(key, wanted, as_of, &value, ttl, &generations);
            let beginning = || value[..value.len().min(IDENTITY)].to_vec();
            let claimed =
                |answers| Claimed { token, generations, seen: Some(beginning()), answers, lease: None };
            match live {
                Some(Live { entry, left, is_stale: false }) => {
                    return Ok(Found::Value(entry, left, claimed(true)));
                }
                Some(Live { entry, .. }) if wanted.stale => return Ok(Found::Stale(entry, claimed(true))),
                Some(_) | None => {}
            }
            if !claims || rejected.as_ref().is_some_and(|rejected| !rejected.is_empty()) {
                return Ok(Found::Nothing(claimed(false)));
            }
            // Claim it again, in place of the value that is of no use.
            rejected = Some(beginning());
        }
    }

    /// Reads many keys from the remote store in one round trip.
    pub(crate) async fn fetch_many(
        &self,
        keys: &[Key],
        wanted: Wanted<'_>,
        as_of: &[AsOf],
    ) -> Result<Vec<Option<Arc<Entry>>>> {
        let Some(remote) = self.remote().await? else { return Ok(vec![None; keys.len()]) };
        let names: Vec<_> = keys
            .iter()
            .map(|key| (self.settings.name_of(key), self.settings.scopes_of(key, wanted.tags)))
            .collect();
        let fetched = remote.fetch_many(&names).await?;
        let entries = keys.iter().zip(as_of).zip(fetched).map(
            |((key, as_of), Fetched { value, ttl, generations, .. })| {
                let live = self.open(key, wanted, as_of, &value?, ttl, &generations)?;
                (!live.is_stale).then_some(live.entry)
            },
        );
        Ok(entries.collect())
    }

    /// A remote value as a live entry, if it is what was asked for and current.
    pub(crate) fn open(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        as_of: &AsOf,
        value: &[u8],
        ttl: Duration,
        generations: &[Generation],
    ) -> Option<Live> {
        let opened = match wanted.unseal(key, value, generations) {
            Ok(opened) => opened,
            Err(Refusal::Moved) => return None,
            Err(refusal) => {
                self.counters.remote_refusals.increment();
                tracing::debug!(target: "larder", ?refusal, "a remote entry is refused");
                return None;
            }
        };
        // The store forgets a value at the end of its stale window.
        let aging = opened.aging();
        let (fresh, stale) = (ttl.saturating_sub(aging.stale), aging.stale.min(ttl));
        let is_stale = fresh.is_zero() && !stale.is_zero();
        let left = Life { fresh, aging: Aging { stale, ..aging } };
        let until = self.settings.until(as_of.began, left);
        let entry: Arc<Entry> = match opened.payload {
            None => Arc::new(Entry::new(Absent, as_of.stamp.clone(), until, 0)),
            Some(payload) => {
                let decode = wanted.typed.bytes?.decode;
                let mut entry = decode(&payload, opened.codec, as_of.stamp.clone(), until)
                    .inspect_err(|_| self.counters.remote_refusals.increment())
                    .ok()?;
                if let Some(local) = &self.settings.local
                    && let Some(entry) = Arc::get_mut(&mut entry)
                    && let Some(weight) = local.weigh(entry.any())
                {
                    entry.set_weight(weight);
                }
                entry
            }
        };
        entry.set_aging(left.aging);
        Some(Live { entry, left, is_stale })
    }

    /// Stores a finished load remotely iff nobody has removed, replaced or claimed its key since; whether it was
    /// stored.
    ///
    /// `payload` is the encoded value, or nothing for a remembered `None`.
    pub(crate) async fn publish(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        claimed: &Claimed,
        payload: Option<&[u8]>,
        life: Life,
    ) -> Result<bool> {
        // Every value begins with nothing.
        let anything = Expect::Nothing { reject: Some(&[]) };
        let expect = if is_planted(Fault::PublishUnasked) { anything } else { claimed.unchanged() };
        self.publish_if(key, wanted, claimed, payload, life, expect).await
    }

    /// Stores a value remotely iff what `expect` says holds; whether it was stored.
    pub(crate) async fn publish_if(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        claimed: &Claimed,
        payload: Option<&[u8]>,
        life: Life,
        expect: Expect<'_>,
    ) -> Result<bool> {
        let Some(remote) = self.remote().await? else { return Ok(false) };
        let value = self.seal(key, wanted, claimed, payload, life.aging)?;
        let ttl = life.fresh.saturating_add(life.aging.stale);
        let (name, scopes) = (self.settings.name_of(key), self.scopes_of(key, wanted.tags));
        let put = Put { name: &name, scopes: &scopes, value: &value, ttl: stored_ttl(ttl) };
        let stored = remote.publish(put, expect).await?;
        if stored {
            self.tally(wanted.site).increment(Count::Stores);
        }
        Ok(stored)
    }

    /// Keeps mutations under way from storing what they return over values that are about to be stored: those
    /// are newer than theirs.
    pub(crate) async fn overtake_puts(&self) -> Result<()> {
        let Some(remote) = self.remote().await? else { return Ok(()) };
        remote.invalidate(&[], &[self.settings.scope_any()], None).await.map(drop)
    }

    /// Stores a value in place of what is under `key` iff nothing in the namespace was invalidated since
    /// `position`; whether it was stored.
    pub(crate) async fn replace(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        payload: Option<&[u8]>,
        life: impl Into<Life>,
        position: Generation,
    ) -> Result<bool> {
        let Some(remote) = self.remote().await? else { return Ok(false) };
        let (name, scopes) = (self.settings.name_of(key), self.scopes_of(key, wanted.tags));
        let Fetched { generations, fenced, .. } = remote.fetch(&name, &scopes, None).await?;
        if fenced {
            return Ok(false);
        }
        let claimed = Claimed::anew(generations);
        let any = self.settings.scope_any();
        self.publish_if(key, wanted, &claimed, payload, life.into(), Expect::Unmoved(&any, position)).await
    }

    /// Where the remote store's invalidations stand; nothing without such a store, without an answer, or while another
    /// mutation has put up a fence, whatever that is around.
    pub(crate) async fn position(&self) -> Option<Generation> {
        let remote = self.remote().await.ok()??;
        let any = [self.settings.scope_any()];
        let fetched = remote.fetch(&any[0], &any, None).await.ok().filter(|fetched| !fetched.fenced)?;
        fetched.generations.first().copied()
    }

    fn seal(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        claimed: &Claimed,
        payload: Option<&[u8]>,
        aging: Aging,
    ) -> Result<Vec<u8>> {
        envelope::seal(
            wanted.label(key),
            claimed.token,
            &claimed.generations,
            self.settings.codec,
            aging,
            self.settings.compression,
            payload,
        )
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Encode,
                format!("a value of more than {} bytes is not stored remotely", envelope::MAX_PAYLOAD),
            )
        })
    }

    /// The remote store, once this process has delivered the invalidations that it owes it.
    ///
    /// Until then nothing that the store holds can be trusted.
    pub(crate) async fn remote(&self) -> Result<Option<&Guard>> {
        let Some(remote) = &self.settings.remote else { return Ok(None) };
        self.pay_debts(remote).await?;
        Ok(Some(remote))
    }
}
