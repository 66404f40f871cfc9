//! The verbs in a cluster, where a name and its scopes are on different nodes: each verb as calls of one key.
//!
//! What is one step on a single server is several here. Why nothing old is served all the same:
//!
//! - **Reading.** Value and generations are read after the call began, at different instants. An invalidation that was
//!   acknowledged before has changed both. One that is under way may be seen in one of them only: then the recorded
//!   generations differ from the live ones, or both are from before it and so is the answer.
//! - **Storing** compares and sets where the value is, so whoever removes or claims the name meanwhile keeps it from being
//!   stored. Its generations are kept alive beside that; if they end before it does, it is a miss.
//! - **Invalidating**: the scopes move, then the names are removed, then the scopes move again and the record is appended, in
//!   one step if they have one slot. Each is complete before the next begins; within one, nobody knows what comes first. Whoever
//!   learns of the record finds everything moved and removed. The first step is for what follows. With a name to remove that is
//!   three round trips, without one it is two; a single server needs one.
//! - **Fencing** is that with a fence around each. While the scopes are fenced and a name is not yet, it is as fenced for
//!   whoever reads it with them. When the fence is taken away, whoever finds the scopes free and the name not, or the
//!   other way round, is told that there is one.
//! - **A name whose node does not answer** fails as a part of the store: reads of it are misses, and others are not. Whoever
//!   invalidates it moves what covers it instead, which is where the log is: it is a miss then when its node is back, too.
//! - **Storing while a scope is unmoved** (what a mutation made, in place of what is there): a lease is put under the
//!   name, then the scope is compared and moved, then the value is stored under the lease. An invalidation of the name
//!   moved the scope before it removed the name: either that was before the comparison, which then fails, or
//!   the removal comes after the lease, and takes it, or the value, away. One of another scope of the value moves that twice: either the
//!   value has not recorded its last generation, or that was read, and then compared, when this scope had moved. A value that is set meanwhile
//!   moves this scope first and then takes the place of the lease; so does a claim, which is of a load that is newer than the mutation.

use std::collections::{BTreeSet, HashMap};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use cache_core::store::{Append, Claim, Expect, Fence, Fetched, Generation, Position, Put, Token};
use redis::Value;

use crate::asked::{Asked, Place};
use crate::cluster::Cluster;
use crate::error::Failure;
use crate::log;
use crate::random;
use crate::read::{Look, answered, generation};
use crate::remote::{invalidation, store, whether};
use crate::script::{Arg, Call, EXTEND, LEASE, MOVE, UNLOCK};
use crate::slots::slot;
use crate::supervisor::{Budget, Purpose};
use crate::time::{GENERATION, kept, millis};
use crate::together::together;

/// What a look has seen: what is under the name, if that is clear, and the generations that are there.
pub(crate) struct Glance {
    found: Option<Fetched>,
    generations: Vec<Option<Generation>>,
}

impl Glance {
    /// All of it, unless there is more to do.
    pub(crate) fn whole(self) -> Result<Fetched, Self> {
        let generations: Option<Vec<Generation>> = self.generations.iter().copied().collect();
        match (self.found, generations) {
            (Some(found), Some(generations)) => Ok(Fetched { generations, ..found }),
            (found, _) => Err(Self { found, generations: self.generations }),
        }
    }
}

impl Cluster {
    /// Reads each name, and each scope once. What the node of a name does not tell is absent: others have theirs.
    pub(crate) async fn look(self: &Arc<Self>, looks: &[Look<'_>]) -> Result<Vec<Fetched>, Failure> {
        let budget = self.budget(Purpose::Read);
        let glances = self.glance(budget, looks).await?;
        let mut found = Vec::with_capacity(looks.len());
        for (look, fetched) in looks.iter().zip(self.settle(budget, looks, glances).await?) {
            found.push(match fetched {
                Err(failure) if failure.is_of_a_part() => {
                    // Nobody compares them with anything.
                    let generations = vec![Generation([0; 8]); look.scopes.len()];
                    Fetched { generations, ..Fetched::default() }
                }
                fetched => fetched?,
            });
        }
        Ok(found)
    }

    /// Looks with plain commands, in one round trip to each node, at each name and at each scope once.
    pub(crate) async fn glance(
        self: &Arc<Self>,
        budget: Budget,
        looks: &[Look<'_>],
    ) -> Result<Vec<Result<Glance, Failure>>, Failure> {
        let names: Vec<Look<'_>> = looks.iter().map(|look| Look { scopes: &[], ..*look }).collect();
        let scopes: BTreeSet<&String> = looks.iter().flat_map(|look| look.scopes).collect();
        let asked: Vec<(Asked, Place)> = names
            .iter()
            .map(|look| {
                let mut asked = Asked::default();
                let place = asked.add(look);
                (asked, place)
            })
            .collect();
        let calls = asked.iter().flat_map(|(asked, _)| asked.question().calls);
        let calls =
            calls.chain(scopes.iter().map(|scope| Call::command("MGET", vec![scope.as_str()], Vec::new())));
        let mut replies = self.each(budget, calls.collect()).await?.into_iter();

        let mut seen = Vec::with_capacity(names.len());
        for (name, (asked, place)) in names.iter().zip(asked) {
            // All of them, whichever fails: the next ones are of another name.
            let own: Vec<Result<Value, Failure>> = replies.by_ref().take(asked.len()).collect();
            let found = own
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
                .and_then(|replies| Ok(asked.answers(Vec::new(), replies)?.seen(place, name.claim)?.found()));
            seen.push(found.map_err(Failure::of_a_part));
        }
        let held = replies.map(|reply| match answered(reply?)? {
            Value::Array(mut held) if held.len() == 1 => generation(&held.remove(0)),
            _ => Err(Failure::unexpected()),
        });
        let held: HashMap<&String, Result<Option<Generation>, Failure>> =
            scopes.into_iter().zip(held).collect();
        let glances = looks.iter().zip(seen).map(|(look, found)| {
            // A node without the scopes is a cluster without any name.
            let held = |scope| held.get(scope).cloned().unwrap_or_else(|| Err(Failure::unexpected()));
            let generations = look.scopes.iter().map(held).collect::<Result<_, _>>()?;
            Ok(Glance { found: found?, generations })
        });
        Ok(glances.collect())
    }

    /// Writes what there is to be written, in one round trip to each node.
    pub(crate) async fn settle(
        self: &Arc<Self>,
        budget: Budget,
        looks: &[Look<'_>],
        glances: Vec<Result<Glance, Failure>>,
    ) -> Result<Vec<Result<Fetched, Failure>>, Failure> {
        let names: Vec<Look<'_>> = looks.iter().map(|look| Look { scopes: &[], ..*look }).collect();
        // Of whatever failed there is nothing more to be had.
        let clear = || {
            names
                .iter()
                .zip(looks)
                .zip(&glances)
                .filter_map(|(both, glance)| Some((both, glance.as_ref().ok()?)))
        };
        let open_names: Vec<&Look<'_>> =
            clear().filter(|(_, glance)| glance.found.is_none()).map(|((name, _), _)| name).collect();
        let open_scopes: BTreeSet<&String> = clear()
            .flat_map(|((_, look), glance)| look.scopes.iter().zip(&glance.generations))
            .filter(|(_, generation)| generation.is_none())
            .map(|(scope, _)| scope)
            .collect();
        // A scope that is read as if it were a name, too: what there is to be minted is minted.
        let minted: Vec<Look<'_>> = (open_scopes.iter())
            .map(|scope| Look { name: scope, scopes: slice::from_ref(*scope), claim: None, timed: true })
            .collect();
        let calls: Vec<Call<'_>> =
            open_names.iter().map(|name| name.script()).chain(minted.iter().map(Look::script)).collect();
        let replies = if calls.is_empty() { Vec::new() } else { self.each(budget, calls).await? };
        let mut replies = replies.into_iter();
        let read: Vec<Result<Fetched, Failure>> = (open_names.iter().zip(&mut replies))
            .map(|(name, reply)| name.read(reply.map_err(Failure::of_a_part)?))
            .collect();
        let held: HashMap<&String, Result<Fetched, Failure>> = (open_scopes.iter().zip(&minted))
            .zip(&mut replies)
            .map(|((scope, look), reply)| (*scope, reply.and_then(|reply| look.read(reply))))
            .collect();

        let mut read = read.into_iter();
        let settled = looks.iter().zip(glances).map(|(look, glance)| {
            let Glance { found, generations } = glance?;
            let found = match found {
                Some(found) => Ok(found),
                None => read.next().unwrap_or_else(|| Err(Failure::unexpected())),
            };
            let mut fenced = false;
            let generations = look.scopes.iter().zip(generations).map(|(scope, generation)| {
                if let Some(generation) = generation {
                    return Ok(generation);
                }
                let mut minted = held.get(scope).cloned().ok_or_else(Failure::unexpected)??;
                fenced |= minted.fenced;
                minted.generations.pop().ok_or_else(Failure::unexpected)
            });
            let generations = generations.collect::<Result<_, _>>()?;
            let found = found?;
            Ok(if fenced {
                Fetched { generations, fenced, ..Fetched::default() }
            } else {
                Fetched { generations, ..found }
            })
        });
        let settled: Vec<Result<Fetched, Failure>> = settled.collect();
        // Who claims knows nothing of the scopes.
        let fenced =
            looks.iter().zip(&settled).filter(|(_, read)| read.as_ref().is_ok_and(|read| read.fenced));
        let claims = fenced.filter_map(|(look, _)| Some((look.name, look.claim?)));
        let given_back: Vec<Call<'_>> = claims
            .map(|(name, claim)| Call::script(&UNLOCK, vec![name], vec![Arg::Marked(LEASE, &claim.token.0)]))
            .collect();
        if !given_back.is_empty() {
            self.each(budget, given_back).await?;
        }
        Ok(settled)
    }

    pub(crate) async fn publish(self: &Arc<Self>, put: Put<'_>, expect: Expect<'_>) -> Result<bool, Failure> {
        let budget = self.budget(Purpose::Publish);
        let Expect::Unmoved(scope, position) = expect else {
            return self.store(budget, &[put], Some(&expect)).await;
        };
        let [first, second] = [random::generation(), random::generation()];
        let mut token = [0; 16];
        token[..8].copy_from_slice(&first);
        token[8..].copy_from_slice(&second);
        // Longer than all of this may take.
        let lease = 2 * budget.limit() + Duration::from_secs(1);
        let claim = Claim { reject: Some(&[]), ..Claim::new(Token(token), lease) };
        let look = Look { name: put.name, scopes: &[], claim: Some(&claim), timed: false };
        let claimed = self.ask(budget, vec![look.script()]).await.map_err(Failure::of_a_part)?;
        if look.read(claimed.into_iter().next().unwrap_or_default())?.fenced {
            return Ok(false);
        }
        let args = vec![Arg::Generation(position.0), Arg::NewGeneration, Arg::Number(millis(GENERATION))];
        let moved = self.ask(budget, vec![Call::script(&MOVE, vec![scope], args)]).await?;
        if !whether(moved.into_iter().next().unwrap_or_default())? {
            return Ok(false);
        }
        self.store(budget, &[put], Some(&Expect::Lease(Token(token)))).await
    }

    pub(crate) async fn put_many(self: &Arc<Self>, puts: &[Put<'_>]) -> Result<(), Failure> {
        self.store(self.budget(Purpose::Write), puts, None).await.map(drop)
    }

    /// With `replicas`, over a connection where nobody waits behind.
    pub(crate) async fn invalidate(
        self: &Arc<Self>,
        names: &[String],
        scopes: &[String],
        fence: Option<Fence>,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>, Failure> {
        let (budget, fence) = (self.budget(Purpose::Invalidate), fence.as_ref());
        let replicas = append.map_or(0, |append| append.replicas);
        // Less than the deadline, so that there is an answer.
        let witness = |key| Call::witness(key, replicas, budget.limit() * 3 / 4);
        self.all(budget, moves(scopes, fence)).await?;
        if !names.is_empty() {
            let removals = names.iter().flat_map(|name| {
                let removal = invalidation(slice::from_ref(name), &[], fence, None);
                std::iter::once(removal).chain((replicas > 0).then(|| witness(name)))
            });
            for (place, reply) in self.each(budget, removals.collect()).await?.into_iter().enumerate() {
                let reply = reply.and_then(answered).map_err(Failure::of_a_part)?;
                if replicas > 0 && place % 2 == 1 {
                    witnessed(&reply, replicas)?;
                }
            }
        }
        let Some(append) = append else {
            self.all(budget, moves(scopes, fence)).await?;
            return Ok(None);
        };
        let kept = log::Keys::of(append.log);
        // Nobody may learn of the record before all has moved: in one step, or one after the other.
        let together = scopes.iter().all(|scope| slot(scope) == slot(&kept.log));
        let scopes = if together {
            scopes
        } else {
            self.all(budget, moves(scopes, fence)).await?;
            &[]
        };
        let mut calls = vec![invalidation(&[], scopes, fence, Some((&append, &kept)))];
        calls.extend((replicas > 0).then(|| witness(&kept.log)));
        let mut replies = self.ask(budget, calls).await?.into_iter();
        let position = log::position(replies.next().unwrap_or_default())?;
        if let Some(reply) = replies.next() {
            witnessed(&answered(reply)?, replicas)?;
        }
        Ok(position)
    }

    /// Stores `puts`, and keeps their generations for longer than them; whether all were stored.
    async fn store(
        self: &Arc<Self>,
        budget: Budget,
        puts: &[Put<'_>],
        expect: Option<&Expect<'_>>,
    ) -> Result<bool, Failure> {
        let longest = puts.iter().map(|put| put.ttl).max().unwrap_or_default();
        let scopes: BTreeSet<&String> = puts.iter().flat_map(|put| put.scopes).collect();
        let extensions = scopes.into_iter().map(|scope| {
            let args = kept(longest).map(Arg::Number).into();
            Call::script(&EXTEND, vec![scope.as_str()], args)
        });
        let puts: Vec<Put<'_>> = puts.iter().map(|put| Put { scopes: &[], ..*put }).collect();
        let stores = puts.iter().map(|put| store(put, expect));
        let (stores, extensions): (Vec<_>, Vec<_>) = (stores.collect(), extensions.collect());
        let mut all_stored = true;
        let [stores, extensions] =
            <[_; 2]>::try_from(together([self.each(budget, stores), self.each(budget, extensions)]).await)
                .map_err(|_| Failure::unexpected())?;
        for reply in extensions? {
            all_stored &= whether(reply?)?;
        }
        for reply in stores? {
            all_stored &= reply.and_then(whether).map_err(Failure::of_a_part)?;
        }
        Ok(all_stored)
    }

    /// Sends `calls`, none of which may be refused.
    async fn all(self: &Arc<Self>, budget: Budget, calls: Vec<Call<'_>>) -> Result<(), Failure> {
        for reply in self.ask(budget, calls).await? {
            answered(reply)?;
        }
        Ok(())
    }
}

/// What moves `scopes`: in one step where they have one slot.
fn moves<'a>(scopes: &'a [String], fence: Option<&'a Fence>) -> Vec<Call<'a>> {
    if scopes.windows(2).all(|pair| slot(&pair[0]) == slot(&pair[1])) {
        let all = (!scopes.is_empty()).then(|| invalidation(&[], scopes, fence, None));
        return all.into_iter().collect();
    }
    scopes.iter().map(|scope| invalidation(&[], slice::from_ref(scope), fence, None)).collect()
}

/// Whether so many replicas have what was written, where that was asked.
fn witnessed(reply: &Value, replicas: u32) -> Result<(), Failure> {
    match reply {
        Value::Int(have) if *have >= i64::from(replicas) => Ok(()),
        _ => Err(Failure::unwitnessed(replicas)),
    }
}
