//! Reads of a cluster that are due together leave together: those of one node, with the generations that they need, in
//! one round trip. What is asked there, and what the answers mean, is in `apart`.
//!
//! As in `batch`, which does the same over one connection: whoever comes first opens a crowd and starts the task that sends
//! it, whoever comes before it is sent joins it, and no caller's end ends it. Names of one node have no command in common, as they
//! have different slots; so what they share is the round trip. A crowd is of one node, so that nobody waits for another.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cache_core::store::{Claim, Fetched};
use parking_lot::Mutex;
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::apart::Glance;
use crate::cluster::Cluster;
use crate::error::Failure;
use crate::read::Look;
use crate::slots::Node;
use crate::supervisor::{Budget, Purpose};

/// Reads in one crowd, at most: with several of them on their way, client and server work at the same time.
const MOST: usize = 64;

/// The reads of a cluster that are not sent yet, by the node that has the name.
#[derive(Default)]
pub(crate) struct Crowds {
    open: Mutex<HashMap<Node, Arc<Crowd>>>,
    /// Crowds that were sent and not yet answered.
    under_way: AtomicUsize,
}

/// Reads that are, or were, sent together.
struct Crowd {
    /// Where its task runs. Nobody from elsewhere waits for it: another runtime may stand still.
    runtime: Id,
    /// Nothing once they are sent.
    waiting: Mutex<Option<Vec<Waiting>>>,
}

/// A read that waits for its answer.
struct Waiting {
    look: Owned,
    answer: oneshot::Sender<Result<Glance, Failure>>,
}

/// A look that outlives its caller.
struct Owned {
    name: String,
    scopes: Vec<String>,
    claim: Option<(Claim<'static>, Option<Vec<u8>>)>,
    timed: bool,
}

impl Cluster {
    /// What is under a name, asked for together with others that are due.
    pub(crate) async fn fetch(self: &Arc<Self>, look: Look<'_>) -> Result<Fetched, Failure> {
        let budget = self.budget(Purpose::Read);
        let node = self.place_of(budget, look.name).await?;
        let answer = self.join(budget, node, &look);
        let glance = answer.await.unwrap_or_else(|_ended| Err(Failure::abandoned()))?;
        match glance.whole() {
            Ok(fetched) => Ok(fetched),
            // Boxed, so that a hit carries nothing of it around.
            Err(glance) => {
                let settled = Box::pin(self.settle(budget, &[look], vec![Ok(glance)])).await?.pop();
                settled.unwrap_or_else(|| Err(Failure::unexpected()))
            }
        }
    }

    /// Joins the crowd of `node` that is open, or opens one.
    fn join(
        self: &Arc<Self>,
        budget: Budget,
        node: Node,
        look: &Look<'_>,
    ) -> oneshot::Receiver<Result<Glance, Failure>> {
        let runtime = Handle::current();
        let (answer, receiver) = oneshot::channel();
        let joins = Waiting { look: Owned::of(look), answer };
        let mut open = self.crowds().open.lock();
        if let Some(crowd) = open.get(&node).filter(|crowd| crowd.runtime == runtime.id())
            && let Some(waiting) = crowd.waiting.lock().as_mut().filter(|waiting| waiting.len() < MOST)
        {
            waiting.push(joins);
            return receiver;
        }
        let crowd = Arc::new(Crowd { runtime: runtime.id(), waiting: Mutex::new(Some(vec![joins])) });
        open.insert(node.clone(), Arc::clone(&crowd));
        drop(open);
        runtime.spawn(Sending { cluster: Arc::clone(self), node, crowd }.run(budget));
        receiver
    }
}

/// The task that sends a crowd.
struct Sending {
    cluster: Arc<Cluster>,
    node: Node,
    crowd: Arc<Crowd>,
}

impl Sending {
    async fn run(self, budget: Budget) {
        let crowds = self.cluster.crowds();
        if crowds.under_way.load(Ordering::Relaxed) > 0 {
            yield_now().await;
        }
        let waiting = self.depart();
        let glances = {
            let claims: Vec<Option<Claim<'_>>> = waiting.iter().map(|waiting| waiting.look.claim()).collect();
            let looks = waiting.iter().zip(&claims).map(|(Waiting { look, .. }, claim)| Look {
                name: &look.name,
                scopes: &look.scopes,
                claim: claim.as_ref(),
                timed: look.timed,
            });
            let _under_way = UnderWay::of(&crowds.under_way);
            self.cluster.glance(budget, &looks.collect::<Vec<_>>()).await
        };
        match glances {
            Ok(glances) => {
                for (Waiting { answer, .. }, glance) in waiting.into_iter().zip(glances) {
                    // Whoever has gone needs no answer.
                    let _ = answer.send(glance);
                }
            }
            Err(failure) => {
                for Waiting { answer, .. } in waiting {
                    let _ = answer.send(Err(failure.clone()));
                }
            }
        }
    }

    /// Who is in the crowd, which nobody joins any more.
    fn depart(&self) -> Vec<Waiting> {
        let mut open = self.cluster.crowds().open.lock();
        if open.get(&self.node).is_some_and(|crowd| Arc::ptr_eq(crowd, &self.crowd)) {
            open.remove(&self.node);
        }
        drop(open);
        self.crowd.waiting.lock().take().unwrap_or_default()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // If its runtime has ended before it was sent.
        drop(self.depart());
    }
}

/// Counts a crowd out, however it ends.
struct UnderWay<'c>(&'c AtomicUsize);

impl<'c> UnderWay<'c> {
    fn of(counter: &'c AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Owned {
    fn of(look: &Look<'_>) -> Self {
        let claim = look.claim.map(|claim| {
            let Claim { token, lease, reject, yields } = *claim;
            (Claim { token, lease, reject: None, yields }, reject.map(<[u8]>::to_vec))
        });
        Self { name: look.name.to_owned(), scopes: look.scopes.to_vec(), claim, timed: look.timed }
    }

    fn claim(&self) -> Option<Claim<'_>> {
        let (claim, reject) = self.claim.as_ref()?;
        Some(Claim { reject: reject.as_deref(), ..*claim })
    }
}
