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
use crate::entry::{Absent, Entry};
use crate::envelope::{self, IDENTITY, Label};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::Guard;
use crate::key::{Key, KeyRef};
use crate::random;
use crate::sabotage::{Fault, is_planted};
use crate::scope::{Stamp, levels, unmoved};
use crate::store::{Claim, Expect, Fetched, Generation, Put, RemoteStore, Removal, Token};
use crate::tag::Tag;

/// The longest time to live that is passed on, so that no store has to fear overflow: 10 years.
const MAX_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The longest prefix or tag whose generation is kept under its own text.
const MAX_SCOPE_LEN: usize = 200;

/// Entries that each insertion looks at, so that those that are over are reclaimed: three times as fast as entries
/// come, and by little enough to go unnoticed.
const RECLAIMED: usize = 3;

/// What a reader takes for an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) typed: Typed,
    /// Whether a value of another type is refused.
    pub(crate) type_matters: bool,
    /// The version of the value's meaning; manual reads take any.
    pub(crate) version: Option<u64>,
    /// The static tags of the entry.
    pub(crate) tags: &'a [Tag],
}

/// What the remote store had.
#[derive(Debug)]
pub(crate) enum Found {
    /// A current value, and how much longer the store keeps it.
    Value(Arc<Entry>, Duration),
    /// Nothing current. With a lease, the right to store what a load makes.
    Nothing(Claimed),
    /// There is no remote store, or this value is not for it.
    Unavailable,
}

/// What a value needs to be stored remotely: the name of its load, and where its scopes stood before.
#[derive(Debug)]
pub(crate) struct Claimed {
    token: Token,
    generations: Vec<Generation>,
    /// How the value begins that was found there and is not current.
    rejected: Option<Vec<u8>>,
}

impl Claimed {
    /// That there is still nothing current under the name.
    pub(crate) fn nothing(&self) -> Expect<'_> {
        Expect::Nothing { reject: self.rejected.as_deref() }
    }
}

/// The point in time and the stamp as of which a value is known.
#[derive(Clone, Debug)]
pub(crate) struct AsOf {
    pub(crate) stamp: Arc<Stamp>,
    pub(crate) began: Moment,
}

impl Wanted<'_> {
    /// Whether `entry` is of the type asked for.
    pub(crate) fn accepts(&self, entry: &Entry) -> bool {
        !self.type_matters || (self.typed.is)(entry) || entry.value::<Absent>().is_some()
    }

    fn label<'l>(&self, key: &'l Key) -> Label<'l> {
        Label { key: key.as_str(), type_name: self.type_matters.then(self.typed.name), version: self.version }
    }
}

impl Settings {
    /// The name of `key` in the remote store.
    pub(crate) fn name_of(&self, key: &Key) -> String {
        format!("{}:{key}", self.namespace)
    }

    /// The names of everything that covers `key` in the remote store.
    pub(crate) fn scopes_of(&self, key: &Key, tags: &[Tag]) -> Vec<String> {
        let everything = std::iter::once(self.scope_everything());
        let prefixes = levels(key.whole()).map(|prefix| self.scope_prefix(prefix));
        everything.chain(prefixes).chain(tags.iter().map(|tag| self.scope_tag(tag))).collect()
    }

    /// Moves with every invalidation of the namespace, whatever that covers.
    pub(crate) fn scope_any(&self) -> String {
        format!("{{larder:{}}}:g:#", self.namespace)
    }

    pub(crate) fn scope_everything(&self) -> String {
        format!("{{larder:{}}}:g:*", self.namespace)
    }

    pub(crate) fn scope_prefix(&self, prefix: &str) -> String {
        format!("{{larder:{}}}:g:p:{}", self.namespace, shortened(prefix))
    }

    pub(crate) fn scope_tag(&self, tag: &Tag) -> String {
        format!("{{larder:{}}}:g:t:{}", self.namespace, shortened(tag.as_str()))
    }

    /// How old the load of another may be for its value to be an answer.
    ///
    /// Beside a remote store it ages as entries do: other processes can invalidate it unheard.
    pub(crate) fn joinable(&self) -> Duration {
        if self.remote.is_some() { self.load_limit.min(self.max_staleness) } else { self.load_limit }
    }

    /// The time by which a hit tells whether its entry is fresh.
    ///
    /// Beside a remote store that is what other processes were promised, so it is exact.
    #[inline]
    fn time_of_hits(&self) -> Moment {
        if self.remote.is_some() { clock::now() } else { clock::coarse() }
    }

    /// Until when this process trusts a value that is known as of `began`, if it stays fresh for `ttl`.
    ///
    /// Beside a remote store other processes can invalidate it unheard, so not for longer than Δ.
    fn trusted_until(&self, began: Moment, ttl: Duration) -> Moment {
        let fresh_until = clock::now() + ttl;
        if self.remote.is_some() { fresh_until.min(began + self.max_staleness) } else { fresh_until }
    }
}

/// A long text by its digest, which no short text equals: it holds a `%~`.
fn shortened(text: &str) -> String {
    if text.len() <= MAX_SCOPE_LEN {
        text.to_owned()
    } else {
        format!("%~{}", crate::key::digest(text.as_bytes()))
    }
}

/// What a store is told of a time to live: whole milliseconds, at least one.
fn stored_ttl(ttl: Duration) -> Duration {
    ttl.clamp(Duration::from_millis(1), MAX_TTL)
}

impl Inner {
    /// Takes what `take` finds in the local entry of `key`, if that entry is current and fresh.
    #[inline]
    pub(crate) fn peek<T>(&self, key: KeyRef<'_>, take: impl FnOnce(&Arc<Entry>) -> Option<T>) -> Option<T> {
        let local = self.settings.local.as_deref()?;
        let (mut take, mut taken) = (Some(take), None);
        local.read(key, &mut |entry| {
            if self.may_serve(entry, key)
                && let Some(take) = take.take()
            {
                taken = take(entry);
            }
        });
        taken
    }

    /// Whether the entry, found under `key`, is current and fresh.
    #[inline]
    fn may_serve(&self, entry: &Entry, key: KeyRef<'_>) -> bool {
        if !(self.scopes.is_current(entry.stamp(), key) || is_planted(Fault::HitUnasked)) {
            return false;
        }
        let fresh = self.settings.time_of_hits() < entry.fresh_until();
        if !fresh {
            self.note_expired(entry);
        }
        fresh
    }

    /// Why nobody can be given the entry any more, if so.
    fn is_over(&self, entry: &Entry) -> Option<Removal> {
        if !self.scopes.is_current(entry.stamp(), entry.key().borrow()) {
            return Some(Removal::Invalidated);
        }
        let expired = clock::coarse() >= entry.fresh_until();
        if expired {
            self.note_expired(entry);
        }
        expired.then_some(Removal::Expired)
    }

    #[cold]
    fn note_expired(&self, entry: &Entry) {
        if entry.expire() {
            self.counters.expirations.increment();
        }
    }

    /// What is known from now on of `key`: take it before asking anybody for the value.
    pub(crate) fn as_of_now(&self, key: &Key, tags: &[Tag]) -> AsOf {
        let began = clock::now();
        AsOf { stamp: Arc::new(self.scopes.stamp(key, tags)), began }
    }

    /// An entry made of `value`, fresh for `ttl` in this process.
    pub(crate) fn entry<V: Send + Sync + 'static>(
        &self,
        value: V,
        typed: Typed,
        as_of: &AsOf,
        ttl: Duration,
    ) -> Arc<Entry> {
        let weighed = self.settings.local.as_ref().is_some_and(|local| local.is_weighed());
        let weight = if weighed { (typed.weigh)(&value) } else { 0 };
        Arc::new(Entry::new(
            value,
            as_of.stamp.clone(),
            self.settings.trusted_until(as_of.began, ttl),
            weight,
        ))
    }

    /// An entry that remembers a `None` for `ttl` in this process.
    pub(crate) fn entry_of_none(&self, as_of: &AsOf, ttl: Duration) -> Arc<Entry> {
        Arc::new(Entry::new(Absent, as_of.stamp.clone(), self.settings.trusted_until(as_of.began, ttl), 0))
    }

    /// Stores `entry` in this process iff it is current. Called while no other store of `key` can happen.
    pub(crate) fn keep(&self, key: &Key, entry: &Arc<Entry>) {
        if is_planted(Fault::StoreUnasked) {
            self.scopes.vouch(entry.stamp());
        }
        if let Some(local) = &self.settings.local
            && self.scopes.is_current(entry.stamp(), key.borrow())
        {
            local.insert(Arc::clone(entry));
            self.counters.stores.increment();
            local.reclaim(RECLAIMED, &mut |entry| self.is_over(entry));
        }
    }

    /// Reads `key` from the remote store; with a `lease`, claims the load of what is not there, or of
    /// whatever is there if it is to be made `anew`.
    pub(crate) async fn fetch(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        as_of: &AsOf,
        lease: Option<Duration>,
        anew: bool,
    ) -> Result<Found> {
        let Some(remote) = self.remote().await? else { return Ok(Found::Unavailable) };
        if wanted.typed.bytes.is_none() {
            return Ok(Found::Unavailable);
        }
        let (name, scopes) = (self.settings.name_of(key), self.settings.scopes_of(key, wanted.tags));
        let token = random::token();
        // Every value begins with nothing.
        let mut rejected = anew.then(Vec::new);
        loop {
            let claim = lease.map(|lease| Claim { token, lease, reject: rejected.as_deref() });
            let Fetched { value, ttl, generations } = remote.fetch(&name, &scopes, claim).await?;
            let Some(value) = value else {
                return Ok(Found::Nothing(Claimed { token, generations, rejected: None }));
            };
            if let Some(entry) = self.open(key, wanted, as_of, &value, ttl, &generations) {
                return Ok(Found::Value(entry, ttl));
            }
            let beginning = value[..value.len().min(IDENTITY)].to_vec();
            if lease.is_none() || rejected.as_ref().is_some_and(|rejected| !rejected.is_empty()) {
                return Ok(Found::Nothing(Claimed { token, generations, rejected: Some(beginning) }));
            }
            // Claim it again, in place of the value that is of no use.
            rejected = Some(beginning);
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
        let entries =
            keys.iter().zip(as_of).zip(fetched).map(|((key, as_of), Fetched { value, ttl, generations })| {
                self.open(key, wanted, as_of, &value?, ttl, &generations)
            });
        Ok(entries.collect())
    }

    /// A remote value as a live entry, if it is what was asked for and current.
    fn open(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        as_of: &AsOf,
        value: &[u8],
        ttl: Duration,
        generations: &[Generation],
    ) -> Option<Arc<Entry>> {
        let opened = match envelope::open(value, wanted.label(key)) {
            Ok(opened) => opened,
            Err(refusal) => {
                self.counters.remote_refusals.increment();
                tracing::debug!(target: "larder", ?refusal, "a remote entry is refused");
                return None;
            }
        };
        if !unmoved(&opened.generations, generations) {
            return None;
        }
        let fresh_until = self.settings.trusted_until(as_of.began, ttl);
        match opened.payload {
            None => Some(Arc::new(Entry::new(Absent, as_of.stamp.clone(), fresh_until, 0))),
            Some(payload) => {
                let decode = wanted.typed.bytes?.decode;
                decode(&payload, opened.codec, as_of.stamp.clone(), fresh_until)
                    .inspect_err(|_| self.counters.remote_refusals.increment())
                    .ok()
            }
        }
    }

    /// Stores a finished load remotely iff nobody has removed or claimed its key since; whether it was stored.
    ///
    /// `payload` is the encoded value, or nothing for a remembered `None`.
    pub(crate) async fn publish(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        claimed: &Claimed,
        payload: Option<&[u8]>,
        ttl: Duration,
    ) -> Result<bool> {
        self.publish_if(key, wanted, claimed, payload, ttl, Expect::Lease(claimed.token)).await
    }

    /// Stores a value remotely iff what `expect` says holds; whether it was stored.
    pub(crate) async fn publish_if(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        claimed: &Claimed,
        payload: Option<&[u8]>,
        ttl: Duration,
        expect: Expect<'_>,
    ) -> Result<bool> {
        let Some(remote) = self.remote().await? else { return Ok(false) };
        let value = self.seal(key, wanted, claimed, payload)?;
        let (name, scopes) = (self.settings.name_of(key), self.settings.scopes_of(key, wanted.tags));
        let put = Put { name: &name, scopes: &scopes, value: &value, ttl: stored_ttl(ttl) };
        let stored = remote.publish(put, expect).await?;
        if stored {
            self.counters.stores.increment();
        }
        Ok(stored)
    }

    /// Stores values remotely, whatever was there.
    pub(crate) async fn put_many(
        &self,
        values: &[(Key, Vec<u8>)],
        wanted: Wanted<'_>,
        ttl: Duration,
    ) -> Result<()> {
        let Some(remote) = self.remote().await? else { return Ok(()) };
        let names: Vec<_> = values
            .iter()
            .map(|(key, _)| (self.settings.name_of(key), self.settings.scopes_of(key, wanted.tags)))
            .collect();
        let fetched = remote.fetch_many(&names).await?;
        let sealed = values
            .iter()
            .zip(fetched)
            .map(|((key, payload), Fetched { generations, .. })| {
                let claimed = Claimed { token: random::token(), generations, rejected: None };
                self.seal(key, wanted, &claimed, Some(payload))
            })
            .collect::<Result<Vec<_>>>()?;
        let puts: Vec<_> = names
            .iter()
            .zip(&sealed)
            .map(|((name, scopes), value)| Put { name, scopes, value, ttl: stored_ttl(ttl) })
            .collect();
        remote.put_many(&puts).await?;
        self.counters.stores.add(puts.len() as u64);
        Ok(())
    }

    /// Stores a value in place of what is under `key` iff nothing in the namespace was invalidated since
    /// `position`; whether it was stored.
    pub(crate) async fn replace(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        payload: Option<&[u8]>,
        ttl: Duration,
        position: Generation,
    ) -> Result<bool> {
        let Some(remote) = self.remote().await? else { return Ok(false) };
        let (name, scopes) = (self.settings.name_of(key), self.settings.scopes_of(key, wanted.tags));
        let Fetched { generations, .. } = remote.fetch(&name, &scopes, None).await?;
        let claimed = Claimed { token: random::token(), generations, rejected: None };
        let any = self.settings.scope_any();
        self.publish_if(key, wanted, &claimed, payload, ttl, Expect::Unmoved(&any, position)).await
    }

    /// Where the remote store's invalidations stand; nothing without such a store, or without an answer.
    pub(crate) async fn position(&self) -> Option<Generation> {
        let remote = self.remote().await.ok()??;
        let any = [self.settings.scope_any()];
        let fetched = remote.fetch(&any[0], &any, None).await.ok()?;
        fetched.generations.first().copied()
    }

    fn seal(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        claimed: &Claimed,
        payload: Option<&[u8]>,
    ) -> Result<Vec<u8>> {
        envelope::seal(
            wanted.label(key),
            claimed.token,
            &claimed.generations,
            self.settings.codec,
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
        self.settle(remote).await?;
        Ok(Some(remote))
    }
}
