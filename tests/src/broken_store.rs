//! A remote store that keeps every promise of the contract but one, for the suite that is to catch it.
//! What must be said of each is in `store_conformance`.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use larder::store::{
    Append, Claim, Expect, Fence, Fetched, Generation, Health, News, Position, Put, Reader, RemoteStore,
    Token,
};
use larder::{Error, ErrorKind, Result};
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::map_store::MapStore;

/// A promise to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Fault {
    LosesLastByte,
    IgnoresCase,
    RoundsTimeToSeconds,
    KeepsValuesForEver,
    ExpireFindsNothing,
    ExpireFindsAnything,
    ExpireForgetsTheTime,
    PublishesWithoutLease,
    PublishesAnyToken,
    PublishesTwice,
    ShowsLeases,
    ClaimTakesValues,
    FirstClaimWins,
    InvalidationLeavesNames,
    InvalidationLeavesLaterNames,
    InvalidationLeavesScopes,
    InvalidationLeavesLaterScopes,
    InvalidationMovesOthers,
    InvalidationRemovesOthers,
    PutLeavesLease,
    LeaseStays,
    ExpireExtendsLease,
    RejectIsIgnored,
    RejectComparesAll,
    RejectTakesAll,
    RejectLeavesNoLease,
    YieldIsIgnored,
    YieldsToAnything,
    AbandonsAnyLease,
    AbandonsNothing,
    MintsEveryTime,
    MintsTwiceForOneName,
    ReversesGenerations,
    RepeatsGenerations,
    NothingIsIgnored,
    NothingRejectsNothing,
    ValueIsIgnored,
    ValueIsAnyValue,
    SameIsIgnored,
    SameIsStoredAnew,
    UnmovedIsIgnored,
    UnmovedStays,
    InvalidatesNamesBeforeScopes,
    StoringMoves,
    ForgetsGenerationsSoon,
    RecordsAreForgotten,
    RecordsLoseTheFirst,
    RecordsAreReversed,
    RecordsComeAgain,
    WaitingEndsAtOnce,
    WaitingHearsNothing,
    HeardByAnybody,
    HeardByNobody,
    HeardInAnyEpoch,
    HeardInYoungEpochs,
    HeardByLateQuestions,
    FenceIsForgotten,
    FenceLeavesNames,
    FenceLeavesScopes,
    FenceLeavesLeases,
    FenceLetsPutsThrough,
    FenceLetsValuesThrough,
    FenceEndsWithAnyInvalidation,
    FenceIsTakenAwayByOthers,
    FenceIsNotTakenAway,
    FenceStays,
    ManyIsReversed,
    ManyIsShort,
    PutsOnlyTheFirst,
    PublishChecksThenActs,
    BreaksWhenDropped,
    Unwell,
    Hangs,
}

/// What an invalidation answers that has appended nothing.
const NOWHERE: Option<Position> = Some(Position { epoch: [0; 16], sequence: 0 });

/// A store that keeps every promise but one.
#[derive(Debug)]
pub struct Broken {
    store: MapStore,
    fault: Fault,
    notes: Mutex<Notes>,
    entered: AtomicU64,
}

/// What a store that breaks a promise has to know to keep the others.
#[derive(Debug, Default)]
struct Notes {
    /// The newest lease of each name, until it is published or deleted.
    leases: HashMap<String, (Token, Instant)>,
    published: Vec<(String, Token)>,
    names: Vec<String>,
    /// Each scope with its moves, and when it was first seen.
    scopes: HashMap<String, (u64, Instant)>,
    until: HashMap<String, Instant>,
    /// The names and scopes of each fence.
    fences: HashMap<Token, [Vec<String>; 2]>,
}

impl Broken {
    /// Breaks the promise.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { store: MapStore::logged(), fault, notes: Mutex::default(), entered: AtomicU64::new(0) }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }

    fn name(&self, name: &str) -> String {
        if self.is(Fault::IgnoresCase) { name.to_lowercase() } else { name.to_owned() }
    }

    async fn value(&self, name: &str) -> Option<Vec<u8>> {
        self.store.fetch(name, &[], None).await.ok()?.value
    }

    async fn is_fenced(&self, name: &str) -> bool {
        self.store.fetch(name, &[], None).await.is_ok_and(|found| found.fenced)
    }

    fn see(&self, name: &str, scopes: &[String]) {
        let mut notes = self.notes();
        notes.names.push(name.to_owned());
        for scope in scopes {
            notes.scopes.entry(scope.clone()).or_insert((0, Instant::now()));
        }
    }

    /// The claim as this store takes it: with a better one, or with none.
    async fn claim<'a>(&self, name: &str, mut claim: Claim<'a>) -> Option<Claim<'a>> {
        let value = self.value(name).await;
        match (self.fault, claim.reject) {
            (Fault::RejectIsIgnored, _) => claim.reject = None,
            (Fault::RejectComparesAll, Some(reject)) if value.as_deref() != Some(reject) => {
                claim.reject = None;
            }
            (Fault::RejectTakesAll, Some(_)) => claim.reject = Some(b""),
            (Fault::RejectLeavesNoLease, Some(reject))
                if value.as_ref().is_some_and(|v| v.starts_with(reject)) =>
            {
                self.store.invalidate(&[name.to_owned()], &[], None).await.ok()?;
                return None;
            }
            (Fault::FirstClaimWins, _) => {
                claim.token = self.notes().leases.get(name).map_or(claim.token, |(token, _)| *token);
            }
            (Fault::LeaseStays, _) => claim.lease *= 1000,
            (Fault::YieldIsIgnored, _) => claim.yields = false,
            _ => {}
        }
        let leased = |(_, until): &(Token, Instant)| *until > Instant::now();
        let yields = claim.yields && value.is_none() && self.notes().leases.get(name).is_some_and(leased);
        let rejected = |value: Vec<u8>| claim.reject.is_some_and(|reject| value.starts_with(reject));
        if !yields && value.is_none_or(rejected) && !self.is_fenced(name).await {
            self.notes().leases.insert(name.to_owned(), (claim.token, Instant::now() + claim.lease));
        }
        Some(claim)
    }

    async fn read(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        let mut found = match self.fault {
            Fault::ClaimTakesValues if claim.is_some() => {
                let first = self.store.fetch(name, scopes, None).await?;
                let claim = claim.map(|claim| Claim { reject: Some(b""), ..claim });
                self.store.fetch(name, scopes, claim).await?;
                first
            }
            _ => self.store.fetch(name, scopes, claim).await?,
        };
        let notes = self.notes();
        if let (Fault::KeepsValuesForEver, Some(until)) = (self.fault, notes.until.get(name)) {
            found.ttl = until.saturating_duration_since(Instant::now());
        }
        if let (Fault::ShowsLeases, None, None, Some(lease)) =
            (self.fault, &found.value, claim, notes.leases.get(name))
        {
            found.value = Some(lease.0.0.to_vec());
        }
        if self.is(Fault::FenceLetsValuesThrough) && found.fenced {
            for generation in &mut found.generations {
                generation.0 = [7; 8];
            }
        }
        found.leased |= self.is(Fault::YieldsToAnything) && found.value.is_some() && claim.is_some();
        if self.is(Fault::LosesLastByte) {
            found.value.as_mut().map(Vec::pop);
        }
        self.falsify(scopes, &mut found.generations, &notes);
        Ok(found)
    }

    fn falsify(&self, scopes: &[String], generations: &mut [Generation], notes: &Notes) {
        match self.fault {
            Fault::ReversesGenerations => generations.reverse(),
            Fault::MintsEveryTime => {
                let drawn = self.entered.fetch_add(1, Ordering::Relaxed);
                for generation in generations {
                    generation.0[0] ^= drawn.to_le_bytes()[0];
                }
            }
            Fault::MintsTwiceForOneName => {
                for place in 1..generations.len() {
                    if scopes[..place].contains(&scopes[place]) {
                        generations[place].0[0] ^= 1;
                    }
                }
            }
            Fault::RepeatsGenerations => {
                for (generation, scope) in generations.iter_mut().zip(scopes) {
                    let moves = notes.scopes.get(scope).map_or(0, |(moves, _)| *moves);
                    generation.0 = (moves % 100).to_le_bytes();
                }
            }
            _ => {}
        }
    }

    /// A time to live as this store takes it.
    fn ttl(&self, name: &str, ttl: Duration) -> Duration {
        self.notes().until.insert(name.to_owned(), Instant::now() + ttl);
        match self.fault {
            Fault::RoundsTimeToSeconds => Duration::from_secs(ttl.as_secs() + 1),
            Fault::KeepsValuesForEver => ttl * 1000,
            _ => ttl,
        }
    }

    /// Takes away every fence that was put up, but for that of `token`.
    async fn take_fences_away(&self, token: Option<Token>) -> Result<()> {
        let fences = self.notes().fences.clone();
        for (other, [names, scopes]) in fences.iter().filter(|(other, _)| Some(**other) != token) {
            let none = Fence { token: *other, lasts: Duration::ZERO };
            self.store.fence(names, scopes, none, None).await?;
        }
        Ok(())
    }

    /// Whether this store takes the lease of `token` for held, where the other would not.
    async fn takes(&self, name: &str, token: Token) -> bool {
        let lease = self.notes().leases.get(name).copied();
        match self.fault {
            Fault::PublishesWithoutLease => true,
            Fault::PublishesAnyToken => lease.is_some() && self.value(name).await.is_none(),
            Fault::PublishesTwice => self.notes().published.contains(&(name.to_owned(), token)),
            Fault::PutLeavesLease => lease.is_some_and(|(held, _)| held == token),
            Fault::PublishChecksThenActs => {
                yield_now().await;
                lease.is_some_and(|(held, until)| held == token && until > Instant::now())
            }
            _ => false,
        }
    }
}

#[async_trait]
impl RemoteStore for Broken {
    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        if self.is(Fault::Hangs) && claim.is_some() {
            std::future::pending::<()>().await;
        }
        if self.is(Fault::BreaksWhenDropped) && self.entered.load(Ordering::Relaxed) > 40 {
            return Err(Error::new(ErrorKind::Unavailable, "after dropped operations"));
        }
        let name = &self.name(name);
        self.see(name, scopes);
        if self.is(Fault::ForgetsGenerationsSoon) {
            let old = |scope: &&String| {
                let mut notes = self.notes();
                let seen = notes.scopes.get_mut(*scope).map(|(_, seen)| seen);
                seen.is_some_and(|seen| {
                    let old = seen.elapsed() > Duration::from_millis(60);
                    if old {
                        *seen = Instant::now();
                    }
                    old
                })
            };
            let old: Vec<String> = scopes.iter().filter(old).cloned().collect();
            self.store.invalidate(&[], &old, None).await?;
        }
        let claim = match claim {
            Some(claim) => self.claim(name, claim).await,
            None => None,
        };
        self.read(name, scopes, claim).await
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        let mut found = Vec::new();
        for (name, scopes) in names {
            let name = &self.name(name);
            self.see(name, scopes);
            found.push(self.read(name, scopes, None).await?);
        }
        match self.fault {
            Fault::ManyIsReversed => found.reverse(),
            Fault::ManyIsShort => drop(found.pop()),
            _ => {}
        }
        Ok(found)
    }

    async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        let name = &self.name(put.name);
        let put = Put { name, ttl: self.ttl(name, put.ttl), ..put };
        if self.is(Fault::FenceLeavesLeases)
            && matches!(expect, Expect::Lease(_))
            && self.is_fenced(name).await
        {
            self.take_fences_away(None).await?;
            return self.store.put_many(&[put]).await.map(|()| true);
        }
        if !matches!(expect, Expect::Lease(_) | Expect::Value(_)) {
            self.notes().leases.remove(name);
        }
        let token = match (expect, self.fault) {
            (Expect::Lease(token), _) => token,
            (Expect::Nothing { .. }, Fault::NothingIsIgnored) => {
                return self.store.put_many(&[put]).await.map(|()| true);
            }
            (Expect::Value(_), Fault::ValueIsIgnored) => {
                return self.store.put_many(&[put]).await.map(|()| true);
            }
            (Expect::Value(_), Fault::ValueIsAnyValue) => {
                return self.store.publish(put, Expect::Value(b"")).await;
            }
            (Expect::Unmoved(scope, _), Fault::UnmovedIsIgnored) => {
                self.store.invalidate(&[], &[scope.to_owned()], None).await?;
                return self.store.put_many(&[put]).await.map(|()| true);
            }
            (Expect::Same(_), Fault::SameIsIgnored) => {
                return self.store.put_many(&[put]).await.map(|()| true);
            }
            (Expect::Same(seen), Fault::SameIsStoredAnew) => {
                return match self.value(name).await {
                    Some(value) if value.starts_with(seen) => {
                        self.store.put_many(&[put]).await.map(|()| true)
                    }
                    _ => Ok(false),
                };
            }
            (Expect::Nothing { reject: Some(_) }, Fault::NothingRejectsNothing) => {
                return self.store.publish(put, Expect::Nothing { reject: None }).await;
            }
            (Expect::Unmoved(scope, generation), Fault::UnmovedStays) => {
                let now = self.store.fetch(name, &[scope.to_owned()], None).await?.generations;
                if now != [generation] {
                    return Ok(false);
                }
                return self.store.put_many(&[put]).await.map(|()| true);
            }
            _ => return self.store.publish(put, expect).await,
        };
        let published = if self.takes(name, token).await {
            self.store.put_many(&[put]).await?;
            true
        } else if self.is(Fault::PublishChecksThenActs) {
            false
        } else {
            self.store.publish(put, expect).await?
        };
        if published {
            let mut notes = self.notes();
            notes.leases.remove(name);
            notes.published.push((name.clone(), token));
        }
        if self.is(Fault::StoringMoves) {
            self.store.invalidate(&[], put.scopes, None).await?;
        }
        Ok(published)
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        let kept = if self.is(Fault::PutsOnlyTheFirst) { puts.len().min(1) } else { puts.len() };
        if self.is(Fault::FenceLetsPutsThrough) {
            self.take_fences_away(None).await?;
        }
        for put in &puts[..kept] {
            let name = &self.name(put.name);
            self.see(name, &[]);
            if !self.is(Fault::PutLeavesLease) {
                self.notes().leases.remove(name);
            }
            self.store.put_many(&[Put { name, ttl: self.ttl(name, put.ttl), ..*put }]).await?;
        }
        Ok(())
    }

    async fn invalidate(
        &self,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        let mut names: Vec<String> = names.iter().map(|name| self.name(name)).collect();
        let mut scopes = scopes.to_vec();
        {
            let mut notes = self.notes();
            for name in &names {
                notes.leases.remove(name);
            }
            for scope in &scopes {
                notes.scopes.entry(scope.clone()).or_insert((0, Instant::now())).0 += 1;
            }
            match self.fault {
                Fault::InvalidationLeavesNames => names.clear(),
                Fault::InvalidationLeavesLaterNames => names.truncate(1),
                Fault::InvalidationLeavesScopes => scopes.clear(),
                Fault::InvalidationLeavesLaterScopes => scopes.truncate(1),
                Fault::InvalidationMovesOthers => scopes.extend(notes.scopes.keys().cloned()),
                Fault::InvalidationRemovesOthers => names.extend(notes.names.iter().cloned()),
                _ => {}
            }
        }
        if self.is(Fault::InvalidatesNamesBeforeScopes) {
            self.store.invalidate(&names, &[], None).await?;
            yield_now().await;
            names.clear();
        }
        if self.is(Fault::FenceEndsWithAnyInvalidation) {
            self.take_fences_away(None).await?;
        }
        let append = append.filter(|_| !self.is(Fault::RecordsAreForgotten));
        self.store.invalidate(&names, &scopes, append).await.map(|position| position.or(NOWHERE))
    }

    async fn fence(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Fence,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        for name in names {
            self.notes().leases.remove(name);
        }
        self.notes().fences.insert(fence.token, [names.to_vec(), scopes.to_vec()]);
        let lasts = match self.fault {
            Fault::FenceIsForgotten => return self.store.invalidate(names, scopes, append).await,
            Fault::FenceStays => fence.lasts * 1000,
            Fault::FenceIsNotTakenAway if fence.lasts.is_zero() => Duration::from_secs(1),
            _ => fence.lasts,
        };
        if self.is(Fault::FenceIsTakenAwayByOthers) && lasts.is_zero() {
            self.take_fences_away(None).await?;
        }
        let names = if self.is(Fault::FenceLeavesNames) { &[] } else { names };
        let scopes = if self.is(Fault::FenceLeavesScopes) { &[] } else { scopes };
        self.store.fence(names, scopes, Fence { lasts, ..fence }, append).await
    }

    async fn abandon(&self, name: &str, token: Token) -> Result<()> {
        self.notes().leases.retain(|held, (holder, _)| held != name || *holder != token);
        match self.fault {
            Fault::AbandonsNothing => Ok(()),
            Fault::AbandonsAnyLease if self.value(name).await.is_none() => {
                self.store.invalidate(&[name.to_owned()], &[], None).await.map(drop)
            }
            _ => self.store.abandon(name, token).await,
        }
    }

    async fn await_news(&self, log: &str, after: Position, limit: Duration) -> Result<()> {
        match self.fault {
            Fault::WaitingEndsAtOnce => Ok(()),
            Fault::WaitingHearsNothing => {
                tokio::time::sleep(limit).await;
                Ok(())
            }
            _ => self.store.await_news(log, after, limit).await,
        }
    }

    async fn news(&self, log: &str, after: Option<Position>, reader: Reader) -> Result<News> {
        let after = match after {
            Some(after) if self.is(Fault::RecordsComeAgain) && after.sequence > 2 => {
                Some(Position { sequence: after.sequence - 1, ..after })
            }
            after => after,
        };
        let mut news = self.store.news(log, after, reader).await?;
        if self.is(Fault::HeardByLateQuestions) && after.is_none() {
            return self.store.news(log, Some(news.end), reader).await;
        }
        match self.fault {
            Fault::RecordsLoseTheFirst if news.records.len() > 1 => drop(news.records.remove(0)),
            Fault::RecordsAreReversed => news.records.reverse(),
            _ => {}
        }
        Ok(news)
    }

    async fn is_heard(&self, log: &str, position: Position, trusted: Duration) -> Result<bool> {
        match self.fault {
            Fault::HeardByAnybody => Ok(true),
            Fault::HeardByNobody => Ok(false),
            Fault::HeardInYoungEpochs => self.store.is_heard(log, position, Duration::ZERO).await,
            Fault::HeardInAnyEpoch => self.store.is_heard(log, position, trusted).await.or(Ok(true)),
            _ => self.store.is_heard(log, position, trusted).await,
        }
    }

    async fn expire(&self, name: &str, ttl: Duration) -> Result<bool> {
        let name = &self.name(name);
        if self.is(Fault::BreaksWhenDropped) {
            self.entered.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
            self.entered.fetch_sub(1, Ordering::Relaxed);
        }
        let lease = self.notes().leases.get(name).copied();
        match (self.fault, lease) {
            (Fault::ExpireFindsNothing, _) => return Ok(false),
            (Fault::ExpireForgetsTheTime, _) => return Ok(self.value(name).await.is_some()),
            (Fault::ExpireFindsAnything, _) => {
                self.store.expire(name, ttl).await?;
                return Ok(true);
            }
            (Fault::ExpireExtendsLease, Some((token, _))) => {
                let claim = Claim::new(token, ttl);
                self.store.fetch(name, &[], Some(claim)).await?;
            }
            _ => {}
        }
        self.store.expire(name, ttl).await
    }

    async fn lock(&self, name: &str, token: Token, lease: Duration) -> Result<Option<u64>> {
        self.store.lock(name, token, lease).await
    }

    async fn extend_lock(&self, name: &str, token: Token, lease: Duration) -> Result<bool> {
        self.store.extend_lock(name, token, lease).await
    }

    async fn unlock(&self, name: &str, token: Token) -> Result<bool> {
        self.store.unlock(name, token).await
    }

    async fn health(&self) -> Result<Health> {
        if self.is(Fault::Unwell) {
            return Err(Error::new(ErrorKind::Unavailable, "not well"));
        }
        self.store.health().await
    }
}
