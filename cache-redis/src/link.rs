//! One connection: what is sent over it, and whether it still answers.
//! Making connections and giving them up is the business of `supervisor`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ConnectionAddr, RedisResult, Value};
use tokio::time::Instant;

use crate::incarnation::Incarnation;
use crate::script::{By, Call};
use crate::together::together;

/// A connection that is, or was, the one to use.
pub(crate) struct Link {
    connection: MultiplexedConnection,
    /// That of the server, which is asked for it before anything else.
    pub(crate) incarnation: Incarnation,
    /// Whether the server was a replica when it was asked. When it is one no more, it has another incarnation.
    pub(crate) is_replica: bool,
    pub(crate) serial: u64,
    /// Where it leads to, if sentinels said that.
    pub(crate) primary: Option<ConnectionAddr>,
    made: Instant,
    /// When the first of the latest operations ran into its deadline, in nanoseconds since `made`; 0 after
    /// any answer.
    silent_since: AtomicU64,
    /// Whether anything was answered since somebody looked.
    answered: AtomicBool,
}

impl Link {
    /// A connection that was just made, by the attempt `serial`.
    pub(crate) fn new(
        connection: MultiplexedConnection,
        serial: u64,
        primary: Option<ConnectionAddr>,
    ) -> Self {
        Self {
            connection,
            incarnation: Incarnation::default(),
            is_replica: false,
            serial,
            primary,
            made: Instant::now(),
            silent_since: AtomicU64::default(),
            answered: AtomicBool::default(),
        }
    }

    /// Sends `calls`; a script that the server does not know goes along with its source.
    pub(crate) async fn send(&self, calls: &[Call<'_>]) -> RedisResult<Vec<Value>> {
        let mut replies = self
            .round_trip(calls.iter().map(|call| call.packed(By::Digest, self.incarnation)).collect())
            .await?;
        let unknown: Vec<usize> =
            (0..replies.len()).filter(|place| is_unknown_script(&replies[*place])).collect();
        let plain = calls.iter().zip(&mut replies).filter(|(call, _)| call.reads_plainly());
        for (_, reply) in plain {
            self.incarnation.take_out_of(reply);
        }
        if unknown.is_empty() {
            return Ok(replies);
        }
        // All calls of one round trip are of one script: the first brings it, the others find it there.
        let by = std::iter::once(By::Source).chain(std::iter::repeat(By::Digest));
        let again =
            unknown.iter().zip(by).map(|(place, by)| calls[*place].packed(by, self.incarnation)).collect();
        for (place, reply) in unknown.into_iter().zip(self.round_trip(again).await?) {
            replies[place] = reply;
        }
        Ok(replies)
    }

    /// Whether `replies` show that the server has begun another life since it was asked.
    pub(crate) fn is_outlived(&self, calls: &[Call<'_>], replies: &[Value]) -> bool {
        let done = |(call, reply): (&Call<'_>, &Value)| {
            call.is_of_one_life() && !matches!(reply, Value::ServerError(_))
        };
        self.is_replica && calls.iter().zip(replies).any(done)
    }

    /// Sends `commands` together; as many answers as commands, refusals included.
    async fn round_trip(&self, mut commands: Vec<Cmd>) -> RedisResult<Vec<Value>> {
        let mut connection = self.connection.clone();
        if commands.len() == 1
            && let Some(command) = commands.pop()
        {
            return Ok(vec![connection.send_packed_command(&command).await?]);
        }
        let count = commands.len();
        let mut pipeline = redis::Pipeline::with_capacity(count);
        for command in commands {
            pipeline.add_command(command);
        }
        connection.send_packed_commands(&pipeline, 0, count).await
    }

    /// Sends `commands` in one round trip, and has an outcome for each: a server that breaks off may have
    /// said why before.
    pub(crate) async fn each(&self, commands: Vec<Cmd>) -> Vec<RedisResult<Value>> {
        let sent = commands.into_iter().map(|command| {
            let mut connection = self.connection.clone();
            async move { connection.send_packed_command(&command).await }
        });
        together(sent).await
    }

    /// Notes that the server answered.
    pub(crate) fn heard(&self) {
        // Written only when they change: many operations end on many cores.
        if self.silent_since.load(Ordering::Relaxed) != 0 {
            self.silent_since.store(0, Ordering::Relaxed);
        }
        if !self.answered.load(Ordering::Relaxed) {
            self.answered.store(true, Ordering::Relaxed);
        }
    }

    /// Whether anything was answered since the last look.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.swap(false, Ordering::Relaxed)
    }

    /// Asks for an answer, whichever.
    pub(crate) async fn ping(&self) -> RedisResult<Value> {
        self.connection.clone().send_packed_command(&redis::cmd("PING")).await
    }

    /// Notes that what was sent at `sent` was not answered in time; whether that was the second time in a
    /// row. Operations that were under way together count as one.
    pub(crate) fn stays_silent(&self, sent: Instant) -> bool {
        let since_made = |moment: Instant| {
            u64::try_from(moment.saturating_duration_since(self.made).as_nanos()).unwrap_or(u64::MAX).max(1)
        };
        match self.silent_since.load(Ordering::Relaxed) {
            0 => {
                self.silent_since.store(since_made(Instant::now()), Ordering::Relaxed);
                false
            }
            first => since_made(sent) >= first,
        }
    }
}

fn is_unknown_script(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.code() == "NOSCRIPT")
}
