//! A cache against the plainest model of one: a map of values with the moment at which each ends. Any sequence of
//! operations gives the same answers from both, on a clock that only the sequence moves.

use std::collections::BTreeMap;
use std::time::Duration;

use larder::{Cache, Memory, Scope, Tag};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tests::fuzzed::matches;
use tokio::runtime::{Builder, Runtime};

/// Some have a meaning as a pattern, which they must not have as a key.
const KEYS: [&str; 8] = [
    "",
    "user:1",
    "user:1:posts",
    "user:2",
    "user:*",
    "team:1",
    "a b(c)%3A<none>",
    "user:1:posts:2:likes:3:x:y:z:deep",
];
const PATTERNS: [&str; 10] = [
    "user:*",
    "user:1:*",
    "*:posts",
    "us*",
    "*",
    "*1*",
    "user:*:deep",
    "**",
    "nobody:*",
    "user:1:posts:2:likes:3:x:y:z:*",
];
const TAGS: [&str; 5] = ["company", "team", "staff", "user:1", "nobody"];
/// Invalidating the first invalidates the second.
const EDGES: [(&str, &str); 3] = [("company", "team"), ("team", "staff"), ("staff", "team")];

/// A value of one of two types.
#[derive(Clone, Debug, PartialEq)]
enum Stored {
    Number(u64),
    Text(String),
}

#[derive(Clone, Debug)]
enum Target {
    Key(&'static str),
    Pattern(&'static str),
    Tag(&'static str),
    Everything,
}

#[derive(Clone, Debug)]
enum Operation {
    GetNumber(&'static str),
    GetText(&'static str),
    GetMany(Vec<&'static str>),
    Set(&'static str, Stored, Duration),
    SetMany(Vec<(&'static str, u64)>, Duration),
    SetIfAbsent(&'static str, Stored, Duration),
    Load(&'static str, Result<u64, u64>, Duration, Vec<&'static str>),
    Exists(&'static str),
    Ttl(&'static str),
    Expire(&'static str, Duration),
    Delete(&'static str),
    Invalidate(Target),
    Batch(Vec<Target>, bool),
    Advance(Duration),
}

/// What an operation answers.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Nothing,
    Value(Option<Stored>),
    Values(Vec<Option<u64>>),
    Loaded(Result<u64, u64>),
    YesNo(bool),
    Ttl(Option<Duration>),
}

#[derive(Clone, Debug)]
struct Kept {
    value: Stored,
    until: Duration,
    tags: Vec<&'static str>,
}

/// The model: what is kept, the time, and what the last operation answered.
#[derive(Clone, Debug)]
struct Model {
    kept: BTreeMap<&'static str, Kept>,
    now: Duration,
    answer: Answer,
}

impl Model {
    fn get(&self, key: &str) -> Option<&Kept> {
        self.kept.get(key).filter(|kept| kept.until > self.now)
    }

    fn number(&self, key: &str) -> Option<u64> {
        match self.get(key)?.value {
            Stored::Number(number) => Some(number),
            Stored::Text(_) => None,
        }
    }

    fn set(&mut self, key: &'static str, value: Stored, ttl: Duration, tags: Vec<&'static str>) {
        self.kept.insert(key, Kept { value, until: self.now + ttl, tags });
    }

    fn invalidate(&mut self, target: &Target) {
        match *target {
            Target::Key(key) => drop(self.kept.remove(key)),
            Target::Pattern(pattern) => {
                self.kept.retain(|key, _| !matches(pattern, key));
            }
            Target::Tag(tag) => {
                let mut moved = vec![tag];
                while let Some((_, next)) =
                    EDGES.iter().find(|(from, to)| moved.contains(from) && !moved.contains(to))
                {
                    moved.push(next);
                }
                self.kept.retain(|_, kept| !kept.tags.iter().any(|tag| moved.contains(tag)));
            }
            Target::Everything => self.kept.clear(),
        }
    }

    fn answer(&mut self, operation: &Operation) -> Answer {
        match operation.clone() {
            Operation::GetNumber(key) => Answer::Value(self.number(key).map(Stored::Number)),
            Operation::GetText(key) => {
                let text = self.get(key).map(|kept| kept.value.clone());
                Answer::Value(text.filter(|value| matches!(value, Stored::Text(_))))
            }
            Operation::GetMany(keys) => Answer::Values(keys.iter().map(|key| self.number(key)).collect()),
            Operation::Set(key, value, ttl) => {
                self.set(key, value, ttl, Vec::new());
                Answer::Nothing
            }
            Operation::SetMany(values, ttl) => {
                for (key, value) in values {
                    self.set(key, Stored::Number(value), ttl, Vec::new());
                }
                Answer::Nothing
            }
            Operation::SetIfAbsent(key, value, ttl) => {
                let absent = self.get(key).is_none();
                if absent {
                    self.set(key, value, ttl, Vec::new());
                }
                Answer::YesNo(absent)
            }
            Operation::Load(key, outcome, ttl, tags) => {
                if let Some(number) = self.number(key) {
                    return Answer::Loaded(Ok(number));
                }
                if let Ok(number) = outcome
                    && !ttl.is_zero()
                {
                    self.set(key, Stored::Number(number), ttl, tags);
                }
                Answer::Loaded(outcome)
            }
            Operation::Exists(key) => Answer::YesNo(self.get(key).is_some()),
            Operation::Ttl(key) => Answer::Ttl(self.get(key).map(|kept| kept.until.saturating_sub(self.now))),
            Operation::Expire(key, ttl) => {
                let until = self.now + ttl;
                let there = self.get(key).is_some();
                if there && let Some(kept) = self.kept.get_mut(key) {
                    kept.until = until;
                }
                Answer::YesNo(there)
            }
            Operation::Delete(key) => {
                let there = self.get(key).is_some();
                self.kept.remove(key);
                Answer::YesNo(there)
            }
            Operation::Invalidate(target) => {
                self.invalidate(&target);
                Answer::Nothing
            }
            Operation::Batch(targets, flushed) => {
                if flushed {
                    for target in &targets {
                        self.invalidate(target);
                    }
                }
                Answer::Nothing
            }
            Operation::Advance(time) => {
                self.now += time;
                Answer::Nothing
            }
        }
    }
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        4 => select(&KEYS[..]).prop_map(Target::Key),
        4 => select(&PATTERNS[..]).prop_map(Target::Pattern),
        3 => select(&TAGS[..]).prop_map(Target::Tag),
        1 => Just(Target::Everything),
    ]
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Operation;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self { kept: BTreeMap::new(), now: Duration::ZERO, answer: Answer::Nothing }).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Operation> {
        let key = || select(&KEYS[..]);
        let ttl = || select(&[0, 1, 2, 5, 1_000, 3_600_000][..]).prop_map(Duration::from_millis);
        let stored = || prop_oneof![(0_u64..9).prop_map(Stored::Number), "[a-c]{0,2}".prop_map(Stored::Text)];
        let outcome = prop_oneof![4 => (10_u64..19).prop_map(Ok), 1 => (0_u64..9).prop_map(Err)];
        prop_oneof![
            4 => key().prop_map(Operation::GetNumber),
            2 => key().prop_map(Operation::GetText),
            2 => vec(key(), 0..4).prop_map(Operation::GetMany),
            4 => (key(), stored(), ttl()).prop_map(|(key, value, ttl)| Operation::Set(key, value, ttl)),
            1 => (vec((key(), 0_u64..9), 0..4), ttl()).prop_map(|(values, ttl)| Operation::SetMany(values, ttl)),
            3 => (key(), stored(), ttl()).prop_map(|(key, value, ttl)| Operation::SetIfAbsent(key, value, ttl)),
            6 => (key(), outcome, ttl(), vec(select(&TAGS[..]), 0..3))
                .prop_map(|(key, outcome, ttl, tags)| Operation::Load(key, outcome, ttl, tags)),
            2 => key().prop_map(Operation::Exists),
            2 => key().prop_map(Operation::Ttl),
            2 => (key(), ttl()).prop_map(|(key, ttl)| Operation::Expire(key, ttl)),
            2 => key().prop_map(Operation::Delete),
            3 => target().prop_map(Operation::Invalidate),
            1 => (vec(target(), 0..3), any::<bool>()).prop_map(|(targets, flush)| Operation::Batch(targets, flush)),
            3 => ttl().prop_map(Operation::Advance),
        ]
        .boxed()
    }

    fn apply(mut model: Self, operation: &Operation) -> Self {
        model.answer = model.answer(operation);
        model
    }
}

/// The cache, on a clock that stands still.
struct Subject {
    runtime: Runtime,
    cache: Cache,
}

impl Subject {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let cache = Cache::builder().local(Memory::new(1000)).build();
        for (tag, dependent) in EDGES {
            cache.depends(tag, &[dependent]);
        }
        Self { runtime, cache }
    }

    async fn answer(&self, operation: Operation) -> larder::Result<Answer> {
        let cache = &self.cache;
        Ok(match operation {
            Operation::GetNumber(key) => Answer::Value(cache.get(key).await?.map(Stored::Number)),
            Operation::GetText(key) => Answer::Value(cache.get(key).await?.map(Stored::Text)),
            Operation::GetMany(keys) => Answer::Values(cache.get_many(keys).await?),
            Operation::Set(key, value, ttl) => {
                match value {
                    Stored::Number(number) => cache.set(key, &number, ttl).await?,
                    Stored::Text(text) => cache.set(key, &text, ttl).await?,
                }
                Answer::Nothing
            }
            Operation::SetMany(values, ttl) => {
                cache.set_many(values.iter().map(|(key, value)| (*key, value)), ttl).await?;
                Answer::Nothing
            }
            Operation::SetIfAbsent(key, value, ttl) => Answer::YesNo(match value {
                Stored::Number(number) => cache.set_if_absent(key, &number, ttl).await?,
                Stored::Text(text) => cache.set_if_absent(key, &text, ttl).await?,
            }),
            Operation::Load(key, outcome, ttl, tags) => {
                let load = cache.get_or_load(key, ttl, || async {
                    for tag in tags {
                        larder::tag(tag);
                    }
                    outcome
                });
                Answer::Loaded(load.await)
            }
            Operation::Exists(key) => Answer::YesNo(cache.exists(key).await?),
            Operation::Ttl(key) => Answer::Ttl(cache.ttl(key).await?),
            Operation::Expire(key, ttl) => Answer::YesNo(cache.expire(key, ttl).await?),
            Operation::Delete(key) => Answer::YesNo(cache.delete(key).await?),
            Operation::Invalidate(target) => {
                cache.invalidate(scope(&target)).await?;
                Answer::Nothing
            }
            Operation::Batch(targets, flushed) => {
                let batch = cache.batch();
                for target in &targets {
                    batch.invalidate(scope(target));
                }
                if flushed {
                    batch.flush().await?;
                }
                Answer::Nothing
            }
            Operation::Advance(time) => {
                tokio::time::advance(time).await;
                Answer::Nothing
            }
        })
    }
}

fn scope(target: &Target) -> Scope {
    match *target {
        Target::Key(key) => Scope::Key(key.into()),
        Target::Pattern(pattern) => pattern.into(),
        Target::Tag(tag) => Tag::from(tag).into(),
        Target::Everything => Scope::Everything,
    }
}

struct Compared;

impl StateMachineTest for Compared {
    type SystemUnderTest = Subject;
    type Reference = Model;

    fn init_test(_: &Model) -> Subject {
        Subject::new()
    }

    fn apply(subject: Subject, model: &Model, operation: Operation) -> Subject {
        let answer = subject.runtime.block_on(subject.answer(operation.clone()));
        assert_eq!(answer.expect("no store fails"), model.answer, "{operation:?}");
        subject
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cache_in_memory_answers_as_the_model_does(sequential 1..60 => Compared);
}
