//! A remote store as somebody else might write one: a map behind a lock.
//! It keeps the whole contract in three hundred lines, and forgets everything with the process.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use larder::store::{
    Append, Claim, Expect, Fence, Fetched, Generation, Health, News, Position, Put, Reader, RemoteStore,
    Token,
};
use larder::{Error, ErrorKind, Result};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// A [`RemoteStore`] in the memory of one process. Clones are one store.
#[derive(Clone, Debug, Default)]
pub struct MapStore {
    state: Arc<Mutex<State>>,
    appended: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeMap<String, Held>,
    generations: BTreeMap<String, Generation>,
    /// Those around each name and each scope, and when they end.
    fences: BTreeMap<String, Vec<(Token, Instant)>>,
    random: RandomState,
    drawn: u64,
    /// The logs, if it has any.
    logs: Option<BTreeMap<String, Log>>,
}

/// One epoch of a log.
#[derive(Debug)]
struct Log {
    epoch: [u8; 16],
    began: Instant,
    /// How many records were given up, the oldest first.
    trimmed: u64,
    records: Vec<Vec<u8>>,
    /// How far each reader was, and until when it goes by that.
    readers: HashMap<Token, (u64, Instant)>,
}

#[derive(Debug)]
struct Held {
    what: What,
    until: Instant,
}

#[derive(Debug)]
enum What {
    Value(Vec<u8>),
    Lease(Token),
}

impl MapStore {
    /// A store with logs.
    #[must_use]
    pub fn logged() -> Self {
        let state = State { logs: Some(BTreeMap::new()), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), ..Self::default() }
    }

    /// Forgets everything, as a server does that is restarted empty or flushed. Its logs begin anew.
    pub fn forget_everything(&self) {
        let mut state = self.state();
        state.held.clear();
        state.generations.clear();
        state.fences.clear();
        state.logs.iter_mut().for_each(BTreeMap::clear);
    }

    /// Forgets the logs, which begin anew, and nothing else.
    pub fn forget_logs(&self) {
        self.state().logs.iter_mut().for_each(BTreeMap::clear);
    }

    /// Gives up the records of its logs, as if they were too many; the logs go on.
    pub fn trim_logs(&self) {
        for log in self.state().logs.iter_mut().flat_map(BTreeMap::values_mut) {
            log.trimmed += log.records.drain(..).len() as u64;
        }
    }

    /// Forgets one thing that it holds, the one with this number if they are counted round and round.
    pub fn evict(&self, number: usize) {
        let mut state = self.state();
        let all = state.held.len() + state.generations.len();
        let Some(number) = number.checked_rem(all) else { return };
        let State { held, generations, .. } = &mut *state;
        if let Some(name) = held.keys().nth(number).cloned() {
            held.remove(&name);
        } else if let Some(scope) = generations.keys().nth(number - held.len()).cloned() {
            generations.remove(&scope);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made in one go, so what a panic leaves behind is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn held(&mut self, name: &str) -> Option<&mut Held> {
        if self.held.get(name).is_some_and(|held| held.until <= Instant::now()) {
            self.held.remove(name);
        }
        self.held.get_mut(name)
    }

    fn hold(&mut self, name: &str, what: What, ttl: Duration) {
        self.held.insert(name.to_owned(), Held { what, until: Instant::now() + ttl });
    }

    fn draw(&mut self) -> Generation {
        self.drawn += 1;
        Generation(self.random.hash_one(self.drawn).to_le_bytes())
    }

    fn generation(&mut self, scope: &str) -> Generation {
        if let Some(generation) = self.generations.get(scope) {
            return *generation;
        }
        let minted = self.draw();
        self.generations.insert(scope.to_owned(), minted);
        minted
    }

    fn is_fenced(&self, text: &str) -> bool {
        let standing = |(_, until): &(Token, Instant)| *until > Instant::now();
        self.fences.get(text).is_some_and(|fences| fences.iter().any(standing))
    }

    /// Removes the names and moves the scopes, and does with their fences what there is to be done.
    fn invalidate(&mut self, names: &[String], scopes: &[String], fence: Option<Fence>) {
        for name in names {
            self.held.remove(name);
        }
        for scope in scopes {
            let moved = self.draw();
            self.generations.insert(scope.clone(), moved);
        }
        let Some(Fence { token, lasts }) = fence else { return };
        let now = Instant::now();
        for text in names.iter().chain(scopes) {
            let fences = self.fences.entry(text.clone()).or_default();
            fences.retain(|(known, until)| *known != token && *until > now);
            if !lasts.is_zero() {
                fences.push((token, now + lasts));
            }
        }
    }

    fn append(&mut self, append: Option<Append<'_>>) -> Result<Option<Position>> {
        let (Some(append), true) = (append, self.logs.is_some()) else { return Ok(None) };
        let log = self.log(append.log)?;
        log.records.extend_from_slice(append.records);
        Ok(Some(log.end()))
    }

    fn fetch(&mut self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Fetched {
        if self.is_fenced(name) || scopes.iter().any(|scope| self.is_fenced(scope)) {
            if let (Some(claim), Some(Held { what: What::Lease(held), .. })) = (claim, self.held(name))
                && *held == claim.token
            {
                self.held.remove(name);
            }
            // Generations that nobody else is given: what is stored under them is never current.
            let generations = scopes.iter().map(|_| self.draw()).collect();
            return Fetched { generations, fenced: true, ..Fetched::default() };
        }
        let generations = scopes.iter().map(|scope| self.generation(scope)).collect();
        let rejected = claim.and_then(|claim| claim.reject);
        if let Some(Held { what: What::Value(value), until }) = self.held(name)
            && rejected.is_none_or(|reject| !value.starts_with(reject))
        {
            let ttl = until.saturating_duration_since(Instant::now());
            return Fetched { value: Some(value.clone()), ttl, generations, ..Fetched::default() };
        }
        let holder = match self.held(name) {
            Some(Held { what: What::Lease(token), .. }) => Some(*token),
            _ => None,
        };
        let leased =
            claim.is_some_and(|claim| claim.yields && holder.is_some_and(|token| token != claim.token));
        if let Some(claim) = claim.filter(|_| !leased) {
            self.hold(name, What::Lease(claim.token), claim.lease);
        }
        Fetched { generations, leased, ..Fetched::default() }
    }

    /// The log of this name, which begins when it is asked for.
    fn log(&mut self, name: &str) -> Result<&mut Log> {
        let mut epoch = [0; 16];
        epoch[..8].copy_from_slice(&self.draw().0);
        let logs = self.logs.as_mut();
        let logs = logs.ok_or_else(|| Error::new(ErrorKind::Unsupported, "a store without logs"))?;
        let begun =
            || Log { epoch, began: Instant::now(), trimmed: 0, records: Vec::new(), readers: HashMap::new() };
        Ok(logs.entry(name.to_owned()).or_insert_with(begun))
    }

    fn put(&mut self, put: &Put<'_>) {
        if !self.is_fenced(put.name) {
            self.hold(put.name, What::Value(put.value.to_vec()), put.ttl);
        }
    }
}

impl Log {
    fn end(&self) -> Position {
        Position { epoch: self.epoch, sequence: self.trimmed + self.records.len() as u64 }
    }
}

#[async_trait]
impl RemoteStore for MapStore {
    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        Ok(self.state().fetch(name, scopes, claim))
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        let mut state = self.state();
        Ok(names.iter().map(|(name, scopes)| state.fetch(name, scopes, None)).collect())
    }

    async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        let mut state = self.state();
        if state.is_fenced(put.name) {
            return Ok(false);
        }
        let held = state.held(put.name).map(|held| &held.what);
        let holds = match expect {
            Expect::Lease(token) => matches!(held, Some(What::Lease(held)) if *held == token),
            Expect::Nothing { reject } => match held {
                Some(What::Value(value)) => reject.is_some_and(|reject| value.starts_with(reject)),
                Some(What::Lease(_)) | None => true,
            },
            Expect::Value(seen) => matches!(held, Some(What::Value(value)) if value.starts_with(seen)),
            Expect::Same(beginning) => {
                matches!(held, Some(What::Value(value)) if value.starts_with(beginning))
            }
            Expect::Unmoved(scope, generation) => {
                state.generations.get(scope) == Some(&generation) && !state.is_fenced(scope)
            }
        };
        if holds {
            let until = state.held(put.name).map(|held| held.until);
            state.put(&put);
            if let (Expect::Same(_), Some(held), Some(until)) = (expect, state.held(put.name), until) {
                held.until = until;
            }
            if let Expect::Unmoved(scope, _) = expect {
                let moved = state.draw();
                state.generations.insert(scope.to_owned(), moved);
            }
        }
        Ok(holds)
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        let mut state = self.state();
        for put in puts {
            state.put(put);
        }
        Ok(())
    }

    async fn invalidate(
        &self,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        let mut state = self.state();
        state.invalidate(names, scopes, None);
        let appended = state.append(append);
        self.appended.notify_waiters();
        appended
    }

    async fn fence(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Fence,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        let mut state = self.state();
        state.invalidate(names, scopes, Some(fence));
        let appended = state.append(append);
        self.appended.notify_waiters();
        appended
    }

    async fn await_news(&self, log: &str, after: Position, limit: Duration) -> Result<()> {
        let appended = self.appended.notified();
        if self.state().log(log)?.end() == after {
            let _ = timeout(limit, appended).await;
        }
        Ok(())
    }

    async fn abandon(&self, name: &str, token: Token) -> Result<()> {
        let mut state = self.state();
        if matches!(state.held(name), Some(Held { what: What::Lease(held), .. }) if *held == token) {
            state.held.remove(name);
        }
        Ok(())
    }

    async fn news(&self, log: &str, after: Option<Position>, reader: Reader) -> Result<News> {
        let mut state = self.state();
        let log = state.log(log)?;
        let Some(Position { sequence, .. }) = after.filter(|after| after.epoch == log.epoch) else {
            let (end, now) = (log.end(), Instant::now());
            // It may have been asked before what was answered since.
            let known = log.readers.get(&reader.name).filter(|(_, until)| *until > now);
            let read = known.map_or(end.sequence, |(read, _)| *read);
            log.readers.insert(reader.name, (read, now + reader.trusts_for));
            return Ok(News { end, records: Vec::new() });
        };
        log.readers.insert(reader.name, (sequence, Instant::now() + reader.trusts_for));
        let numbered = (log.trimmed + 1..).zip(&log.records).filter(|(number, _)| *number > sequence);
        let records = numbered.map(|(number, record)| (number, record.clone())).take(100).collect();
        Ok(News { end: log.end(), records })
    }

    async fn is_heard(&self, log: &str, position: Position, trusted: Duration) -> Result<bool> {
        let mut state = self.state();
        let log = state.log(log)?;
        if log.epoch != position.epoch {
            return Err(Error::new(ErrorKind::Unsupported, "another epoch"));
        }
        log.readers.retain(|_, (_, until)| *until > Instant::now());
        Ok(log.began.elapsed() >= trusted
            && log.readers.values().all(|(number, _)| *number >= position.sequence))
    }

    async fn expire(&self, name: &str, ttl: Duration) -> Result<bool> {
        let mut state = self.state();
        let Some(Held { what: What::Value(_), until }) = state.held(name) else { return Ok(false) };
        *until = Instant::now() + ttl;
        Ok(true)
    }

    async fn health(&self) -> Result<Health> {
        let mut health = Health::default();
        health.keys = Some(self.state().held.len() as u64);
        Ok(health)
    }
}
