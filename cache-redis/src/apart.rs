//! The verbs in a cluster, where a name and its scopes are on different nodes: each verb as calls of one key.
//!
//! What is one step on a single server is several here. Why nothing old is served all the same:
//!
//! - **Reading.** Value and generations are read after the call began, at different instants. An invalidation that was
//!   acknowledged before has changed both. One that is under way may be seen in one of them only: then the recorded
//!   generations differ from the live ones, or both are from before it and so is the answer.
//! - **Storing** compares and sets where the value is, so whoever removes or claims the name meanwhile keeps it from being
//!   stored. Its generations are kept alive beside that; if they end before it does, it is a miss.
//! - **Invalidating**: the scopes move, then the names are removed, then the scopes move again, then the record is appended.
//!   Each is complete before the next begins; within one, nobody knows what comes first. Whoever learns of the record finds
//!   everything moved and removed. The first step is for what follows.
//! - **Storing while a scope is unmoved** (what a mutation made, in place of what is there): a lease is put under the
//!   name, then the scope is compared and moved, then the value is stored under the lease. An invalidation of the name
//!   moved the scope before it removed the name: either that was before the comparison, which then fails, or
//!   the removal comes after the lease, and takes it, or the value, away. One of another scope of the value moves that twice: either the
//!   value has not recorded its last generation, or that was read, and then compared, when this scope had moved. A value that is set meanwhile
//!   moves this scope first and then takes the place of the lease; so does a claim, which is of a load that is newer than the mutation.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cache_core::Result;
use cache_core::store::{Append, Expect, Fetched, Generation, Position, Put, Token};
use redis::Value;

use crate::batch::{Asked, Place};
use crate::cluster::Cluster;
use crate::error::Failure;
use crate::log;
use crate::random;
use crate::read::{Look, answered, generation};
use crate::remote::{invalidation, store, whether};
use crate::script::{Arg, Call, EXTEND, LEASE, MOVE};
use crate::supervisor::{Budget, Purpose};
use crate::time::{GENERATION, kept, millis};
use crate::together::together;

impl Cluster {
    /// Reads each name and each scope once, however often it is asked for.
    pub(crate) async fn look(self: &Arc<Self>, looks: &[Look<'_>]) -> Result<Vec<Fetched>> {
        let budget = self.budget(Purpose::Read);
        let names: Vec<Look<'_>> = looks.iter().map(|look| Look { scopes: &[], ..*look }).collect();
        let scopes: Vec<&String> =
            looks.iter().flat_map(|look| look.scopes).collect::<BTreeSet<_>>().into_iter().collect();
        let asked: Vec<(Asked, Place)> = names
            .iter()
            .map(|look| {
                let mut asked = Asked::default();
                let place = asked.add(look);
                (asked, place)
            })
            .collect();
        let calls = asked.iter().flat_map(|(asked, _)| asked.calls());
        let calls =
            calls.chain(scopes.iter().map(|scope| Call::command("MGET", vec![scope.as_str()], Vec::new())));
        let mut replies = self.ask(budget, calls.collect()).await?.into_iter();

        let mut found: Vec<Option<Fetched>> = Vec::with_capacity(names.len());
        for (name, (asked, place)) in names.iter().zip(&asked) {
            found.push(asked.next_answers(&mut replies)?.seen(name, place)?.found());
        }
        let mut generations = Vec::with_capacity(scopes.len());
        for reply in replies {
            generations.push(match answered(reply)? {
                Value::Array(mut held) if held.len() == 1 => generation(&held.remove(0))?,
                _ => return Err(Failure::unexpected().into()),
            });
        }

        // A scope that is read as if it were a name, too: what there is to be minted is minted.
        let minted: Vec<Look<'_>> = (scopes.iter())
            .map(|scope| Look { name: scope, scopes: std::slice::from_ref(*scope), claim: None })
            .collect();
        let open_names = || (0..names.len()).filter(|place| found[*place].is_none());
        let open_scopes = || (0..scopes.len()).filter(|place| generations[*place].is_none());
        let calls: Vec<Call<'_>> = open_names()
            .map(|place| names[place].script())
            .chain(open_scopes().map(|place| minted[place].script()))
            .collect();
        if !calls.is_empty() {
            let (open_names, open_scopes): (Vec<_>, Vec<_>) =
                (open_names().collect(), open_scopes().collect());
            let mut replies = self.ask(budget, calls).await?.into_iter();
            for (place, reply) in open_names.into_iter().zip(&mut replies) {
                found[place] = Some(names[place].read(reply)?);
            }
            for (place, reply) in open_scopes.into_iter().zip(&mut replies) {
                generations[place] = minted[place].read(reply)?.generations.pop();
            }
        }

        let position = |scope: &String| -> Option<Generation> {
            generations.get(scopes.binary_search(&scope).ok()?).copied().flatten()
        };
        let whole = looks.iter().zip(found).map(|(look, found)| {
            let generations = look.scopes.iter().map(position).collect::<Option<_>>()?;
            Some(Fetched { generations, ..found? })
        });
        whole.collect::<Option<_>>().ok_or_else(|| Failure::unexpected().into())
    }

    pub(crate) async fn publish(self: &Arc<Self>, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        let budget = self.budget(Purpose::Publish);
        let Expect::Unmoved(scope, position) = expect else {
            return self.store(budget, &[put], Some(&expect)).await;
        };
        let [first, second] = [random::generation(), random::generation()];
        let mut token = [0; 16];
        token[..8].copy_from_slice(&first);
        token[8..].copy_from_slice(&second);
        // Longer than all of this may take.
        let lease = Arg::Number(millis(2 * budget.limit() + Duration::from_secs(1)));
        let claim =
            Call::command("SET", vec![put.name], vec![Arg::Marked(LEASE, &token), Arg::Bytes(b"PX"), lease]);
        self.all(budget, vec![claim]).await?;
        let args = vec![
            Arg::Generation(position.0),
            Arg::Generation(random::generation()),
            Arg::Number(millis(GENERATION)),
        ];
        let moved = self.ask(budget, vec![Call::script(&MOVE, vec![scope], args)]).await?;
        if !whether(moved.into_iter().next().unwrap_or_default())? {
            return Ok(false);
        }
        self.store(budget, &[put], Some(&Expect::Lease(Token(token)))).await
    }

    pub(crate) async fn put_many(self: &Arc<Self>, puts: &[Put<'_>]) -> Result<()> {
        self.store(self.budget(Purpose::Write), puts, None).await.map(drop)
    }

    pub(crate) async fn invalidate(
        self: &Arc<Self>,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        let budget = self.budget(Purpose::Invalidate);
        self.move_scopes(budget, scopes).await?;
        if !names.is_empty() {
            let removals = names.iter().map(|name| Call::command("UNLINK", vec![name.as_str()], Vec::new()));
            self.all(budget, removals.collect()).await?;
        }
        self.move_scopes(budget, scopes).await?;
        let Some(append) = append else { return Ok(None) };
        let kept = log::Keys::of(append.log);
        let appended = self.ask(budget, vec![invalidation(&[], &[], Some((&append, &kept)))]).await?;
        Ok(log::position(appended.into_iter().next().unwrap_or_default())?)
    }

    async fn move_scopes(self: &Arc<Self>, budget: Budget, scopes: &[String]) -> Result<()> {
        let moved = scopes.iter().map(|scope| invalidation(&[], std::slice::from_ref(scope), None));
        self.all(budget, moved.collect()).await
    }

    /// Stores `puts`, and keeps their generations for longer than them; whether all were stored.
    async fn store(
        self: &Arc<Self>,
        budget: Budget,
        puts: &[Put<'_>],
        expect: Option<&Expect<'_>>,
    ) -> Result<bool> {
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
        for replies in together([self.ask(budget, stores), self.ask(budget, extensions)]).await {
            for reply in replies? {
                all_stored &= whether(reply)?;
            }
        }
        Ok(all_stored)
    }

    /// Sends `calls`, none of which may be refused.
    async fn all(self: &Arc<Self>, budget: Budget, calls: Vec<Call<'_>>) -> Result<()> {
        for reply in self.ask(budget, calls).await? {
            answered(reply)?;
        }
        Ok(())
    }
}
