//! One connection, kept usable: made when it is needed, replaced when it breaks or falls silent.
//! What is sent over it is decided elsewhere; nothing here waits beyond the deadline of an operation.
//!
//! Commands of all callers share the connection and overtake nothing. At most one attempt to connect is
//! under way, in a task of its own, so that no caller's end ends it; everybody who needs it waits for it.
//! After a failed attempt there is a pause in which operations fail at once.

use std::sync::Arc;
use std::time::Duration;

use cache_core::ErrorKind;
use cache_core::sabotage::{Fault, is_planted};
use parking_lot::Mutex;
use redis::{Cmd, ServerError, Value};
use tokio::sync::watch as channel;
use tokio::time::{Instant, timeout, timeout_at};

use crate::batch::Reads;
use crate::config::{Address, Config, Deadlines};
use crate::dial::dial;
use crate::error::{Failure, Verdict};
use crate::incarnation::Incarnation;
use crate::link::Link;
use crate::random;
use crate::script::{By, Call, PROBE};
use crate::watch::watch;

/// What an operation is for: how long it may take, and whether it may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    Write,
    /// Storing under a lease: whether it was stored is not known if the connection breaks meanwhile.
    Publish,
    Invalidate,
    News,
    Health,
}

/// The time that one operation has, however many round trips it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    purpose: Purpose,
    limit: Duration,
    until: Instant,
}

/// Keeps one connection to one server.
pub(crate) struct Supervisor {
    config: Config,
    server: String,
    state: Mutex<State>,
    reads: Reads,
}

struct State {
    phase: Phase,
    /// The number of the newest attempt.
    serial: u64,
    /// Attempts that failed since the last that did not.
    failures: u32,
    /// What the log said last: whether there is a connection.
    announced: Option<bool>,
}

enum Phase {
    /// Whoever needs a connection begins to make one.
    Idle,
    Connecting {
        outcome: channel::Receiver<Option<Outcome>>,
        /// When the attempt must have ended, unless the runtime that it runs on stands still.
        over: Instant,
    },
    Connected(Arc<Link>),
    /// The last attempt failed; until then the next one would too.
    Resting {
        until: Instant,
        why: Failure,
    },
}

type Outcome = Result<Arc<Link>, Failure>;

/// How long an attempt to connect may take; operations do not wait for it beyond their own deadlines.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// The longest pause after the first failed attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// No pause is longer, so that a server that is back is noticed.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The pause after a refusal that only a person can change.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

impl Supervisor {
    pub(crate) fn new(config: Config) -> Self {
        let server = config.address.to_string();
        let state = State { phase: Phase::Idle, serial: 0, failures: 0, announced: None };
        Self { config, server, state: Mutex::new(state), reads: Reads::default() }
    }

    /// The time that an operation has, from now on.
    pub(crate) fn budget(&self, purpose: Purpose) -> Budget {
        Budget::new(purpose, self.config.deadlines)
    }

    /// Sends `calls` in one round trip and returns what the server answered to each, refusals included.
    ///
    /// Ends within `budget`, connecting included.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        budget: Budget,
        calls: &[Call<'_>],
    ) -> Result<Vec<Value>, Failure> {
        let Budget { purpose, until, .. } = budget;
        let mut pending = None;
        let answer = timeout_at(until, self.exchange(purpose, calls, &mut pending)).await;
        match answer {
            Ok(answer) => answer,
            Err(_elapsed) => {
                if let Some(Pending { link, sent }) = pending
                    && link.stays_silent(sent)
                {
                    self.lose(&link, &Failure::silent());
                }
                Err(budget.timeout())
            }
        }
    }

    /// Makes sure that there is a connection to a server that can be used.
    pub(crate) async fn check(self: &Arc<Self>) -> Result<(), Failure> {
        self.link().await.map(drop)
    }

    /// What is to be read, and what was asked together.
    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What is known of the connection, in a word.
    pub(crate) fn state(&self) -> &'static str {
        match self.state.lock().phase {
            Phase::Idle => "idle",
            Phase::Connecting { .. } => "connecting",
            Phase::Connected(_) => "connected",
            Phase::Resting { .. } => "unreachable",
        }
    }

    async fn exchange(
        self: &Arc<Self>,
        purpose: Purpose,
        calls: &[Call<'_>],
        pending: &mut Option<Pending>,
    ) -> Result<Vec<Value>, Failure> {
        let mut may_repeat = purpose.may_repeat();
        loop {
            let link = self.link().await?;
            let Pending { link, .. } = pending.insert(Pending { link, sent: Instant::now() });
            match link.send(calls).await {
                Ok(replies) => {
                    link.heard();
                    self.watch_for_refusals(link, &replies);
                    if !link.is_outlived(calls, &replies) {
                        return Ok(replies);
                    }
                    let failure = Failure::outlived();
                    self.lose(link, &failure);
                    *pending = None;
                    if !may_repeat {
                        return Err(failure);
                    }
                    may_repeat = false;
                }
                Err(error) => {
                    let failure = Failure::broken(&error);
                    self.lose(link, &failure);
                    *pending = None;
                    // A connection that was idle may have ended long ago without anybody noticing; and one that ends in
                    // the middle of an answer has damaged that.
                    if !may_repeat {
                        return Err(failure);
                    }
                    may_repeat = false;
                }
            }
        }
    }

    /// Gives the connection up if a refusal says that it leads to the wrong place.
    fn watch_for_refusals(&self, link: &Link, replies: &[Value]) {
        for reply in replies {
            if let Value::ServerError(error) = reply {
                let failure = Failure::refused(error);
                if failure.connection == Verdict::Replace {
                    self.lose(link, &failure);
                }
            }
        }
    }

    /// The connection, as soon as there is one.
    async fn link(self: &Arc<Self>) -> Outcome {
        loop {
            let mut outcome = {
                let mut state = self.state.lock();
                match &state.phase {
                    Phase::Connected(link) => return Ok(Arc::clone(link)),
                    Phase::Connecting { outcome, over } if Instant::now() < *over => outcome.clone(),
                    Phase::Resting { until, why } if Instant::now() < *until => return Err(why.clone()),
                    _ => self.begin(&mut state),
                }
            };
            if let Ok(outcome) = outcome.wait_for(Option::is_some).await
                && let Some(outcome) = outcome.clone()
            {
                return outcome;
            }
            // The runtime that carried the attempt ended with it.
            self.forget(&outcome);
        }
    }

    /// Begins an attempt, in a task that outlives whoever needed it first.
    fn begin(self: &Arc<Self>, state: &mut State) -> channel::Receiver<Option<Outcome>> {
        state.serial += 1;
        let (sender, outcome) = channel::channel(None);
        let limit = CONNECT_LIMIT.max(self.config.deadlines.longest());
        state.phase = Phase::Connecting { outcome: outcome.clone(), over: Instant::now() + 2 * limit };
        let (supervisor, serial) = (Arc::clone(self), state.serial);
        tokio::spawn(async move {
            let attempt = timeout(limit, supervisor.connect(serial)).await;
            let ended =
                attempt.unwrap_or_else(|_elapsed| Err(Failure::not_connected(&supervisor.server, limit)));
            supervisor.end(serial, &ended);
            sender.send_replace(Some(ended.clone()));
            let supervisor = Arc::downgrade(&{ supervisor });
            if let Ok(link) = ended {
                watch(supervisor, link).await;
            }
        });
        outcome
    }

    /// Makes a connection, logs in, and sees whether the server can be used.
    async fn connect(&self, serial: u64) -> Outcome {
        let primary = match &self.config.address {
            Address::Sentinel(sentinels) => Some(sentinels.primary(&self.config, serial).await?),
            _ => None,
        };
        let dialled = dial(&self.config, self.config.target(primary.clone())).await;
        let connection = dialled.map_err(|error| Failure::unreachable(&self.server, &error))?;
        let mut link = Link::new(connection, serial, primary);
        let (steps, commands): (Vec<Step>, Vec<Cmd>) = self.greeting().into_iter().unzip();
        for (step, reply) in steps.into_iter().zip(link.each(commands).await) {
            match reply {
                Ok(Value::ServerError(error)) => {
                    self.judge(step, &error)?;
                    link.is_replica |= step == Step::Probe;
                }
                Ok(_) if step == Step::Incarnation && is_planted(Fault::IncarnationIgnored) => {}
                Ok(info) if step == Step::Incarnation => {
                    link.incarnation = Incarnation::told_by(&info).unwrap_or_default();
                }
                Ok(_) => {}
                Err(error) => return Err(Failure::ungreeted(&self.server, &error)),
            }
        }
        Ok(Arc::new(link))
    }

    /// What the refusal of a step means for the connection.
    fn judge(&self, step: Step, error: &ServerError) -> Result<(), Failure> {
        if let Some(failure) = Failure::turned_away(error) {
            return Err(failure);
        }
        match step {
            Step::Login => Err(Failure::login(error)),
            Step::Database => Err(Failure::database(error, self.config.db)),
            // A name is a courtesy, and some users may not give themselves one.
            // Nor ask for the incarnation: then a restart from an older copy goes unnoticed, as `health` says.
            Step::Name | Step::Incarnation => Ok(()),
            // A replica in a cluster knows who else is there, and what it is asked for besides it sends on.
            Step::Probe if self.config.in_cluster && error.code() == "READONLY" => Ok(()),
            Step::Probe => Err(Failure::probe(error)),
        }
    }

    /// What is said first on a connection, in one round trip.
    fn greeting(&self) -> Vec<(Step, Cmd)> {
        let mut greeting = Vec::new();
        if let Some(login) = &self.config.login {
            greeting.push((Step::Login, login.command()));
        }
        if self.config.db != 0 {
            let mut command = redis::cmd("SELECT");
            command.arg(self.config.db);
            greeting.push((Step::Database, command));
        }
        let name = Call::command("CLIENT", vec!["SETNAME", &self.config.client_name], Vec::new());
        let plain = |call: &Call<'_>| call.packed(By::Source, Incarnation::default());
        greeting.push((Step::Name, plain(&name)));
        greeting.push((Step::Probe, plain(&Call::script(&PROBE, Vec::new(), Vec::new()))));
        // After the probe: of a replica that is promoted in between, the incarnation that it has then.
        greeting.push((Step::Incarnation, plain(&Call::command("INFO", vec!["replication"], Vec::new()))));
        greeting
    }

    /// Notes how the attempt `serial` ended, unless a newer one has begun.
    fn end(&self, serial: u64, outcome: &Outcome) {
        let trouble = outcome.as_ref().err();
        let news = {
            let mut state = self.state.lock();
            if state.serial != serial {
                return;
            }
            match outcome {
                Ok(link) => {
                    state.failures = 0;
                    state.phase = Phase::Connected(link.clone());
                }
                Err(failure) => {
                    let pause = pause_after(failure, state.failures);
                    state.failures = state.failures.saturating_add(1);
                    state.phase = Phase::Resting { until: Instant::now() + pause, why: failure.clone() };
                }
            }
            state.is_news(trouble.is_none())
        };
        if news {
            self.announce(trouble);
        }
    }

    /// Whether `link` is the one in use.
    pub(crate) fn uses(&self, link: &Link) -> bool {
        matches!(&self.state.lock().phase, Phase::Connected(current) if current.serial == link.serial)
    }

    /// Gives `link` up, if it is still the one in use.
    pub(crate) fn lose(&self, link: &Link, why: &Failure) {
        let news = {
            let mut state = self.state.lock();
            let current = matches!(&state.phase, Phase::Connected(current) if current.serial == link.serial);
            if current {
                state.phase = Phase::Idle;
            }
            current && state.is_news(false)
        };
        if news {
            self.announce(Some(why));
        }
    }

    /// Takes back an attempt that ended without an outcome, if it is still the one under way.
    fn forget(&self, ended: &channel::Receiver<Option<Outcome>>) {
        let mut state = self.state.lock();
        if matches!(&state.phase, Phase::Connecting { outcome, .. } if outcome.same_channel(ended)) {
            state.phase = Phase::Idle;
        }
    }

    /// Says that there is a connection, or why there is none. No lock is held while a log is written.
    fn announce(&self, trouble: Option<&Failure>) {
        match trouble {
            None => tracing::info!(target: "larder", server = self.server, "connected to redis"),
            Some(why) => {
                tracing::warn!(target: "larder", server = self.server, reason = %why.text, "no connection to redis");
            }
        }
    }
}

impl State {
    /// Whether this is not what the log said last.
    fn is_news(&mut self, connected: bool) -> bool {
        self.announced.replace(connected) != Some(connected)
    }
}

/// An operation that was sent and not yet answered.
struct Pending {
    link: Arc<Link>,
    sent: Instant,
}

/// The parts of a greeting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Login,
    Database,
    Name,
    Probe,
    Incarnation,
}

impl Budget {
    pub(crate) fn new(purpose: Purpose, deadlines: Deadlines) -> Self {
        let limit = purpose.deadline(deadlines);
        Self { purpose, limit, until: Instant::now() + limit }
    }

    /// With this much more time, for an operation that waits so long on purpose.
    pub(crate) fn after(self, wait: Duration) -> Self {
        Self { limit: self.limit + wait, until: self.until + wait, ..self }
    }

    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// That the time is over.
    pub(crate) fn timeout(&self) -> Failure {
        Failure::timeout(self.purpose.name(), self.limit)
    }
}

impl Purpose {
    fn deadline(self, deadlines: Deadlines) -> Duration {
        match self {
            Self::Read | Self::News => deadlines.read,
            Self::Write | Self::Publish => deadlines.write,
            Self::Invalidate => deadlines.invalidate,
            Self::Health => deadlines.longest(),
        }
    }

    fn may_repeat(self) -> bool {
        self != Self::Publish
    }

    fn name(self) -> &'static str {
        match self {
            Self::Read => "a read",
            Self::Write | Self::Publish => "a write",
            Self::Invalidate => "an invalidation",
            Self::News => "a question for news",
            Self::Health => "a health check",
        }
    }
}

/// How long to leave a server alone after `failure`, when `before` attempts had failed already.
fn pause_after(failure: &Failure, before: u32) -> Duration {
    match failure.kind {
        ErrorKind::Denied | ErrorKind::Config => REFUSED_PAUSE + random::up_to(LONGEST_PAUSE),
        _ => random::up_to(FIRST_PAUSE.saturating_mul(1 << before.min(10)).min(LONGEST_PAUSE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_short() {
        let failure = Failure::silent();
        assert!(pause_after(&failure, 0) <= FIRST_PAUSE);
        for before in 0..1000 {
            assert!(pause_after(&failure, before) <= LONGEST_PAUSE);
        }
    }
}
