//! Reads that are due together leave together: one MGET for what all of them ask, and an answer for each.
//! What they ask and what the answer says is in `asked`; how a batch reaches the server, in `supervisor`.
//!
//! Whoever comes first opens a batch. Whoever comes before it is sent joins it, so that every read happens after its call
//! began; the second of them starts the task that sends it, so that no caller's end or idleness holds up the others. It is
//! sent at the end of this turn of the runtime, when whoever is ready has had his say. Who is still alone by then needs no
//! task, and sends his read himself. Each caller writes its part of the question, and reads its part of the answer, in its
//! own task.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use cache_core::store::{Glimpse, Reading, Readings};
use parking_lot::Mutex;
use tokio::runtime::{Handle, Id};
use tokio::task::yield_now;

use crate::asked::{Answers, Asked, Place, Question};
use crate::error::{Failure, Verdict};
use crate::read::{Look, Seen};
use crate::supervisor::{Budget, Purpose, Supervisor};

/// Reads in one batch, at most: with several batches on their way, client and server work at the same time.
const MOST: usize = 256;

/// How many callers are woken at once: they ask for the next while the server already answers those before them. All at
/// once would ask together again, and the server and they would wait for each other in turn.
const WAVE: usize = 16;

/// The reads over one connection.
#[derive(Default)]
pub(crate) struct Reads {
    open: Mutex<Option<Arc<Batch>>>,
    /// Batches that were sent and not yet answered.
    under_way: AtomicUsize,
}

/// Reads that are, or were, sent together.
struct Batch {
    /// Where its task runs. Nobody from elsewhere waits for it: another runtime may stand still.
    runtime: Id,
    state: Mutex<State>,
}

enum State {
    /// To be sent; and who waits, by place.
    Open(Asked, Vec<Option<Waker>>),
    Sent(Vec<Option<Waker>>),
    Answered(Answers),
    /// What was asked together was refused, perhaps on account of one: each asks for itself.
    Refused,
    Failed(Failure),
}

impl Supervisor {
    /// What `look` sees, which leaves with those that are due together with it.
    pub(crate) async fn read(self: &Arc<Self>, budget: Budget, look: &Look<'_>) -> Result<Seen, Failure> {
        let (batch, place) = self.join(look, || look.scopes.into());
        if place.name == 0 {
            // Boxed, so that reads which leave together carry nothing of it around.
            let opened = Box::pin(self.lead(budget, &batch)).await;
            if let Some(answers) = opened {
                return answers?.seen(place, look.claim);
            }
        }
        let see = |answers: &mut Answers| answers.seen(place, look.claim);
        if let Some(seen) = poll_fn(|context| batch.poll(place.name, context, see)).await? {
            return Ok(seen);
        }
        let again = async {
            let mut asked = Asked::default();
            let place = asked.add(look);
            self.read_alone(budget, asked).await?.seen(place, look.claim)
        };
        Box::pin(again).await
    }

    /// What is under `name`, as [`read`](Self::read) sees it; nothing where it takes more than a look.
    pub(crate) fn glance(self: &Arc<Self>, name: &str, scopes: &Arc<[String]>) -> Reading<'_> {
        let look = Look { name, scopes, claim: None, timed: false };
        let (batch, place) = self.join(&look, || Arc::clone(scopes));
        if place.name > 0 {
            return Reading::among(batch, place.name);
        }
        let budget = self.budget(Purpose::Read);
        Reading::alone(async move {
            match self.lead(budget, &batch).await {
                Some(answers) => Ok(answers?.glance(place.name)?),
                None => poll_fn(|context| batch.poll_answer(place.name, context)).await,
            }
        })
    }

    /// What whoever has opened `batch` does: if nobody has joined it at the end of this turn of the runtime, all that is
    /// asked is asked at once.
    async fn lead(self: &Arc<Self>, budget: Budget, batch: &Batch) -> Option<Result<Answers, Failure>> {
        turn().await;
        let asked = batch.depart_alone()?;
        Some(self.read_alone(budget, asked).await)
    }

    /// The answers to what is `asked` for one caller, under way by itself.
    async fn read_alone(self: &Arc<Self>, budget: Budget, asked: Asked) -> Result<Answers, Failure> {
        let _under_way = UnderWay::of(&self.reads().under_way);
        self.read_all(budget, asked).await
    }

    /// The answers to all that is `asked`, in one round trip.
    pub(crate) async fn read_all(self: &Arc<Self>, budget: Budget, asked: Asked) -> Result<Answers, Failure> {
        let Question { calls, places } = asked.question();
        let replies = self.ask(budget, &calls).await?;
        drop(calls);
        asked.answers(places, replies)
    }

    /// Joins the batch that is open, or opens one. `scopes` are those of the look, to be kept.
    fn join(
        self: &Arc<Self>,
        look: &Look<'_>,
        scopes: impl FnOnce() -> Arc<[String]>,
    ) -> (Arc<Batch>, Place) {
        let runtime = Handle::current();
        let mut open = self.reads().open.lock();
        if let Some(batch) = open.as_ref().filter(|batch| batch.runtime == runtime.id())
            && let State::Open(asked, _) = &mut *batch.state.lock()
            && asked.reads() < MOST
        {
            let place = asked.add_under(look, scopes);
            if place.name == 1 {
                let sending = Sending { supervisor: Arc::clone(self), batch: Arc::clone(batch) };
                runtime.spawn(sending.run(self.budget(Purpose::Read)));
            }
            return (Arc::clone(batch), place);
        }
        let mut asked = Asked::default();
        let place = asked.add_under(look, scopes);
        let state = Mutex::new(State::Open(asked, Vec::new()));
        let batch = Arc::new(Batch { runtime: runtime.id(), state });
        *open = Some(Arc::clone(&batch));
        (batch, place)
    }
}

/// Ends in the next turn of the runtime.
async fn turn() {
    let mut is_next = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_next, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Reads {
    /// Lets nobody join `batch` any more.
    fn close(&self, batch: &Arc<Batch>) {
        let mut open = self.open.lock();
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, batch)) {
            *open = None;
        }
    }
}

impl Readings for Batch {
    fn poll_answer(
        &self,
        number: usize,
        context: &mut Context<'_>,
    ) -> Poll<cache_core::Result<Option<Glimpse>>> {
        // What was refused together each asks for itself, as whoever sees nothing does.
        self.poll(number, context, |answers| answers.glance(number)).map(|seen| Ok(seen?.flatten()))
    }
}

impl Batch {
    /// What is to be seen of the `answers` by the read with this number; nothing if all that was asked together was refused.
    fn poll<T>(
        &self,
        number: usize,
        context: &Context<'_>,
        see: impl FnOnce(&mut Answers) -> Result<T, Failure>,
    ) -> Poll<Result<Option<T>, Failure>> {
        match &mut *self.state.lock() {
            State::Open(_, waiting) | State::Sent(waiting) => {
                let waker = Some(context.waker().clone());
                if let Some(place) = waiting.get_mut(number) {
                    *place = waker;
                } else {
                    waiting.resize(number, None);
                    waiting.push(waker);
                }
                Poll::Pending
            }
            State::Answered(answers) => Poll::Ready(see(answers).map(Some)),
            State::Refused => Poll::Ready(Ok(None)),
            State::Failed(failure) => Poll::Ready(Err(failure.clone())),
        }
    }

    /// What is asked, from now on under way.
    fn depart(&self) -> Asked {
        let mut state = self.state.lock();
        let State::Open(asked, waiting) = &mut *state else { return Asked::default() };
        let (asked, waiting) = (std::mem::take(asked), std::mem::take(waiting));
        *state = State::Sent(waiting);
        asked
    }

    /// What is asked, from now on under way, if that is one read.
    fn depart_alone(&self) -> Option<Asked> {
        let mut state = self.state.lock();
        let State::Open(asked, _) = &mut *state else { return None };
        let asked = (asked.reads() == 1).then(|| std::mem::take(asked))?;
        *state = State::Sent(Vec::new());
        Some(asked)
    }

    /// Notes how it ended, unless that is known: who is to be woken.
    fn arrive(&self, end: State) -> Waiting {
        let mut state = self.state.lock();
        match &mut *state {
            State::Open(_, waiting) | State::Sent(waiting) => {
                let waiting = std::mem::take(waiting);
                *state = end;
                Waiting(waiting)
            }
            State::Answered(_) | State::Refused | State::Failed(_) => Waiting(Vec::new()),
        }
    }
}

/// Who waits for an answer that is there. Dropped, it wakes all of them.
struct Waiting(Vec<Option<Waker>>);

impl Waiting {
    /// Wakes them one wave after the other.
    async fn wake(mut self) {
        while self.0.len() > WAVE {
            self.0.drain(..WAVE).flatten().for_each(Waker::wake);
            yield_now().await;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.drain(..).flatten().for_each(Waker::wake);
    }
}

/// The task that sends a batch.
struct Sending {
    supervisor: Arc<Supervisor>,
    batch: Arc<Batch>,
}

impl Sending {
    async fn run(self, budget: Budget) {
        let reads = self.supervisor.reads();
        if reads.under_way.load(Ordering::Relaxed) > 0 {
            yield_now().await;
        }
        reads.close(&self.batch);
        let asked = self.batch.depart();
        let together = asked.reads() > 1;
        let Question { calls, places } = asked.question();
        let replies = {
            let _under_way = UnderWay::of(&reads.under_way);
            self.supervisor.ask(budget, &calls).await
        };
        drop(calls);
        let end = match replies.map(|replies| asked.answers(places, replies)) {
            Ok(Ok(answers)) => State::Answered(answers),
            Ok(Err(failure)) if failure.connection == Verdict::Keep && together => State::Refused,
            Ok(Err(failure)) | Err(failure) => State::Failed(failure),
        };
        self.batch.arrive(end).wake().await;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Unless it has arrived its runtime has ended.
        self.supervisor.reads().close(&self.batch);
        drop(self.batch.arrive(State::Failed(Failure::abandoned())));
    }
}

/// Counts a batch out, however it ends.
struct UnderWay<'r>(&'r AtomicUsize);

impl<'r> UnderWay<'r> {
    fn of(counter: &'r AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_woken_in_waves_and_all_of_them_even_if_the_task_ends() {
        struct Woken(AtomicUsize);

        impl std::task::Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waiting = Waiting(vec![Some(Waker::from(Arc::clone(&woken))); 3 * WAVE + 1]);
        let mut waking = Box::pin(waiting.wake());
        for wave in 1..=2 {
            assert!(waking.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(woken.0.load(Ordering::Relaxed), wave * WAVE);
        }
        drop(waking);
        assert_eq!(woken.0.load(Ordering::Relaxed), 3 * WAVE + 1);
    }
}
