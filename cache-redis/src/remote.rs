//! The verbs of a remote store: what is asked of the server, and what the answers mean.
//! How a name is read is in `read`, how a call reaches the server in `supervisor`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::Result;
use cache_core::store::{
    Append, Claim, Expect, Fence, Fetched, Health, News, Position, Put, Reader, Reading, RemoteStore, Token,
};
use redis::Value;
use tokio::time::Instant;

use crate::asked::{Asked, Place};
use crate::error::Failure;
use crate::incarnation::{Incarnation, figure};
use crate::log;
use crate::read::{Look, Seen, answered, claimed, lease};
use crate::script::{Arg, Call, EXPIRE, INVALIDATE, LEASE, LOCK, STORE, UNLOCK, VALUE};
use crate::supervisor::{Budget, Purpose};
use crate::time::{GENERATION, kept, millis};
use crate::{Redis, Server};

#[async_trait]
impl RemoteStore for Redis {
    async fn fetch(&self, name: &str, scopes: &[String], claim: Option<Claim<'_>>) -> Result<Fetched> {
        self.look(Look { name, scopes, claim: claim.as_ref(), timed: true }).await
    }

    fn glance(&self, name: &str, scopes: &Arc<[String]>) -> Reading<'_> {
        let cluster = match self.server() {
            Server::One(supervisor) => return supervisor.glance(name, scopes),
            Server::Cluster(cluster) => cluster,
        };
        let (name, scopes) = (name.to_owned(), Arc::clone(scopes));
        Reading::alone(async move {
            let look = Look { name: &name, scopes: &scopes, claim: None, timed: false };
            Ok(cluster.fetch(look).await?.glimpse())
        })
    }

    async fn fetch_many(&self, names: &[(String, Vec<String>)]) -> Result<Vec<Fetched>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let looks: Vec<Look<'_>> =
            names.iter().map(|(name, scopes)| Look { name, scopes, claim: None, timed: true }).collect();
        let supervisor = match self.server() {
            Server::One(supervisor) => supervisor,
            Server::Cluster(cluster) => return Ok(Box::pin(cluster.look(&looks)).await?),
        };
        let budget = supervisor.budget(Purpose::Read);
        let mut asked = Asked::default();
        let places: Vec<Place> = looks.iter().map(|look| asked.add(look)).collect();
        let mut answers = supervisor.read_all(budget, asked).await?;
        let mut found: Vec<Option<Fetched>> = Vec::with_capacity(looks.len());
        for place in &places {
            found.push(answers.seen(*place, None)?.found());
        }

        let open = || looks.iter().zip(0..).filter(|(_, place)| found[*place].is_none());
        let calls: Vec<Call<'_>> = open().map(|(look, _)| look.script()).collect();
        let places: Vec<usize> = open().map(|(_, place)| place).collect();
        for (place, reply) in places.into_iter().zip(self.many(budget, calls).await?) {
            found[place] = Some(looks[place].read(reply)?);
        }
        found.into_iter().map(|found| found.ok_or_else(|| Failure::unexpected().into())).collect()
    }

    async fn publish(&self, put: Put<'_>, expect: Expect<'_>) -> Result<bool> {
        if let Server::Cluster(cluster) = self.server() {
            return Ok(Box::pin(cluster.publish(put, expect)).await?);
        }
        let budget = self.server().budget(Purpose::Publish);
        Ok(whether(self.one(budget, store(&put, Some(&expect))).await?)?)
    }

    async fn put_many(&self, puts: &[Put<'_>]) -> Result<()> {
        if let Server::Cluster(cluster) = self.server() {
            return Ok(Box::pin(cluster.put_many(puts)).await?);
        }
        let calls = puts.iter().map(|put| store(put, None)).collect();
        for reply in self.many(self.server().budget(Purpose::Write), calls).await? {
            whether(reply)?;
        }
        Ok(())
    }

    async fn invalidate(
        &self,
        names: &[String],
        scopes: &[String],
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.move_all(names, scopes, None, append).await
    }

    async fn fence(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Fence,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        self.move_all(names, scopes, Some(fence), append).await
    }

    async fn await_news(&self, log: &str, after: Position, limit: Duration) -> Result<()> {
        let (keys, bell) = (log::Keys::of(log), self.bell());
        let after = format!("{}-0", after.sequence);
        let budget = bell.budget(Purpose::News).after(limit);
        for reply in bell.ask(budget, vec![Call::waiting(limit, &keys.log, &after)]).await? {
            answered(reply)?;
        }
        Ok(())
    }

    /// Over the connection that everything else is read and written by: what it proves is proved of that one. A server
    /// that was replaced refuses it, and loses the connection by that; and so does one that began another life.
    async fn news(&self, log: &str, after: Option<Position>, reader: Reader) -> Result<News> {
        let keys = log::Keys::of(log);
        let call = keys.read(after.as_ref(), &reader);
        Ok(log::news(self.one(self.server().budget(Purpose::News), call).await?)?)
    }

    async fn is_heard(&self, log: &str, position: Position, trusted: Duration) -> Result<bool> {
        let keys = log::Keys::of(log);
        log::is_heard(self.one(self.server().budget(Purpose::News), keys.heard(&position, trusted)).await?)
    }

    async fn abandon(&self, name: &str, token: Token) -> Result<()> {
        let call = Call::script(&UNLOCK, vec![name], vec![Arg::Marked(LEASE, &token.0)]);
        Ok(whether(self.at_name(self.server().budget(Purpose::Write), call).await?).map(drop)?)
    }

    async fn expire(&self, name: &str, ttl: Duration) -> Result<bool> {
        let call = Call::script(&EXPIRE, vec![name], vec![Arg::Number(millis(ttl)), Arg::Marked(VALUE, b"")]);
        Ok(whether(self.at_name(self.server().budget(Purpose::Write), call).await?)?)
    }

    async fn lock(&self, name: &str, token: Token, lease: Duration) -> Result<Option<u64>> {
        let fence = fence(name);
        let args = vec![
            Arg::Bytes(&token.0),
            Arg::Number(millis(lease)),
            Arg::Number(millis(GENERATION.max(2 * lease))),
        ];
        let call = Call::script(&LOCK, vec![name, &fence], args);
        match answered(self.one(self.server().budget(Purpose::Write), call).await?)? {
            Value::Int(0) => Ok(None),
            Value::Int(fence) => Ok(u64::try_from(fence).ok()),
            _ => Err(Failure::unexpected().into()),
        }
    }

    async fn extend_lock(&self, name: &str, token: Token, lease: Duration) -> Result<bool> {
        let call = Call::script(&UNLOCK, vec![name], vec![Arg::Bytes(&token.0), Arg::Number(millis(lease))]);
        Ok(whether(self.one(self.server().budget(Purpose::Write), call).await?)?)
    }

    async fn unlock(&self, name: &str, token: Token) -> Result<bool> {
        let call = Call::script(&UNLOCK, vec![name], vec![Arg::Bytes(&token.0)]);
        Ok(whether(self.one(self.server().budget(Purpose::Write), call).await?)?)
    }

    async fn health(&self) -> Result<Health> {
        let calls = [
            ("PING", None),
            ("INFO", Some("server")),
            ("INFO", Some("memory")),
            ("DBSIZE", None),
            ("INFO", Some("replication")),
            ("INFO", Some("stats")),
            ("INFO", Some("clients")),
        ]
        .map(|(command, word)| Call::command(command, word.into_iter().collect(), Vec::new()));
        let asked = Instant::now();
        let budget = self.server().budget(Purpose::Health);
        let mut health = Health::default();
        let cluster = match self.server() {
            Server::One(supervisor) => {
                let replies = supervisor.ask(budget, &calls).await?;
                health.round_trip = asked.elapsed();
                add_to(&mut health, replies)?;
                return Ok(health);
            }
            Server::Cluster(cluster) => cluster,
        };
        let mut failure = None;
        let answers = cluster.ask_all(budget, &calls).await?;
        health.round_trip = asked.elapsed();
        for (shard, replies) in answers {
            let told = replies.and_then(|replies| add_to(&mut health, replies));
            health.nodes.push(shard.health(told.as_ref().copied()));
            failure = told.err().or(failure);
        }
        match failure {
            // Nobody is well.
            Some(failure) if health.nodes.iter().all(|node| node.trouble.is_some()) => Err(failure.into()),
            _ => Ok(health),
        }
    }
}

/// Adds what a server says of itself.
fn add_to(health: &mut Health, replies: Vec<Value>) -> Result<(), Failure> {
    let mut replies = replies.into_iter();
    answered(replies.next().unwrap_or_default())?;
    // A user may be allowed to use the store and not to see its figures.
    let [server, memory, keys, replication, stats, clients] =
        std::array::from_fn(|_| replies.next().unwrap_or_default());
    // Valkey says with which version of Redis it agrees, too.
    let version = figure(&server, "valkey_version").or_else(|| figure(&server, "redis_version"));
    let version = version.map(str::to_owned);
    health.server_version = health.server_version.take().or(version);
    for (all, info, name) in [
        (&mut health.used_memory, &memory, "used_memory"),
        (&mut health.connections_received, &stats, "total_connections_received"),
        (&mut health.commands_processed, &stats, "total_commands_processed"),
        (&mut health.keyspace_hits, &stats, "keyspace_hits"),
        (&mut health.keyspace_misses, &stats, "keyspace_misses"),
        (&mut health.connected_clients, &clients, "connected_clients"),
    ] {
        *all = sum(*all, figure(info, name).and_then(|number| number.parse().ok()));
    }
    let keys = if let Value::Int(keys) = keys { u64::try_from(keys).ok() } else { None };
    health.keys = sum(health.keys, keys);
    health.blind_to_restarts |= Incarnation::told_by(&replication).is_none();
    Ok(())
}

/// What the nodes have together, as far as they tell.
fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.zip(other).map(|(one, other)| one.saturating_add(other)).or(one).or(other)
}

impl Redis {
    async fn look(&self, look: Look<'_>) -> Result<Fetched> {
        let supervisor = match self.server() {
            Server::One(supervisor) => supervisor,
            Server::Cluster(cluster) => return Ok(Box::pin(cluster.fetch(look)).await?),
        };
        let budget = supervisor.budget(Purpose::Read);
        match supervisor.read(budget, &look).await? {
            Seen::Found(fetched) => Ok(fetched),
            // Boxed, so that a hit carries nothing of it around.
            more => Box::pin(self.fetch_the_rest(budget, look, more)).await,
        }
    }

    /// Removes the names and moves the scopes, perhaps with a fence around them.
    async fn move_all(
        &self,
        names: &[String],
        scopes: &[String],
        fence: Option<Fence>,
        append: Option<Append<'_>>,
    ) -> Result<Option<Position>> {
        if names.is_empty() && scopes.is_empty() && append.is_none() {
            return Ok(None);
        }
        let replicas = append.map_or(0, |append| append.replicas);
        let server = if replicas > 0 { self.witness() } else { self.server() };
        if let Server::Cluster(cluster) = server {
            return Ok(Box::pin(cluster.invalidate(names, scopes, fence, append)).await?);
        }
        let kept = append.map(|append| log::Keys::of(append.log));
        let call = invalidation(names, scopes, fence.as_ref(), append.as_ref().zip(kept.as_ref()));
        if replicas > 0 {
            return self.witnessed(call, replicas).await;
        }
        Ok(log::position(self.one(self.server().budget(Purpose::Invalidate), call).await?)?)
    }

    /// What a look has left to do: a claim, or all of it in a script.
    async fn fetch_the_rest(&self, budget: Budget, look: Look<'_>, mut seen: Seen) -> Result<Fetched> {
        if let (Seen::Unclaimed(absent), Some(claim)) = (&mut seen, look.claim) {
            let reply = self.one(budget, lease(look.name, &claim.token, claim.lease)).await?;
            seen = claimed(reply, std::mem::take(absent))?;
        }
        match seen {
            Seen::Found(fetched) => Ok(fetched),
            Seen::Unclaimed(_) | Seen::Unclear => Ok(look.read(self.one(budget, look.script()).await?)?),
        }
    }

    async fn one(&self, budget: Budget, call: Call<'_>) -> Result<Value> {
        let mut replies = self.server().ask(budget, vec![call]).await?;
        match (replies.pop(), replies.is_empty()) {
            (Some(reply), true) => Ok(reply),
            _ => Err(Failure::unexpected().into()),
        }
    }

    /// As [`one`](Self::one), where in a cluster one node has the name, and others have others.
    async fn at_name(&self, budget: Budget, call: Call<'_>) -> Result<Value> {
        let Server::Cluster(cluster) = self.server() else { return self.one(budget, call).await };
        let replies = cluster.ask(budget, vec![call]).await.map_err(Failure::of_a_part)?;
        replies.into_iter().next().ok_or_else(|| Failure::unexpected().into())
    }

    /// Asks for `call` where nobody waits behind, and waits until so many replicas have what it did.
    async fn witnessed(&self, call: Call<'_>, replicas: u32) -> Result<Option<Position>> {
        let budget = self.witness().budget(Purpose::Invalidate);
        // Less than the deadline, so that there is an answer.
        let args = vec![Arg::Number(replicas.into()), Arg::Number(millis(budget.limit() * 3 / 4))];
        let calls = vec![call, Call::command("WAIT", Vec::new(), args)];
        let mut replies = self.witness().ask(budget, calls).await?.into_iter();
        let position = log::position(replies.next().unwrap_or_default())?;
        match answered(replies.next().unwrap_or_default())? {
            Value::Int(have) if have >= i64::from(replicas) => Ok(position),
            _ => Err(Failure::unwitnessed(replicas).into()),
        }
    }

    async fn many(&self, budget: Budget, calls: Vec<Call<'_>>) -> Result<Vec<Value>> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let count = calls.len();
        let replies = self.server().ask(budget, calls).await?;
        if replies.len() == count { Ok(replies) } else { Err(Failure::unexpected().into()) }
    }
}

/// The key that counts the holders of the lock `name`.
fn fence(name: &str) -> String {
    format!("{name}:fence")
}

/// What removes `names`, moves `scopes`, puts the fence around both, and appends.
pub(crate) fn invalidation<'a>(
    names: &'a [String],
    scopes: &'a [String],
    fence: Option<&'a Fence>,
    append: Option<(&Append<'a>, &'a log::Keys)>,
) -> Call<'a> {
    let mut keys: Vec<&str> = names.iter().chain(scopes).map(String::as_str).collect();
    let count = |names: &[String]| Arg::Number(u64::try_from(names.len()).unwrap_or(u64::MAX));
    let lasts = fence.filter(|fence| !fence.lasts.is_zero()).map_or(0, |fence| millis(fence.lasts));
    let mut args = vec![
        count(names),
        count(scopes),
        Arg::Number(millis(GENERATION)),
        Arg::NewGeneration,
        Arg::Bytes(fence.map_or(&[], |fence| &fence.token.0)),
        Arg::Number(lasts),
    ];
    if let Some((append, kept)) = append {
        keys.extend([kept.control.as_str(), &kept.log]);
        args.extend(log::appended(append));
    }
    Call::script(&INVALIDATE, keys, args)
}

pub(crate) fn store<'a>(put: &Put<'a>, expect: Option<&'a Expect<'_>>) -> Call<'a> {
    let [least, otherwise] = kept(put.ttl);
    let mut keys: Vec<&str> =
        std::iter::once(put.name).chain(put.scopes.iter().map(String::as_str)).collect();
    let mut args = vec![
        Arg::Marked(VALUE, put.value),
        Arg::Number(millis(put.ttl)),
        Arg::Number(least),
        Arg::Number(otherwise),
    ];
    match expect {
        None => {}
        Some(Expect::Lease(token)) => args.extend([Arg::Bytes(b"lease"), Arg::Marked(LEASE, &token.0)]),
        Some(Expect::Nothing { reject }) => {
            args.push(Arg::Bytes(b"nothing"));
            args.extend(reject.map(|reject| Arg::Marked(VALUE, reject)));
        }
        Some(Expect::Value(seen)) => args.extend([Arg::Bytes(b"value"), Arg::Marked(VALUE, seen)]),
        Some(Expect::Same(beginning)) => args.extend([Arg::Bytes(b"same"), Arg::Marked(VALUE, beginning)]),
        Some(Expect::Unmoved(scope, generation)) => {
            keys.push(scope);
            args.extend([Arg::Bytes(b"unmoved"), Arg::Generation(generation.0), Arg::NewGeneration]);
        }
    }
    Call::script(&STORE, keys, args)
}

/// Reads the answer of a script that says yes or no.
pub(crate) fn whether(reply: Value) -> Result<bool, Failure> {
    match answered(reply)? {
        Value::Int(answer) => Ok(answer == 1),
        _ => Err(Failure::unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn an_answer_that_is_neither_yes_nor_no_is_an_error() {
        assert_eq!(whether(Value::Int(1)).ok(), Some(true));
        assert_eq!(whether(Value::Int(0)).ok(), Some(false));
        assert!(whether(bytes("1")).is_err() && whether(Value::Nil).is_err());
    }
}
