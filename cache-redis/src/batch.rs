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
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cache_core::store::{Claim, Generation, Glimpse, Reading, Readings, Token};
use parking_lot::Mutex;
use redis::Value;
use tokio::runtime::{Handle, Id};
use tokio::task::yield_now;

use crate::error::{Failure, Verdict};
use crate::read::{Answer, Look, Seen, all, answered, lease, value};
use crate::script::Call;
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

/// What several reads ask together.
#[derive(Default)]
pub(crate) struct Asked {
    /// The names, one after the other.
    names: String,
    reads: Vec<Part>,
    /// The places of those names whose time to live is asked for.
    timed: Vec<usize>,
    /// The scopes of the reads. Those in a row that have the same share them.
    scopes: Vec<Arc<[String]>>,
    /// How many these are.
    count: usize,
    /// The first claim, and the place of its name. A server that is no primary refuses it, whatever else it still answers.
    claim: Option<(usize, Token, Duration)>,
}

/// What one read asks.
struct Part {
    /// The end of its name, which begins where the name before it ends.
    name: usize,
    /// The places of its scopes among those of all.
    scopes: Range<usize>,
}

/// The commands of a batch.
pub(crate) struct Question<'a> {
    pub(crate) calls: Vec<Call<'a>>,
    /// Where the generation of each scope stands, counted from the first of them: each is asked for once.
    pub(crate) places: Vec<usize>,
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
    /// The values, and after them the generations.
    held: Vec<Value>,
    reads: Vec<Part>,
    /// Where the generation of each scope stands, counted from the first of them.
    places: Vec<usize>,
    lease: Option<(usize, Value)>,
    /// Those of the last glance: the next one has mostly the same.
    last: Option<Known>,
}

/// Generations that were read out of an answer.
struct Known {
    /// Which ones, as in [`Part`].
    scopes: Range<usize>,
    /// Nothing, if one of them is missing.
    generations: Option<Arc<[Generation]>>,
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
            && asked.reads.len() < MOST
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
        let asked = (asked.reads.len() == 1).then(|| std::mem::take(asked))?;
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
        let together = asked.reads.len() > 1;
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

impl Asked {
    /// Adds `look`.
    pub(crate) fn add(&mut self, look: &Look<'_>) -> Place {
        self.add_under(look, || look.scopes.into())
    }

    /// Adds `look`, whose scopes can be had from `scopes` to be kept.
    fn add_under(&mut self, look: &Look<'_>, scopes: impl FnOnce() -> Arc<[String]>) -> Place {
        let name = self.reads.len();
        let ttl = look.timed.then(|| {
            self.timed.push(name);
            self.timed.len() - 1
        });
        if let (None, Some(claim)) = (&self.claim, look.claim) {
            self.claim = Some((name, claim.token, claim.lease));
        }
        let is_last = |list: &Arc<[String]>| {
            let list: &[String] = list;
            std::ptr::eq(list, look.scopes) || *list == *look.scopes
        };
        if !self.scopes.last().is_some_and(is_last) {
            self.scopes.push(scopes());
            self.count += look.scopes.len();
        }
        self.names.push_str(look.name);
        let scopes = self.count - look.scopes.len()..self.count;
        self.reads.push(Part { name: self.names.len(), scopes });
        Place { name, ttl }
    }

    /// How many answers there are to its [`question`](Self::question).
    pub(crate) fn len(&self) -> usize {
        self.timed.len() + 1 + usize::from(self.claim.is_some())
    }

    /// The commands: the times to live, then what is held, then the claim.
    pub(crate) fn question(&self) -> Question<'_> {
        let mut keys: Vec<&str> = Vec::with_capacity(self.reads.len() + self.count);
        keys.extend((0..self.reads.len()).map(|place| self.name(place)));
        let places = self.add_scopes(&mut keys);
        let mut calls = Vec::with_capacity(self.len());
        calls.extend(self.timed.iter().map(|name| Call::command("PTTL", vec![self.name(*name)], Vec::new())));
        calls.push(Call::command("MGET", keys, Vec::new()));
        calls.extend(self.claim.as_ref().map(|(place, token, time)| lease(self.name(*place), token, *time)));
        Question { calls, places }
    }

    fn name(&self, place: usize) -> &str {
        let start = if place == 0 { 0 } else { self.reads[place - 1].name };
        &self.names[start..self.reads[place].name]
    }

    /// Adds each scope once to `keys`: where those of the lists are among these.
    fn add_scopes<'a>(&'a self, keys: &mut Vec<&'a str>) -> Vec<usize> {
        let all = self.scopes.iter().flat_map(|list| list.iter()).map(String::as_str);
        // Most batches ask under one list.
        if self.scopes.len() == 1 {
            keys.extend(all);
            return (0..self.count).collect();
        }
        let first = keys.len();
        let mut known = HashMap::new();
        let place = |scope| {
            *known.entry(scope).or_insert_with(|| {
                keys.push(scope);
                keys.len() - 1 - first
            })
        };
        all.map(place).collect()
    }

    /// What the `replies` to its [`question`](Self::question) say.
    pub(crate) fn answers(self, places: Vec<usize>, mut replies: Vec<Value>) -> Result<Answers, Failure> {
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
        let scopes = places.iter().max().map_or(0, |last| last + 1);
        match answered(replies.pop().unwrap_or_default())? {
            Value::Array(held) if held.len() == self.reads.len() + scopes => {
                Ok(Answers { ttls: replies, held, reads: self.reads, places, lease, last: None })
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
    fn glance(&mut self, number: usize) -> Result<Option<Glimpse>, Failure> {
        let Some(value) = value(std::mem::take(&mut self.held[number]))? else { return Ok(None) };
        let generations = self.shared_generations(number)?;
        Ok(generations.map(|generations| Glimpse { value, generations }))
    }

    fn shared_generations(&mut self, number: usize) -> Result<Option<Arc<[Generation]>>, Failure> {
        let scopes = &self.reads[number].scopes;
        if let Some(last) = &self.last
            && last.scopes == *scopes
        {
            return Ok(last.generations.clone());
        }
        let generations = all(self.generations(number))?.map(Arc::from);
        self.last = Some(Known { scopes: scopes.clone(), generations: generations.clone() });
        Ok(generations)
    }

    fn generations(&self, number: usize) -> impl ExactSizeIterator<Item = &Value> {
        let places = &self.places[self.reads[number].scopes.clone()];
        places.iter().map(|place| &self.held[self.reads.len() + place])
    }
}

#[cfg(test)]
mod tests {
    use cache_core::store::Fetched;

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
        let Question { calls, places: scopes } = asked.question();
        assert_eq!(calls.len(), 3 + 1, "three times to live, and one MGET");
        drop(calls);
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let held = ["Va", "Vb", "Vc", "11111111", "22222222", "33333333"].map(text).to_vec();
        let mut replies: Vec<Value> = (1..=3).map(Value::Int).collect();
        replies.push(Value::Array(held));
        let mut answers = asked.answers(scopes, replies).expect("an answer of the right form");
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
    fn a_glance_sees_the_generations_of_its_own_scopes() {
        let scopes = ["all", "users", "posts"].map(str::to_owned);
        let lists = [&scopes[..2], &scopes[..2], &scopes[1..], &[], &scopes[..2]];
        let mut asked = Asked::default();
        for list in lists {
            asked.add(&Look { timed: false, ..look("name", list) });
        }
        let Question { calls, places } = asked.question();
        assert_eq!(calls.len(), 1, "one MGET");
        drop(calls);
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let held = ["V0", "V1", "V2", "V3", "V4", "11111111", "22222222", "33333333"].map(text).to_vec();
        let mut answers =
            asked.answers(places, vec![Value::Array(held)]).expect("an answer of the right form");
        let [all, users, posts] = [b'1', b'2', b'3'].map(|byte| Generation([byte; 8]));
        let wanted: [&[Generation]; 5] = [&[all, users], &[all, users], &[users, posts], &[], &[all, users]];
        for (number, generations) in wanted.into_iter().enumerate() {
            let seen = answers.glance(number).ok().flatten();
            let value = number.to_string().into_bytes();
            assert_eq!(seen, Some(Glimpse { value, generations: generations.into() }));
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
        let time = || Value::Int(1);
        for replies in [
            vec![],
            vec![time(), time()],
            vec![time(), time(), Value::Nil],
            vec![time(), time(), Value::Array(vec![Value::Nil; 2])],
            vec![time(), time(), Value::Array(vec![Value::Nil; 4])],
            vec![time(), time(), Value::Array(vec![Value::Nil; 3]), Value::Okay],
        ] {
            let (asked, _) = asked(&[look("a", &scopes), look("b", &scopes)]);
            let places = asked.question().places;
            assert!(asked.answers(places, replies.clone()).is_err(), "{replies:?}");
        }
    }
}
