//! One primary of a cluster, behind a breaker of its own: in trouble it is left alone, and the others are not.
//! What the cluster as a whole is worth is for the cache to find out; which shard is asked is decided in `cluster`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cache_core::ErrorKind;
use cache_core::store::{Breaker, Change, NodeHealth, Outcome, Refused};
use redis::Value;
use tokio::time::sleep;

use crate::error::Failure;
use crate::random;
use crate::script::{Call, PROBE};
use crate::supervisor::{Budget, Purpose, Supervisor};

/// The longest pause between two looks whether it is back.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A primary, as it is asked.
pub(crate) struct Shard {
    supervisor: Arc<Supervisor>,
    breaker: Breaker,
    /// Whether a task looks whether it is back.
    watched: AtomicBool,
}

impl Shard {
    pub(crate) fn new(supervisor: Supervisor) -> Self {
        let supervisor = Arc::new(supervisor);
        Self { supervisor, breaker: Breaker::default(), watched: AtomicBool::new(false) }
    }

    /// Its connection, whatever the breaker thinks: for what is nobody's operation.
    pub(crate) fn supervisor(&self) -> &Arc<Supervisor> {
        &self.supervisor
    }

    /// Sends `calls` in one round trip, if it may be asked.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        budget: Budget,
        calls: &[Call<'_>],
    ) -> Result<Vec<Value>, Failure> {
        let matters = budget.purpose() == Purpose::Invalidate;
        let passage = self.breaker.enter(matters).map_err(|why| match why {
            Refused::Open => {
                // The runtime that carried the task may have ended.
                self.watch();
                Failure::left_alone(self.supervisor.server())
            }
            Refused::Full => Failure::crowded(self.supervisor.server()),
        })?;
        let answer = self.supervisor.ask(budget, calls).await;
        if let Some(change) = passage.end(outcome(&answer)) {
            self.announce(change);
        }
        answer
    }

    /// How it is, to somebody who has just asked for `answer`.
    pub(crate) fn health(&self, answer: Result<(), &Failure>) -> NodeHealth {
        let mut health = NodeHealth::default();
        self.supervisor.server().clone_into(&mut health.address);
        health.trouble = answer.err().map(|failure| failure.text.to_string());
        health.breaker_open = self.breaker.is_open();
        health.room = self.breaker.room();
        health
    }

    fn announce(self: &Arc<Self>, change: Change) {
        let node = self.supervisor.server();
        match change {
            Change::Opened => {
                tracing::warn!(target: "larder", node, "a node of the cluster is left alone until it answers again");
                self.watch();
            }
            Change::Crowded => {
                tracing::warn!(target: "larder", node, "a node of the cluster is asked for more than it does: some of it is skipped");
            }
            Change::Relieved => {
                tracing::info!(target: "larder", node, "a node of the cluster is asked for everything again");
            }
        }
    }

    /// Looks whether it is back, in a task of its own, unless that is being done.
    fn watch(self: &Arc<Self>) {
        if !self.watched.swap(true, Ordering::AcqRel) {
            tokio::spawn(Watch(Arc::downgrade(self)).run());
        }
    }
}

/// The task that waits for a shard to come back, for as long as it is one of the cluster.
struct Watch(Weak<Shard>);

impl Watch {
    async fn run(self) {
        loop {
            sleep(random::up_to(LONGEST_PAUSE)).await;
            let Some(shard) = self.0.upgrade() else { return };
            let supervisor = &shard.supervisor;
            let probe = Call::script(&PROBE, Vec::new(), Vec::new());
            let answer = supervisor.ask(supervisor.budget(Purpose::News), &[probe]).await;
            if outcome(&answer) == Outcome::Answered {
                shard.breaker.close();
                let node = supervisor.server();
                tracing::info!(target: "larder", node, "a node of the cluster answers again");
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(shard) = self.0.upgrade() {
            shard.watched.store(false, Ordering::Release);
        }
    }
}

/// What an answer says about the shard.
fn outcome(answer: &Result<Vec<Value>, Failure>) -> Outcome {
    let kind = match answer {
        Err(failure) => Some(failure.kind),
        Ok(replies) => replies.iter().find_map(refusal),
    };
    match kind {
        None => Outcome::Answered,
        Some(ErrorKind::Timeout) => Outcome::Late,
        Some(_) => Outcome::Failed,
    }
}

/// The kind of a refusal that is the node's own: not that another has the slot, and not of this one call.
fn refusal(reply: &Value) -> Option<ErrorKind> {
    let Value::ServerError(error) = reply else { return None };
    let of_the_cluster = matches!(error.code(), "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN");
    let kind = Failure::refused(error).kind;
    (!of_the_cluster && matches!(kind, ErrorKind::Unavailable | ErrorKind::Denied)).then_some(kind)
}
