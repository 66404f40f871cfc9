//! The nodes of a cluster as one server: each call goes to the node that has its keys, wherever that is now.
//! Each node has a supervisor and a breaker of its own (`shard`); what the verbs ask is in `apart`.
//!
//! The map of slots is learned from any node that answers, and again whenever an answer shows that it is old or a node
//! fails. A call that was sent to the wrong node is not run there, so it may always be sent on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::config::Config;
use crate::crowd::Crowds;
use crate::error::Failure;
use crate::script::Call;
use crate::shard::Shard;
use crate::slots::{Node, Redirection, Slots, slot};
use crate::supervisor::{Budget, Purpose, Supervisor};
use crate::together::together;

/// The nodes, as far as they are known.
pub(crate) struct Cluster {
    config: Config,
    /// Where to begin.
    seeds: Vec<Node>,
    state: Mutex<State>,
    /// Held by whoever learns the map.
    learning: tokio::sync::Mutex<()>,
    crowds: Crowds,
}

#[derive(Default)]
struct State {
    slots: Option<Arc<Slots>>,
    nodes: HashMap<Node, Arc<Shard>>,
    /// How often the map was asked for.
    asked: usize,
    /// When it was asked for behind the back of operations.
    renewed: Option<Instant>,
}

/// A call that is not answered yet.
struct Open<'a> {
    call: Call<'a>,
    to: Node,
    way: Way,
}

/// How a call came to the node that it goes to.
struct Way {
    /// Where its answer belongs.
    place: usize,
    /// How often it was sent on since it last came to where some of its keys are.
    hops: u32,
    /// Who has the slot, where another is asked in its place: that one must be told that it is meant all the same, and
    /// is asked this once.
    instead_of: Option<Node>,
}

/// What goes to one node.
struct Part<'a> {
    to: Node,
    calls: Vec<Call<'a>>,
    /// The way of each; none for those that only say how the next call is meant.
    ways: Vec<Option<Way>>,
}

/// How often a call is sent on: as often as by other clients. While slots move, what one node says may be old before
/// the next one hears of it.
const HOPS: u32 = 5;

/// How long one node may take to say what it knows; there are others.
const LIMIT: Duration = Duration::from_millis(250);

/// The map is learned anew at most once in this time: thousands of calls may find out together that it is old.
const RENEW_PAUSE: Duration = Duration::from_millis(100);

/// The pause before a call is repeated whose keys are on their way.
const TRY_AGAIN: Duration = Duration::from_millis(5);

impl Cluster {
    pub(crate) fn new(config: Config, seeds: Vec<Node>) -> Self {
        let learning = tokio::sync::Mutex::default();
        Self { config, seeds, state: Mutex::default(), learning, crowds: Crowds::default() }
    }

    /// Reads that are due together.
    pub(crate) fn crowds(&self) -> &Crowds {
        &self.crowds
    }

    pub(crate) fn budget(&self, purpose: Purpose) -> Budget {
        Budget::new(purpose, self.config.deadlines)
    }

    pub(crate) fn name(&self) -> String {
        self.config.address.to_string()
    }

    /// What is known of the cluster, in a word.
    pub(crate) fn state(&self) -> &'static str {
        if self.state.lock().slots.is_some() { "known" } else { "unknown" }
    }

    /// Makes sure that the map is known, and that there is a connection to every primary.
    pub(crate) async fn check(self: &Arc<Self>) -> Result<(), Failure> {
        let shards = self.shards(self.budget(Purpose::Health)).await?;
        let checks = shards.iter().map(|shard| shard.supervisor().check());
        together(checks).await.into_iter().collect()
    }

    /// As [`each`](Self::each), of which none may fail.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        budget: Budget,
        calls: Vec<Call<'_>>,
    ) -> Result<Vec<Value>, Failure> {
        self.each(budget, calls).await?.into_iter().collect()
    }

    /// Sends each of `calls`, whose keys have one slot each, to the node that has it, all nodes at the same time.
    /// What they answered, in the order of the calls, refusals included; or why one did not.
    pub(crate) async fn each(
        self: &Arc<Self>,
        budget: Budget,
        calls: Vec<Call<'_>>,
    ) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let slots = self.slots(budget).await?;
        let mut outcomes = vec![Err(Failure::unexpected()); calls.len()];
        let mut open = Vec::with_capacity(calls.len());
        for (place, call) in calls.into_iter().enumerate() {
            match self.primary_of(&call, &slots) {
                Ok(to) => open.push(Open { call, to, way: Way { place, hops: 0, instead_of: None } }),
                Err(failure) => outcomes[place] = Err(failure),
            }
        }
        let mut pause = TRY_AGAIN;
        while !open.is_empty() {
            let parts = parts(std::mem::take(&mut open));
            let nodes: Vec<_> = parts.iter().map(|part| self.node(&part.to)).collect();
            let sent = nodes.iter().zip(&parts).map(|(node, part)| node.ask(budget, &part.calls));
            let mut too_early = false;
            for (answers, part) in together(sent).await.into_iter().zip(parts) {
                let Part { to: asked, calls, ways } = part;
                let answers = match answers {
                    Ok(answers) => answers,
                    Err(failure) => {
                        self.renew();
                        ways.iter().flatten().for_each(|way| outcomes[way.place] = Err(failure.clone()));
                        continue;
                    }
                };
                // Where the call before was sent on to.
                let mut onward: Option<Node> = None;
                for ((answer, call), way) in answers.into_iter().zip(calls).zip(ways) {
                    let Some(way) = way else { continue };
                    if let Some(to) = onward.take().filter(|_| call.is_witness()) {
                        open.push(Open { call, to, way: Way { instead_of: None, ..way } });
                        continue;
                    }
                    let place = way.place;
                    match Redirection::of(&answer, &asked) {
                        // The deadline is the caller's: whoever has no time left takes it for an answer.
                        Some(Redirection::TryAgain) if Instant::now() + pause >= budget.until() => {
                            outcomes[place] = Ok(answer);
                        }
                        Some(redirection) => {
                            if matches!(redirection, Redirection::Moved(_)) {
                                self.renew();
                            }
                            let Some((to, way)) = way.after(redirection, &asked) else {
                                outcomes[place] = Err(Failure::sent_around());
                                continue;
                            };
                            // In a failover two nodes may name each other until the news has reached both.
                            too_early |= way.hops != 1;
                            onward = Some(to.clone());
                            open.push(Open { call, to, way });
                        }
                        None => {
                            if is_down(&answer) {
                                self.renew();
                            }
                            outcomes[place] = Ok(answer);
                        }
                    }
                }
            }
            if too_early {
                sleep(pause).await;
                pause *= 2;
            }
        }
        Ok(outcomes)
    }

    /// Sends the same calls to every primary, whatever its breaker thinks: the answers of each.
    pub(crate) async fn ask_all(
        self: &Arc<Self>,
        budget: Budget,
        calls: &[Call<'_>],
    ) -> Result<Vec<(Arc<Shard>, Result<Vec<Value>, Failure>)>, Failure> {
        let shards = self.shards(budget).await?;
        let answers = together(shards.iter().map(|shard| shard.supervisor().ask(budget, calls))).await;
        if answers.iter().any(Result::is_err) {
            self.renew();
        }
        Ok(shards.into_iter().zip(answers).collect())
    }

    /// Where `name` is, as far as that is known.
    pub(crate) async fn place_of(self: &Arc<Self>, budget: Budget, name: &str) -> Result<Node, Failure> {
        let slots = self.slots(budget).await?;
        slots.primary(slot(name)).cloned().ok_or_else(|| {
            self.renew();
            Failure::without_primary()
        })
    }

    fn primary_of(self: &Arc<Self>, call: &Call<'_>, slots: &Slots) -> Result<Node, Failure> {
        let primary = call.slot().and_then(|slot| slots.primary(slot)).cloned();
        primary.ok_or_else(|| {
            self.renew();
            Failure::without_primary()
        })
    }

    /// Every primary.
    async fn shards(self: &Arc<Self>, budget: Budget) -> Result<Vec<Arc<Shard>>, Failure> {
        let slots = self.slots(budget).await?;
        Ok(slots.primaries().into_iter().map(|node| self.node(node)).collect())
    }

    /// What is asked at `node`.
    fn node(&self, node: &Node) -> Arc<Shard> {
        let mut state = self.state.lock();
        if let Some(shard) = state.nodes.get(node) {
            return Arc::clone(shard);
        }
        let shard = Arc::new(Shard::new(Supervisor::new(self.config.of_node(node))));
        state.nodes.insert(node.clone(), Arc::clone(&shard));
        shard
    }

    /// The map, as soon as there is one.
    async fn slots(self: &Arc<Self>, budget: Budget) -> Result<Arc<Slots>, Failure> {
        if let Some(slots) = self.state.lock().slots.clone() {
            return Ok(slots);
        }
        let first = async {
            let _learning = self.learning.lock().await;
            let known = self.state.lock().slots.clone();
            match known {
                Some(slots) => Ok(slots),
                None => self.learn(budget).await,
            }
        };
        timeout_at(budget.until(), first).await.unwrap_or_else(|_elapsed| Err(budget.timeout()))
    }

    /// Learns the map anew in a task of its own, unless that was done just now.
    fn renew(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            if state.renewed.is_some_and(|renewed| renewed.elapsed() < RENEW_PAUSE) {
                return;
            }
            state.renewed = Some(Instant::now());
        }
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            if let Ok(_learning) = cluster.learning.try_lock() {
                // Whoever needs it and finds it old will ask again.
                let _ = cluster.learn(cluster.budget(Purpose::Health)).await;
            }
        });
    }

    /// Asks one node after the other, each time beginning with another. Called by one at a time.
    async fn learn(&self, budget: Budget) -> Result<Arc<Slots>, Failure> {
        let (known, first) = {
            let mut state = self.state.lock();
            state.asked = state.asked.wrapping_add(1);
            (state.slots.clone(), state.asked)
        };
        let mut nodes = known.as_ref().map_or_else(Vec::new, |slots| slots.primaries());
        nodes.extend(self.seeds.iter().filter(|seed| !nodes.contains(seed)).collect::<Vec<_>>());
        let mut failure: Option<Failure> = None;
        for node in nodes.iter().cycle().skip(first % nodes.len().max(1)).take(nodes.len()) {
            let call = Call::command("CLUSTER", vec!["SLOTS"], Vec::new());
            match timeout(LIMIT, self.node(node).supervisor().ask(budget, &[call])).await {
                Ok(Ok(replies)) => match replies.first().and_then(|reply| Slots::read(reply, node)) {
                    Some(slots) => return Ok(self.adopt(slots)),
                    None => failure = failure.or_else(|| Some(Failure::no_cluster(&replies))),
                },
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(_elapsed) => {}
            }
        }
        Err(failure.unwrap_or_else(Failure::no_node))
    }

    fn adopt(&self, slots: Slots) -> Arc<Slots> {
        let slots = Arc::new(slots);
        let mut state = self.state.lock();
        let primaries = slots.primaries();
        // What is under way there still ends.
        state.nodes.retain(|node, _| primaries.contains(&node));
        state.slots = Some(Arc::clone(&slots));
        slots
    }
}

impl Way {
    /// Where a call goes on to that `asked` has answered so; nowhere, if it was sent on too often.
    fn after(self, redirection: Redirection, asked: &Node) -> Option<(Node, Self)> {
        let Self { place, hops, instead_of } = self;
        match redirection {
            // Only the owner of the slot knows when all of its keys have gone.
            Redirection::TryAgain => {
                let owner = instead_of.unwrap_or_else(|| asked.clone());
                Some((owner, Self { place, hops: 0, instead_of: None }))
            }
            Redirection::Moved(_) | Redirection::Ask(_) if hops == HOPS => None,
            Redirection::Moved(to) => Some((to, Self { place, hops: hops + 1, instead_of: None })),
            Redirection::Ask(to) => {
                Some((to, Self { place, hops: hops + 1, instead_of: Some(asked.clone()) }))
            }
        }
    }
}

/// The calls, by the node that they go to.
fn parts(open: Vec<Open<'_>>) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for Open { call, to, way } in open {
        let index = parts.iter().position(|part| part.to == to).unwrap_or_else(|| {
            parts.push(Part { to, calls: Vec::new(), ways: Vec::new() });
            parts.len() - 1
        });
        let part = &mut parts[index];
        if way.instead_of.is_some() {
            part.calls.extend([Call::command("ASKING", Vec::new(), Vec::new()), call.in_full()]);
            part.ways.extend([None, Some(way)]);
        } else {
            part.calls.push(call);
            part.ways.push(Some(way));
        }
    }
    parts
}

fn is_down(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() == "CLUSTERDOWN")
}
