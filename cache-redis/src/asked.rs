//! What reads ask together in one MGET, and what the answer says to each of them. Nothing here waits.
//! What one read asks and what its answer means is in `read`; who asks together, in `batch`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cache_core::store::{Claim, Generation, Glimpse, Token};
use redis::Value;

use crate::error::{Failure, Verdict};
use crate::read::{Answer, Look, Seen, all, answered, lease, value};
use crate::script::Call;

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
    /// The number of the read among those that are asked together.
    pub(crate) name: usize,
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

impl Asked {
    /// Adds `look`.
    pub(crate) fn add(&mut self, look: &Look<'_>) -> Place {
        self.add_under(look, || look.scopes.into())
    }

    /// Adds `look`, whose scopes can be had from `scopes` to be kept.
    pub(crate) fn add_under(&mut self, look: &Look<'_>, scopes: impl FnOnce() -> Arc<[String]>) -> Place {
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

    /// How many reads these are.
    pub(crate) fn reads(&self) -> usize {
        self.reads.len()
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
    pub(crate) fn glance(&mut self, number: usize) -> Result<Option<Glimpse>, Failure> {
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
