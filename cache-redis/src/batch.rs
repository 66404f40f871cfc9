//! Reads that are due together leave together: one MGET for what all of them ask, and an answer for each.
//! What a read asks and what its answer means is in `read`; how a batch reaches the server, in `supervisor`.
//!
//! Whoever comes first opens a batch. Whoever comes before it is sent joins it, so that every read happens after its call
//! began; the second of them starts the task that sends it, so that no caller's end or idleness holds up the others. It is
//! sent at the end of this turn of the runtime, when whoever is ready has had his say. Who is still alone by then needs no
//! task, and sends his read himself. Each caller writes its part of the question, and reads its part of the answer, in its
//! own task.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cache_core::store::{Claim, Fetched, Reading, Readings, Token};
use parking_lot::Mutex;
use redis::Value;
use tokio::runtime::{Handle, Id};
use tokio::task::yield_now;

use crate::error::{Failure, Verdict};
use crate::read::{Answer, Look, Seen, answered, glimpse, lease};
use crate::script::Call;
use crate::supervisor::{Budget, Purpose, Supervisor};

/// Reads in one batch, at most: with several batches on their way, client and server work at the same time.
const MOST: usize = 128;

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

/// What several reads ask together.
#[derive(Default)]
pub(crate) struct Asked {
    names: Texts,
    /// The places of those names whose time to live is asked for.
    timed: Vec<usize>,
    /// Each scope once, and its place.
    scopes: HashMap<String, usize>,
    /// The places of the scopes of a read. Reads in a row that have the same share them.
    lists: Vec<Vec<usize>>,
    /// The scopes of the last of these.
    last: Vec<String>,
    /// The number of the list of each name.
    list_of: Vec<usize>,
    /// The first claim, and the place of its name. A server that is no primary refuses it, whatever else it still answers.
    claim: Option<(usize, Token, Duration)>,
}

/// Texts in one piece of memory.
#[derive(Default)]
struct Texts {
    text: String,
    ends: Vec<usize>,
}

/// Where the answer to one read stands.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    name: usize,
    /// Nowhere, if the time to live is not asked for.
    ttl: Option<usize>,
}

/// What the server answered to several reads.
pub(crate) struct Answers {
    ttls: Vec<Value>,
    names: usize,
    /// The values, and after them the generations.
    held: Vec<Value>,
    lists: Vec<Vec<usize>>,
    list_of: Vec<usize>,
    lease: Option<(usize, Value)>,
}

impl Supervisor {
    /// What `look` sees, which leaves with those that are due together with it.
    pub(crate) async fn read(self: &Arc<Self>, budget: Budget, look: &Look<'_>) -> Result<Seen, Failure> {
        let (batch, place) = self.join(look);
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
            self.read_alone(budget, &asked).await?.seen(place, look.claim)
        };
        Box::pin(again).await
    }

    /// What is under `name`, as [`read`](Self::read) sees it; nothing where it takes more than a look.
    pub(crate) fn glance(self: &Arc<Self>, name: &str, scopes: &[String]) -> Reading<'_> {
        let (batch, place) = self.join(&Look { name, scopes, claim: None, timed: false });
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
        Some(self.read_alone(budget, &asked).await)
    }

    /// The answers to what is `asked` for one caller, under way by itself.
    async fn read_alone(self: &Arc<Self>, budget: Budget, asked: &Asked) -> Result<Answers, Failure> {
        let _under_way = UnderWay::of(&self.reads().under_way);
        self.read_all(budget, asked).await
    }

    /// The answers to all that is `asked`, in one round trip.
    pub(crate) async fn read_all(
        self: &Arc<Self>,
        budget: Budget,
        asked: &Asked,
    ) -> Result<Answers, Failure> {
        asked.answers(self.ask(budget, &asked.calls()).await?)
    }

    /// Joins the batch that is open, or opens one.
    fn join(self: &Arc<Self>, look: &Look<'_>) -> (Arc<Batch>, Place) {
        let runtime = Handle::current();
        let mut open = self.reads().open.lock();
        if let Some(batch) = open.as_ref().filter(|batch| batch.runtime == runtime.id())
            && let State::Open(asked, waiting) = &mut *batch.state.lock()
            && asked.names.len() < MOST
        {
            waiting.push(None);
            let place = asked.add(look);
            if place.name == 1 {
                let sending = Sending { supervisor: Arc::clone(self), batch: Arc::clone(batch) };
                runtime.spawn(sending.run(self.budget(Purpose::Read)));
            }
            return (Arc::clone(batch), place);
        }
        let mut asked = Asked::default();
        let place = asked.add(look);
        let state = Mutex::new(State::Open(asked, vec![None]));
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
    fn poll_answer(&self, number: usize, context: &mut Context<'_>) -> Poll<cache_core::Result<Fetched>> {
        self.poll(number, context, |answers| answers.glance(number)).map(|fetched| {
            // Refused together: each asks for itself, and whoever finds nothing does.
            Ok(fetched?.unwrap_or_default())
        })
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
                waiting[number] = Some(context.waker().clone());
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
        let asked = (asked.names.len() == 1).then(|| std::mem::take(asked))?;
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
        let replies = {
            let _under_way = UnderWay::of(&reads.under_way);
            self.supervisor.ask(budget, &asked.calls()).await
        };
        let end = match replies.map(|replies| asked.answers(replies)) {
            Ok(Ok(answers)) => State::Answered(answers),
            Ok(Err(failure)) if failure.connection == Verdict::Keep && asked.names.len() > 1 => {
                State::Refused
            }
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

impl Texts {
    /// Adds `text`: its place.
    fn push(&mut self, text: &str) -> usize {
        self.text.push_str(text);
        self.ends.push(self.text.len());
        self.ends.len() - 1
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|place| self.at(place))
    }

    fn at(&self, place: usize) -> &str {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.text[start..self.ends[place]]
    }
}

impl Asked {
    /// Adds `look`.
    pub(crate) fn add(&mut self, look: &Look<'_>) -> Place {
        let name = self.names.push(look.name);
        let ttl = look.timed.then(|| {
            self.timed.push(name);
            self.timed.len() - 1
        });
        if let (None, Some(claim)) = (&self.claim, look.claim) {
            self.claim = Some((name, claim.token, claim.lease));
        }
        if self.lists.is_empty() || self.last != look.scopes {
            let places = look.scopes.iter().map(|scope| {
                let next = self.scopes.len();
                match self.scopes.get(scope) {
                    Some(place) => *place,
                    None => *self.scopes.entry(scope.clone()).or_insert(next),
                }
            });
            self.lists.push(places.collect());
            self.last = look.scopes.to_vec();
        }
        self.list_of.push(self.lists.len() - 1);
        Place { name, ttl }
    }

    /// How many answers there are to its [`calls`](Self::calls).
    pub(crate) fn len(&self) -> usize {
        self.timed.len() + 1 + usize::from(self.claim.is_some())
    }

    /// The commands: the times to live, then what is held, then the claim.
    pub(crate) fn calls(&self) -> Vec<Call<'_>> {
        let mut keys: Vec<&str> = Vec::with_capacity(self.names.len() + self.scopes.len());
        keys.extend(self.names.iter());
        keys.resize(keys.len() + self.scopes.len(), "");
        for (scope, place) in &self.scopes {
            keys[self.names.len() + place] = scope;
        }
        let mut calls = Vec::with_capacity(self.len());
        calls.extend(
            self.timed.iter().map(|name| Call::command("PTTL", vec![self.names.at(*name)], Vec::new())),
        );
        calls.push(Call::command("MGET", keys, Vec::new()));
        calls.extend(
            self.claim.as_ref().map(|(place, token, time)| lease(self.names.at(*place), token, *time)),
        );
        calls
    }

    /// What the next of `replies` say.
    pub(crate) fn next_answers(&self, replies: &mut impl Iterator<Item = Value>) -> Result<Answers, Failure> {
        self.answers(replies.take(self.len()).collect())
    }

    fn answers(&self, mut replies: Vec<Value>) -> Result<Answers, Failure> {
        let names = self.names.len();
        if replies.len() != self.len() {
            return Err(Failure::unexpected());
        }
        let lease = self.claim.as_ref().map(|(place, ..)| (*place, replies.pop().unwrap_or_default()));
        if let Some((_, Value::ServerError(error))) = &lease {
            let failure = Failure::refused(error);
            // A server that became a replica is not read from, not even what it still has.
            if failure.connection == Verdict::Replace {
                return Err(failure);
            }
        }
        match answered(replies.pop().unwrap_or_default())? {
            Value::Array(held) if held.len() == names + self.scopes.len() => {
                let (lists, list_of) = (self.lists.clone(), self.list_of.clone());
                Ok(Answers { ttls: replies, names, held, lists, list_of, lease })
            }
            _ => Err(Failure::unexpected()),
        }
    }
}

impl Answers {
    /// What the look at `place` sees, which has this `claim`: a value for the first who asks for it.
    pub(crate) fn seen(&mut self, place: Place, claim: Option<&Claim<'_>>) -> Result<Seen, Failure> {
        let answer = Answer {
            ttl: place.ttl.map(|ttl| std::mem::take(&mut self.ttls[ttl])),
            value: std::mem::take(&mut self.held[place.name]),
            lease: self.lease.take_if(|(name, _)| *name == place.name).map(|(_, lease)| lease),
        };
        answer.seen(claim, self.generations(place.name))
    }

    /// The value with this number, and its generations, if that is what is there; nothing if it is anything else.
    fn glance(&mut self, number: usize) -> Result<Fetched, Failure> {
        let value = std::mem::take(&mut self.held[number]);
        glimpse(value, self.generations(number))
    }

    fn generations(&self, number: usize) -> impl ExactSizeIterator<Item = &Value> {
        self.lists[self.list_of[number]].iter().map(|scope| &self.held[self.names + scope])
    }
}

#[cfg(test)]
mod tests {
    use cache_core::store::Generation;

    use super::*;

    fn look<'a>(name: &'a str, scopes: &'a [String]) -> Look<'a> {
        Look { name, scopes, claim: None, timed: true }
    }

    fn asked(looks: &[Look<'_>]) -> (Asked, Vec<Place>) {
        let mut asked = Asked::default();
        let places = looks.iter().map(|look| asked.add(look)).collect();
        (asked, places)
    }

    #[test]
    fn everybody_gets_his_own_out_of_one_answer() {
        let scopes = ["all", "users", "posts"].map(str::to_owned);
        let looks = [look("a", &scopes[..2]), look("b", &[]), look("c", &scopes[1..])];
        let (asked, places) = asked(&looks);
        assert_eq!(asked.calls().len(), 3 + 1, "three times to live, and one MGET");
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let held = ["Va", "Vb", "Vc", "11111111", "22222222", "33333333"].map(text).to_vec();
        let mut replies: Vec<Value> = (1..=3).map(Value::Int).collect();
        replies.push(Value::Array(held));
        let mut answers = asked.answers(replies).expect("an answer of the right form");
        let wanted =
            [(1, "a", &["11111111", "22222222"][..]), (2, "b", &[]), (3, "c", &["22222222", "33333333"])];
        // In whatever order they come for it.
        for at in [2, 0, 1] {
            let (time, value, generations) = wanted[at];
            let found = Fetched {
                value: Some(value.into()),
                ttl: Duration::from_millis(time),
                generations: generations
                    .iter()
                    .map(|text| Generation(text.as_bytes().try_into().unwrap()))
                    .collect(),
                ..Fetched::default()
            };
            assert_eq!(answers.seen(places[at], None).ok(), Some(Seen::Found(found)));
        }
    }

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

    #[test]
    fn an_answer_of_another_form_is_an_error_and_no_panic() {
        let scopes = ["all".to_owned()];
        let (asked, _) = asked(&[look("a", &scopes), look("b", &scopes)]);
        let time = || Value::Int(1);
        for replies in [
            vec![],
            vec![time(), time()],
            vec![time(), time(), Value::Nil],
            vec![time(), time(), Value::Array(vec![Value::Nil; 2])],
            vec![time(), time(), Value::Array(vec![Value::Nil; 4])],
            vec![time(), time(), Value::Array(vec![Value::Nil; 3]), Value::Okay],
        ] {
            assert!(asked.answers(replies.clone()).is_err(), "{replies:?}");
        }
    }
}
