//! The life of an invalidation: perhaps a fence, body, local move, remote move, local move again, acknowledgement.
//!
//! # Fences
//!
//! If the process dies between the commit of a mutation and its invalidation, nobody invalidates. So with `fence` the
//! targets are invalidated before the body begins, and a fence is left around them in the remote store, which ends by
//! itself. While it stands nothing is stored that it covers: the store gives no right to do so and no value, and every
//! process that hears of it stores nothing in itself either. So when it ends, after the commit or not, nothing is there that
//! is older. The invalidation after the body takes the fence away. Where that does not happen in good order (the body was
//! dropped, the store is gone) the fence stands until its end.
//!
//! One thing is not covered: a `local` value, which no process asks the store for, in a process that began to listen
//! while the fence stood, and so has not heard of it.
//!
//! `settle` is the same after the body: the invalidation leaves a fence behind.
//!
//! What could not be delivered to the remote store is a *debt*: see `debts`.

use std::fmt;
use std::time::Duration;

use crate::builder::{Ack, Settings};
use crate::cache::{Cache, Inner};
use crate::clock;
use crate::debts::covering;
use crate::error::{ErrorKind, Result};
use crate::global::AsCache;
use crate::guard::Guard;
use crate::key::{Key, KeyWriter};
use crate::pattern::{Pattern, Reach};
use crate::random;
use crate::recent::Source;
use crate::record::{self, Around};
use crate::sabotage::{Fault, is_planted};
use crate::scope::Scope;
use crate::store::{Append, Fence, Position, Token};
use crate::tag::Tag;
use crate::ticket::Ticket;

/// The invalidation around the body of one `#[cache_invalidate]` function.
///
/// Once [`run`](Self::run) has begun, its targets are invalidated whatever happens: on return, on a panic,
/// and when the future is dropped part-way, since the body may have taken effect in each case.
pub struct Invalidation {
    cache: Cache,
    targets: Vec<Scope>,
    on_ok: bool,
    /// For how long nothing is stored, from before the body on, unless it ends earlier.
    fence: Duration,
    /// The name of the fence, once it may stand.
    fenced: Option<Token>,
    /// For how long loads are not stored once the targets are invalidated.
    settle: Duration,
    /// Whether the body may have taken effect without the targets being invalidated.
    armed: bool,
    disarmed: bool,
}

/// The start of an invalidation in `cache`.
pub fn invalidation<C: AsCache + ?Sized>(cache: &C) -> Invalidation {
    cache.with(Invalidation::of)
}

impl Invalidation {
    pub(crate) fn of(cache: &Cache) -> Self {
        Self {
            cache: cache.clone(),
            targets: Vec::new(),
            on_ok: false,
            fence: Duration::ZERO,
            fenced: None,
            settle: Duration::ZERO,
            armed: false,
            disarmed: false,
        }
    }

    /// Adds a target, of a body that may have begun already.
    pub(crate) fn arm(&mut self, target: impl Into<Scope>) {
        self.target(target);
        self.armed = true;
    }

    /// The body has begun, elsewhere: unless this is [finished](Self::finish) or [forgotten](Self::forget), the targets are
    /// invalidated when it is dropped.
    pub fn begun(&mut self) {
        self.armed = true;
    }

    /// Leaves it to the caller to invalidate the targets.
    pub fn forget(mut self) {
        self.armed = false;
    }

    /// Adds the key that `write` writes.
    pub fn key(&mut self, write: impl FnOnce(&mut KeyWriter)) {
        self.target(Key::build(write));
    }

    /// Adds the pattern that `write` writes.
    pub fn pattern(&mut self, write: impl FnOnce(&mut KeyWriter)) {
        self.target(Pattern::build(write));
    }

    /// Adds the tag that `write` writes.
    pub fn tag(&mut self, write: impl FnOnce(&mut KeyWriter)) {
        self.target(Tag::build(write));
    }

    /// Adds a target.
    pub fn target(&mut self, target: impl Into<Scope>) {
        self.targets.push(target.into());
    }

    /// Limits the invalidation to bodies that succeed.
    pub fn on_ok(&mut self) {
        self.on_ok = true;
    }

    /// Keeps everything from being stored under the targets from before the body on, until they are invalidated after it,
    /// or for so long if that does not happen.
    pub fn fence(&mut self, fence: Duration) {
        self.fence = fence;
    }

    /// Keeps loads from being stored that begin before the targets have been invalidated for so long.
    pub fn settle(&mut self, settle: Duration) {
        self.settle = settle;
    }

    /// Makes the body run without any invalidation: the condition of the attribute is false.
    pub fn disarm(&mut self) {
        self.disarmed = true;
    }

    /// Runs the body. From its first poll on, the targets are owed.
    pub async fn run<F: Future>(&mut self, body: F) -> F::Output {
        if !(self.disarmed || self.fence.is_zero()) {
            // Boxed, so that a mutation without a fence carries nothing of it around.
            Box::pin(self.put_up_fence()).await;
        }
        // A fence is not left standing without need.
        self.armed = !self.disarmed && (!self.on_ok || self.fenced.is_some());
        body.await
    }

    /// Fences the targets that are known by now. If the remote store cannot be told, the body runs without.
    async fn put_up_fence(&mut self) {
        let fence = Fence { token: random::token(), lasts: self.fence };
        self.fenced = Some(fence.token);
        let (inner, around) = (self.cache.inner(), Around::Begin(fence));
        let targets = inner.with_dependents(self.targets.clone());
        inner.keep_out(&targets, around);
        if let Err(error) = inner.carry_out(targets, around).await {
            tracing::warn!(target: "larder", %error, "a mutation begins without its fence");
        }
    }

    /// Invalidates the targets. A remote store that cannot be reached is told later.
    pub async fn finish(self, succeeded: bool) {
        let cache = self.cache.clone();
        if let Err(error) = self.acknowledge(succeeded).await {
            cache.inner().debts.say(&error);
        }
    }

    /// As [`finish`](Self::finish), but says whether the invalidation was delivered.
    pub async fn acknowledge(mut self, succeeded: bool) -> Result<()> {
        // From here on the invalidation itself sees to it that nothing is lost.
        self.armed = false;
        if self.disarmed || (self.on_ok && !succeeded && self.fenced.is_none()) {
            return Ok(());
        }
        let targets = std::mem::take(&mut self.targets);
        let inner = self.cache.inner();
        if self.fenced.is_none() && self.settle.is_zero() {
            return inner.invalidate(targets).await.map(drop);
        }
        inner.invalidated(targets.len());
        let targets = inner.with_dependents(targets);
        inner.recent.note(Source::Here, &targets);
        let token = self.fenced.unwrap_or_else(random::token);
        let around = Around::End(Fence { token, lasts: self.settle });
        // Once before, for loads that begin while the invalidation is under way, and once from its acknowledgement on.
        inner.settle(&targets, self.settle);
        let outcome = inner.carry_out(targets.clone(), around).await;
        inner.keep_out(&targets, around);
        outcome.map(drop)
    }
}

impl Drop for Invalidation {
    fn drop(&mut self) {
        if self.armed {
            let inner = self.cache.inner();
            let targets = inner.with_dependents(std::mem::take(&mut self.targets));
            inner.recent.note(Source::Here, &targets);
            inner.settle(&targets, self.settle);
            inner.owe(&targets, self.settle);
        }
    }
}

impl Inner {
    /// Invalidates `scopes` here and in the remote store.
    ///
    /// The local effect is there after the first poll and stays. If the remote store fails, or the future is
    /// dropped, the rest is a debt.
    pub(crate) async fn invalidate(&self, scopes: Vec<Scope>) -> Result<Ticket> {
        self.invalidated(scopes.len());
        let scopes = self.with_dependents(scopes);
        self.recent.note(Source::Here, &scopes);
        self.carry_out(scopes, Around::Nothing).await
    }

    /// Moves `scopes` here and in the remote store, and does there what there is to be done around it.
    async fn carry_out(&self, scopes: Vec<Scope>, around: Around) -> Result<Ticket> {
        if !is_planted(Fault::RemoteMoveOnly) {
            self.move_locally(&scopes);
        }
        let Some(remote) = &self.settings.remote else { return Ok(Ticket::new(None)) };
        let settle = if let Around::End(fence) = around { fence.lasts } else { Duration::ZERO };
        let mut owed = Undelivered { inner: self, scopes, settle };
        self.pay_debts(remote).await?;
        let position = self.move_remotely(remote, &owed.scopes, around).await?;
        // A load that began since the first move may have read the remote copy before it was gone.
        if !(is_planted(Fault::NoSecondMove) || is_planted(Fault::RemoteMoveOnly)) {
            self.move_locally(&owed.scopes);
        }
        owed.scopes.clear();
        self.await_fleet(position).await;
        Ok(Ticket::new(position))
    }

    /// Tells other processes that what they hold of `scopes` is no longer what the remote store holds.
    ///
    /// If that fails, the scopes are invalidated as soon as it does not: what the remote store holds of them, too.
    pub(crate) async fn announce(&self, scopes: Vec<Scope>) -> Result<()> {
        let mut owed = Undelivered { inner: self, scopes, settle: Duration::ZERO };
        let position = self.tell(&owed.scopes).await?;
        owed.scopes.clear();
        self.await_fleet(position).await;
        Ok(())
    }

    /// Keeps loads that begin within `settle` from now from being stored in this process.
    fn settle(&self, scopes: &[Scope], settle: Duration) {
        if !settle.is_zero() {
            let now = clock::now();
            self.settling.add(scopes, None, now, now + settle);
        }
    }

    /// Keeps from being stored in this process what is to be kept out `around` an invalidation of `scopes`.
    pub(crate) fn keep_out(&self, scopes: &[Scope], around: Around) {
        match around {
            Around::Nothing => {}
            Around::Begin(fence) => {
                let now = clock::now();
                self.settling.add(scopes, Some(fence.token), now, now + fence.lasts);
            }
            Around::End(fence) => {
                self.settle(scopes, fence.lasts);
                self.settling.lift(fence.token);
            }
        }
    }

    /// As [`announce`](Self::announce), if it can be done now, and whatever the others do: its place in the log.
    pub(crate) async fn tell(&self, scopes: &[Scope]) -> Result<Option<Position>> {
        let Some(remote) = &self.settings.remote else { return Ok(None) };
        remote.invalidate(&[], &[], Some(self.record(scopes, Around::Nothing).append())).await
    }

    /// `scopes`, and what depends on the tags among them.
    pub(crate) fn with_dependents(&self, scopes: Vec<Scope>) -> Vec<Scope> {
        let with_dependents = |scope| match scope {
            Scope::Tag(tag) => self.dependencies.closure(&tag).into_iter().map(Scope::Tag).collect(),
            scope => vec![scope],
        };
        scopes.into_iter().flat_map(with_dependents).collect()
    }

    /// Moves `scopes` in this process and drops what memory can be freed at once.
    pub(crate) fn move_locally(&self, scopes: &[Scope]) {
        for scope in scopes {
            self.scopes.advance(scope);
            let Some(local) = &self.settings.local else { continue };
            match scope {
                Scope::Key(key) => local.remove(key.borrow()),
                Scope::Everything => local.clear(),
                Scope::Pattern(_) | Scope::Tag(_) => {}
            }
        }
    }

    /// Moves `scopes` in the remote store, and tells other processes.
    pub(crate) async fn move_remotely(
        &self,
        remote: &Guard,
        scopes: &[Scope],
        around: Around,
    ) -> Result<Option<Position>> {
        let (names, generations) = self.settings.remote_targets(scopes);
        let records = self.record(scopes, around);
        match deliver(remote, &names, &generations, around, &records).await {
            // The server that has the keys does not answer. What covers them is elsewhere, and once that has moved they are
            // misses, too; so are others, but nobody has to wait for that server.
            Err(error) if error.is_of_a_part() => {
                let (_, mut generations) = self.settings.remote_targets(&covering(scopes));
                generations[1..].sort();
                generations.dedup();
                deliver(remote, &[], &generations, around, &records).await
            }
            outcome => outcome,
        }
    }

    /// What other processes are told of an invalidation of `scopes`.
    fn record(&self, scopes: &[Scope], around: Around) -> Records {
        let replicas = if let Ack::Replicas(replicas) = self.settings.ack { replicas } else { 0 };
        Records { log: self.settings.log(), texts: record::write(self.sender, around, scopes), replicas }
    }
}

impl Settings {
    /// What an invalidation of `scopes` removes and what it moves, by the names of the remote store: first what
    /// every invalidation moves.
    ///
    /// A glob moves the longest prefix around it: more misses than needed, in the remote store only.
    fn remote_targets(&self, scopes: &[Scope]) -> (Vec<String>, Vec<String>) {
        let (mut names, mut generations) = (Vec::new(), vec![self.scope_any()]);
        for scope in scopes {
            match scope {
                Scope::Key(key) => names.push(self.name_of(key)),
                Scope::Tag(tag) => generations.push(self.scope_tag(tag)),
                Scope::Everything => generations.push(self.scope_everything()),
                Scope::Pattern(pattern) => match pattern.reach() {
                    Reach::Key(key) => names.push(self.name_of(&Key::from(key))),
                    Reach::Level(prefix) => generations.push(self.scope_prefix(prefix)),
                    Reach::Everything => generations.push(self.scope_everything()),
                    Reach::Glob => generations.push(match pattern.widened() {
                        Some(prefix) => self.scope_prefix(prefix),
                        None => self.scope_everything(),
                    }),
                },
            }
        }
        (names, generations)
    }
}

/// Moves everything in the remote store, of the scopes the first being what every invalidation moves.
async fn deliver(
    remote: &Guard,
    names: &[String],
    scopes: &[String],
    around: Around,
    records: &Records,
) -> Result<Option<Position>> {
    let (Around::Begin(fence) | Around::End(fence)) = around else {
        return remote.invalidate(names, scopes, Some(records.append())).await;
    };
    Box::pin(async move {
        let mut fenced = scopes;
        if matches!(around, Around::End(_)) && !fence.lasts.is_zero() {
            // What only settles is nothing to mutations of other keys.
            let any;
            (any, fenced) = fenced.split_at(1);
            let gone = Fence { lasts: Duration::ZERO, ..fence };
            supported(remote.fence(&[], any, gone, None).await)?;
        }
        match supported(remote.fence(names, fenced, fence, Some(records.append())).await)? {
            Some(position) => Ok(position),
            None => remote.invalidate(names, scopes, Some(records.append())).await,
        }
    })
    .await
}

/// Nothing, where the store has no fences.
fn supported<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// What is appended to the log of the namespace.
struct Records {
    log: String,
    texts: Vec<Vec<u8>>,
    replicas: u32,
}

impl Records {
    fn append(&self) -> Append<'_> {
        Append { log: &self.log, records: &self.texts, replicas: self.replicas }
    }
}

/// Scopes of an invalidation that is under way: unless it is delivered, they are owed.
struct Undelivered<'i> {
    inner: &'i Inner,
    scopes: Vec<Scope>,
    /// For how long loads are not to be stored then.
    settle: Duration,
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        // A load that began since the first move may have read the remote copy, as after a delivery.
        self.inner.owe(&self.scopes, self.settle);
    }
}

impl fmt::Debug for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidation").field("targets", &self.targets.len()).finish_non_exhaustive()
    }
}
