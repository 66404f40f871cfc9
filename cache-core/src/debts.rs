//! Invalidations that the remote store has not heard of: kept, bounded, and delivered in their order.
//!
//! Until that is done this process neither reads from the store nor writes to it: nothing that it holds of what is
//! owed can be trusted. Whoever wants to use the store pays first. If nobody does, a task of the cache's pays as soon
//! as the store can be used, since other processes go by it, too.

use std::collections::HashSet;
use std::sync::Weak;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::cache::Inner;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::Guard;
use crate::pattern::{Pattern, Reach};
use crate::random;
use crate::record::Around;
use crate::sabotage::{Fault, is_planted};
use crate::scope::{Scope, levels};
use crate::store::Fence;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Debts that are kept one by one; beyond, they widen.
const MAX_DEBTS: usize = 10_000;

/// The longest pause between two attempts to pay.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How long an operation waits for another to pay.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// What is owed to the remote store.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    owed: Mutex<Owing>,
    /// How many of them are being paid, and not among them meanwhile.
    in_hand: AtomicUsize,
    /// Whether anything is owed, or being paid, for a look without the lock.
    any: AtomicBool,
    paying: tokio::sync::Mutex<()>,
    /// Whether it was said that something is owed.
    said: AtomicBool,
    /// Whether a task waits until it can pay.
    waits: AtomicBool,
    /// Dropping it ends the task.
    task: Mutex<JoinSet<()>>,
}

/// Invalidations, in their order.
#[derive(Debug, Default)]
struct Owing {
    scopes: Vec<Scope>,
    /// For how long nothing is to be stored once they are delivered: the longest that any of them wants.
    settle: Duration,
}

impl Debts {
    fn add(&self, scopes: &[Scope], settle: Duration) {
        let mut owed = self.owed.lock();
        owed.scopes.extend_from_slice(scopes);
        owed.settle = owed.settle.max(settle);
        self.bound(&mut owed.scopes);
    }

    /// Takes back what could not be paid: it is older than what has been added since.
    fn restore(&self, unpaid: Owing) {
        let mut owed = self.owed.lock();
        owed.scopes.splice(0..0, unpaid.scopes);
        owed.settle = owed.settle.max(unpaid.settle);
        self.in_hand.store(0, Ordering::Release);
        self.bound(&mut owed.scopes);
    }

    /// Takes all of them into one hand.
    fn take(&self) -> Owed<'_> {
        let mut owed = self.owed.lock();
        self.in_hand.store(owed.scopes.len(), Ordering::Release);
        Owed { debts: self, owing: std::mem::take(&mut *owed) }
    }

    fn bound(&self, owed: &mut Vec<Scope>) {
        if owed.len() > MAX_DEBTS {
            *owed = widened(std::mem::take(owed));
        }
        if !owed.is_empty() {
            self.any.store(true, Ordering::Release);
        }
    }

    /// What was taken out is delivered.
    fn paid(&self) {
        let owed = self.owed.lock();
        self.in_hand.store(0, Ordering::Release);
        self.any.store(!owed.scopes.is_empty(), Ordering::Release);
        self.said.store(false, Ordering::Release);
    }

    /// Says that an invalidation could not be delivered: aloud once, until all are.
    pub(crate) fn say(&self, error: &Error) {
        if self.said.swap(true, Ordering::AcqRel) {
            tracing::debug!(target: "larder", %error, "another invalidation is not delivered yet");
        } else {
            tracing::warn!(target: "larder", %error, "an invalidation is not delivered yet; it is kept until it is");
        }
    }

    /// Waits until nobody else pays, but not for as long as that may take: a read has little time.
    async fn turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>> {
        if Handle::try_current().is_err() {
            return Ok(self.paying.lock().await);
        }
        tokio::time::timeout(LONGEST_WAIT, self.paying.lock()).await.map_err(|_elapsed| {
            Error::new(
                ErrorKind::Unavailable,
                "the invalidations that the remote store is owed are under way",
            )
        })
    }

    /// How many invalidations are owed.
    pub(crate) fn len(&self) -> usize {
        let owed = self.owed.lock();
        owed.scopes.len() + self.in_hand.load(Ordering::Acquire)
    }
}

/// Fewer scopes that cover `scopes`, in their order: in place of a key the longest prefix around it, then the
/// shortest, which is usually that of its function, and then everything.
fn widened(scopes: Vec<Scope>) -> Vec<Scope> {
    let mut scopes = scopes;
    for prefix_of in [longest as fn(&str) -> Option<&str>, shortest] {
        let mut known = HashSet::new();
        scopes = scopes.into_iter().map(|scope| within(scope, prefix_of)).collect();
        scopes.retain(|scope| known.insert(scope.clone()));
        // Not at the next one again.
        if scopes.len() <= MAX_DEBTS / 2 {
            return scopes;
        }
    }
    vec![Scope::Everything]
}

/// Scopes without a key among them that cover `scopes`.
pub(crate) fn covering(scopes: &[Scope]) -> Vec<Scope> {
    let is_key = |scope: &Scope| match scope {
        Scope::Key(_) => true,
        Scope::Pattern(pattern) => matches!(pattern.reach(), Reach::Key(_)),
        Scope::Tag(_) | Scope::Everything => false,
    };
    scopes.iter().cloned().map(|scope| if is_key(&scope) { within(scope, longest) } else { scope }).collect()
}

fn longest(text: &str) -> Option<&str> {
    levels(text).last()
}

fn shortest(text: &str) -> Option<&str> {
    levels(text).next()
}

/// What covers `scope`, by a prefix around its keys.
fn within(scope: Scope, prefix_of: fn(&str) -> Option<&str>) -> Scope {
    let prefix = match &scope {
        Scope::Key(key) => prefix_of(key.whole()),
        Scope::Pattern(pattern) => match pattern.reach() {
            Reach::Key(text) | Reach::Level(text) => prefix_of(text),
            Reach::Glob => pattern.widened().and_then(prefix_of),
            Reach::Everything => None,
        },
        Scope::Tag(_) | Scope::Everything => return scope,
    };
    prefix.map_or(Scope::Everything, |prefix| Scope::Pattern(Pattern::from(format!("{prefix}*"))))
}

impl Inner {
    /// Moves `scopes` in this process, and makes them a debt to the remote store, which is then to settle for so long.
    pub(crate) fn owe(&self, scopes: &[Scope], settle: Duration) {
        if self.settings.remote.is_some() && !scopes.is_empty() {
            // First: a load that begins after the move must not read the remote copy.
            self.debts.add(scopes, settle);
            self.pay_later();
        }
        self.move_locally(scopes);
    }

    /// Whether the remote store must not be used before [`pay_debts`](Self::pay_debts).
    pub(crate) fn owes(&self) -> bool {
        self.debts.any.load(Ordering::Acquire) && !is_planted(Fault::DebtsForgotten)
    }

    /// Pays the debts to the remote store, in order. Until that is done it must not be used.
    pub(crate) async fn pay_debts(&self, remote: &Guard) -> Result<()> {
        // Neither debts nor names are worth a look while nothing can be done about them.
        remote.ready()?;
        if !self.owes() {
            return Ok(());
        }
        // Boxed, so that who owes nothing carries nothing of it around.
        Box::pin(self.pay(remote)).await
    }

    async fn pay(&self, remote: &Guard) -> Result<()> {
        let _one_at_a_time = self.debts.turn().await?;
        let mut owed = self.debts.take();
        let Owing { scopes, settle } = &owed.owing;
        if scopes.is_empty() {
            // Whoever was before us delivered them.
            return Ok(());
        }
        let around = if settle.is_zero() {
            Around::Nothing
        } else {
            Around::End(Fence { token: random::token(), lasts: *settle })
        };
        self.move_remotely(remote, scopes, around).await?;
        let count = std::mem::take(&mut owed.owing).scopes.len();
        self.debts.paid();
        tracing::info!(target: "larder", count, "the invalidations that were owed are delivered");
        Ok(())
    }

    /// Sees to it that the debts are paid even if nobody uses the store.
    fn pay_later(&self) {
        // Without a runtime the next operation pays.
        let Ok(runtime) = Handle::try_current() else { return };
        if !self.debts.waits.swap(true, Ordering::AcqRel) {
            let payer = Payer { cache: Weak::clone(&self.this) };
            let mut task = self.debts.task.lock();
            while task.try_join_next().is_some() {}
            task.spawn_on(payer.run(), &runtime);
        }
    }
}

/// The task that pays, for as long as there is anything to pay, the cache and the runtime that it was started in.
struct Payer {
    cache: Weak<Inner>,
}

impl Payer {
    async fn run(self) {
        loop {
            tokio::time::sleep(random::up_to(LONGEST_PAUSE)).await;
            let Some(cache) = self.cache.upgrade() else { return };
            let Some(remote) = &cache.settings.remote else { return };
            if cache.pay_debts(remote).await.is_err() {
                continue;
            }
            // Whoever owes something now starts another, or is seen here.
            cache.debts.waits.store(false, Ordering::Release);
            if !cache.debts.any.load(Ordering::Acquire) || cache.debts.waits.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }
}

impl Drop for Payer {
    fn drop(&mut self) {
        // Also if it ends with its runtime.
        if let Some(cache) = self.cache.upgrade() {
            cache.debts.waits.store(false, Ordering::Release);
        }
    }
}

/// Debts that stay debts unless they are paid.
struct Owed<'d> {
    debts: &'d Debts,
    owing: Owing,
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        self.debts.restore(std::mem::take(&mut self.owing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::Tag;

    fn keys(count: usize, key: impl Fn(usize) -> String) -> Vec<Scope> {
        (0..count).map(|number| Scope::from(key(number))).collect()
    }

    #[test]
    fn debts_widen_by_steps_and_are_never_dropped() {
        let debts = Debts::default();
        debts.add(&keys(MAX_DEBTS, |number| format!("user:{number}")), Duration::ZERO);
        assert_eq!(debts.len(), MAX_DEBTS);
        debts.add(&[Scope::Tag(Tag::from("users"))], Duration::ZERO);
        assert_eq!(debts.owed.lock().scopes, ["user:*".into(), Scope::Tag(Tag::from("users"))]);

        let debts = Debts::default();
        debts.add(
            &keys(MAX_DEBTS + 1, |number| format!("user:{}:posts:{number}", number % 100)),
            Duration::ZERO,
        );
        assert_eq!(debts.owed.lock().scopes, keys(100, |number| format!("user:{number}:posts:*")));

        let debts = Debts::default();
        debts.add(&keys(MAX_DEBTS, |number| format!("user:{number}:posts")), Duration::ZERO);
        debts.add(&["team:1:*".into(), "a*b".into()], Duration::ZERO);
        assert_eq!(debts.owed.lock().scopes, ["user:*".into(), "team:*".into(), Scope::Everything]);

        let debts = Debts::default();
        debts.add(&keys(MAX_DEBTS + 1, |number| format!("{number}:{number}")), Duration::ZERO);
        assert_eq!(debts.owed.lock().scopes, [Scope::Everything]);
        let debts = Debts::default();
        debts.add(&keys(MAX_DEBTS + 1, |number| format!("{number}")), Duration::ZERO);
        assert_eq!(debts.owed.lock().scopes, [Scope::Everything]);
    }

    #[test]
    fn what_could_not_be_paid_comes_before_what_was_added_since() {
        let debts = Debts::default();
        debts.add(&["first".into()], Duration::ZERO);
        let owed = debts.take();
        debts.add(&["second".into()], Duration::ZERO);
        assert_eq!(debts.len(), 2);
        drop(owed);
        assert_eq!(debts.owed.lock().scopes, ["first".into(), "second".into()]);
    }

    #[test]
    fn debts_settle_for_as_long_as_the_longest_of_them() {
        let debts = Debts::default();
        let [long, short] = [2, 1].map(Duration::from_secs);
        debts.add(&["first".into()], long);
        let owed = debts.take();
        debts.add(&["second".into()], short);
        drop(owed);
        assert_eq!(debts.owed.lock().settle, long);
        std::mem::take(&mut debts.take().owing);
        assert_eq!(debts.owed.lock().settle, Duration::ZERO, "with the debts it is gone");
    }
}
