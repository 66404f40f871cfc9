//! How this process learns of what others invalidate, and how long it trusts what it holds without hearing anything.
//! What a store keeps for that, and how, is the store's contract; whether a value is current is the rule's.
//!
//! # The argument
//!
//! Every invalidation appends to the log of its namespace, in the same step that kills the shared copies. A *question*
//! answers, as of one instant of the store, where the log ends and what it holds after the place up to which this
//! process has read. When all of that is applied, each scope that another process moved before the question was sent
//! has moved here, too. So what is current here then is as new as the question, and may be served until Δ after it
//! was **sent**: [`Feed::trusted_until`]. An answer that was a long time on its way proves nothing of that time.
//!
//! A value is served iff it is fresh, current, and `now − max(last question, its load's beginning) ≤ Δ`. The second of
//! the two is the floor: with the store gone, a value still lives Δ after its load began, since whatever was
//! invalidated before that, its load has seen. A cache whose invalidations wait for the fleet has no floor: what it is
//! waited for is the end of what it has heard, and a value may be loaded later than that.
//!
//! If the log has a gap after our place, or is another epoch, nothing is known of what happened in between. Then
//! everything here moves, and the end of the log as of the question is our place: what is loaded from now on is newer.
//! That is how it begins, too, so the first use of the remote store waits for it: nothing is held then.
//!
//! Records of this very process are passed over. It has moved the scopes already, and moves them again before the
//! invalidation is acknowledged, or owed; to whom it is not acknowledged nothing is promised.
//!
//! The question goes the way of all operations, not one of its own, so that what it proves it proves of the server
//! that values are read from: one that was demoted or cut off from its replicas refuses the question as it would
//! refuse an invalidation. Only the wait for the next record goes another way. If that one is broken there is a
//! question every third of Δ all the same.

use std::sync::Weak;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::builder::{Ack, Settings};
use crate::cache::Inner;
use crate::clock::{self, Moment};
use crate::entry::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::flight::{Boarding, Joinable, Purpose};
use crate::guard::Guard;
use crate::health::Hearing;
use crate::key::Key;
use crate::recent::Source;
use crate::record::{self, Around, Record};
use crate::sabotage::{Fault, is_planted};
use crate::scope::Scope;
use crate::store::{News, Position, Reader};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::tag::Tag;

/// The longest wait for a record between two questions.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// The first pause between two looks whether others have heard of an invalidation; it doubles with each.
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// No pause is longer.
const LONGEST_LOOK: Duration = Duration::from_millis(20);

/// What this process knows of the log.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// Δ after the last question whose answer left nothing unknown, in nanoseconds.
    trusted_until: AtomicU64,
    /// By how much the shortest Δ of a function is shorter than the cache's, in nanoseconds.
    shorter: AtomicU64,
    /// Up to where it has been read. One question at a time, so that records are applied in their order.
    place: tokio::sync::Mutex<Option<Position>>,
    beginning: tokio::sync::Mutex<()>,
    /// Whether a task follows the log, or need not.
    listens: AtomicBool,
    /// Dropping it ends the task.
    task: Mutex<JoinSet<()>>,
}

/// What an answer amounted to.
#[derive(Clone, Copy, Debug)]
struct Heard {
    place: Position,
    /// Whether there were records: then the store has yet to learn that they are applied, and may have more.
    records: bool,
}

/// What a hit has to know of the time, as of before it asked the rule.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trust {
    /// There are no other processes.
    Alone,
    /// There are, and until then all is known that they have invalidated.
    Until(Moment),
}

impl Trust {
    /// The time by which a hit tells whether its entry is an answer.
    ///
    /// Beside a remote store it is what other processes were promised, so it is exact.
    #[inline]
    pub(crate) fn now(self) -> Moment {
        match self {
            Self::Alone => clock::coarse(),
            Self::Until(_) => clock::now(),
        }
    }

    /// Whether a current entry may be served at `now`.
    #[inline]
    pub(crate) fn covers(self, entry: &Entry, now: Moment) -> bool {
        match self {
            Self::Alone => true,
            Self::Until(heard) => {
                now < heard || now < entry.trusted_until() || is_planted(Fault::StalenessUnasked)
            }
        }
    }
}

/// What a caller asks of local entries whose function has a Δ of its own, as of before the rule is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Within(Option<Asked>);

#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Δ of the cache after the last question, as for everybody.
    heard: Moment,
    /// By how much its own Δ is shorter.
    shorter: Duration,
}

impl Within {
    /// Whether a current entry is new enough.
    #[inline]
    pub(crate) fn allows(self, entry: &Entry) -> bool {
        self.0.is_none_or(|asked| asked.allows(entry.trusted_until()))
    }
}

impl Asked {
    fn allows(self, trusted_until: Moment) -> bool {
        clock::now() + self.shorter < self.heard.max(trusted_until)
    }
}

impl Inner {
    /// What a caller asks for with this Δ of its own, if any. The cache's is the longest there is.
    #[inline]
    pub(crate) fn within(&self, own: Option<Duration>) -> Within {
        Within(own.and_then(|own| self.asked(own)))
    }

    fn asked(&self, own: Duration) -> Option<Asked> {
        let shorter = self.settings.max_staleness.saturating_sub(own);
        if self.settings.remote.is_none() || shorter.is_zero() {
            return None;
        }
        let nanos = u64::try_from(shorter.as_nanos()).unwrap_or(u64::MAX);
        if self.feed.shorter.load(Ordering::Relaxed) < nanos {
            self.feed.shorter.fetch_max(nanos, Ordering::Relaxed);
        }
        Some(Asked { heard: self.feed.trusted_until(), shorter })
    }

    #[inline]
    pub(crate) fn trust(&self) -> Trust {
        if self.settings.remote.is_some() { Trust::Until(self.feed.trusted_until()) } else { Trust::Alone }
    }

    /// How old the load of another may be for its value to be an answer.
    ///
    /// It is an answer on the same terms as an entry, with a Δ of its own, if any. Ask for this before the rule.
    pub(crate) fn joinable(&self, own: Option<Duration>) -> Joinable {
        let (limit, Within(asked)) = (self.settings.load_limit, self.within(own));
        let shorter = asked.map_or(Duration::ZERO, |asked| asked.shorter);
        let unheard = self.settings.remote.is_some() && clock::now() + shorter >= self.feed.trusted_until();
        let staleness = self.settings.floor().saturating_sub(shorter);
        Joinable { load: if unheard { limit.min(staleness) } else { limit }, refresh: limit }
    }

    /// Comes aboard the flight of `key` for a `purpose`, or starts one.
    pub(crate) fn board(&self, key: &Key, tags: &[Tag], own: Option<Duration>, purpose: Purpose) -> Boarding {
        // What is promised to other processes goes by the exact time.
        let now = if self.settings.remote.is_some() { clock::now() } else { clock::coarse() };
        self.flights.board(key, tags, &self.scopes, self.joinable(own), purpose, now)
    }

    /// Sees to it that this process hears of what others invalidate. The first time that takes a question.
    ///
    /// Call it before a value is asked for that is to be kept: whatever is held at the first answer is given up.
    #[inline]
    pub(crate) async fn listen(&self) {
        if self.has_to_listen() {
            self.begin_to_listen().await;
        }
    }

    /// Whether [`listen`](Self::listen) would take a question.
    #[inline]
    pub(crate) fn has_to_listen(&self) -> bool {
        self.hears() && !self.feed.listens.load(Ordering::Acquire)
    }

    /// Whether there is anything that others could make wrong.
    fn hears(&self) -> bool {
        let Settings { local, remote, ack, .. } = &self.settings;
        remote.is_some() && (local.is_some() || *ack == Ack::Fleet)
    }

    #[cold]
    async fn begin_to_listen(&self) {
        let (Some(remote), Ok(runtime)) = (&self.settings.remote, Handle::try_current()) else { return };
        let _one_at_a_time = self.feed.beginning.lock().await;
        if self.feed.listens.load(Ordering::Acquire) {
            return;
        }
        let first = self.ask_for_news().await;
        self.feed.listens.store(true, Ordering::Release);
        match first {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            _ => {
                let follower = Follower { cache: Weak::clone(&self.this) };
                let mut task = self.feed.task.lock();
                // The one before has ended with its runtime.
                *task = JoinSet::new();
                task.spawn_on(follower.run(remote.clone(), self.settings.log()), &runtime);
            }
        }
    }

    /// How long to wait for a record between two questions.
    fn wait(&self) -> Duration {
        let shorter = Duration::from_nanos(self.feed.shorter.load(Ordering::Relaxed));
        (self.settings.max_staleness.saturating_sub(shorter) / 3)
            .clamp(Duration::from_millis(1), LONGEST_WAIT)
    }

    /// Asks for news, and does what they say.
    async fn ask_for_news(&self) -> Result<Heard> {
        let Some(remote) = &self.settings.remote else {
            return Err(Error::new(ErrorKind::Unsupported, "there is no remote store"));
        };
        let reader = Reader { name: self.sender, trusts_for: self.settings.max_staleness };
        let mut place = self.feed.place.lock().await;
        let asked = clock::now();
        let news = remote.news(&self.settings.log(), *place, reader).await?;
        let asked = if is_planted(Fault::TrustFromReceipt) { clock::now() } else { asked };
        let heard = self.apply(&mut place, news);
        if heard.1 {
            let until = asked + self.settings.max_staleness;
            self.feed.trusted_until.fetch_max(until.nanos(), Ordering::AcqRel);
        }
        Ok(heard.0)
    }

    /// Does what the news say; whether nothing is unknown then.
    fn apply(&self, place: &mut Option<Position>, News { end, records }: News) -> (Heard, bool) {
        let followed = place.filter(|place| place.epoch == end.epoch);
        let mut read = followed.map_or(end.sequence, |place| place.sequence);
        let expected = (read + 1..).zip(&records).all(|(expected, (number, _))| expected == *number);
        let gap = !expected || (records.is_empty() && read != end.sequence);
        let found = !records.is_empty();
        if followed.is_none() || (gap && !is_planted(Fault::GapIgnored)) {
            if place.is_some() {
                self.counters.distrusts.increment();
                tracing::warn!(
                    target: "larder", "what this process holds is given up: it may have missed what others invalidated"
                );
            }
            self.move_locally(&[Scope::Everything]);
            read = end.sequence;
        } else {
            for (number, record) in records {
                let Record { sender, around, scopes } = record::read(&record);
                if sender != Some(self.sender) {
                    // A fence says the same twice: before the mutation, and after it.
                    if !matches!(around, Around::Begin(_)) {
                        self.recent.note(Source::Elsewhere, &scopes);
                    }
                    self.keep_out(&scopes, around);
                    self.move_locally(&scopes);
                }
                read = number;
            }
            if gap {
                read = end.sequence;
            }
        }
        let position = Position { epoch: end.epoch, sequence: read };
        *place = Some(position);
        (Heard { place: position, records: found }, read >= end.sequence)
    }

    /// Waits until everything up to `position` is applied here.
    pub(crate) async fn hear_of(&self, position: Position) -> Result<()> {
        if self.settings.remote.is_none() {
            return Ok(());
        }
        if !self.hears() {
            // Values are read from the store itself. Loads under way may be older, and are not to be joined.
            self.scopes.advance(&Scope::Everything);
            return Ok(());
        }
        self.listen().await;
        let known = *self.feed.place.lock().await;
        if known.is_some_and(|known| known.epoch == position.epoch && known.sequence >= position.sequence) {
            return Ok(());
        }
        loop {
            let heard = match self.ask_for_news().await {
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    self.move_locally(&[Scope::Everything]);
                    return Ok(());
                }
                heard => heard?,
            };
            // The epoch of the ticket has ended. Everything has moved here since, when the next one was found.
            if heard.place.epoch != position.epoch || heard.place.sequence >= position.sequence {
                return Ok(());
            }
            if !heard.records {
                // The store knows nothing of it, so it knows less than it did.
                self.move_locally(&[Scope::Everything]);
                return Ok(());
            }
        }
    }

    /// Waits, if so asked, until every process that follows the log goes by what it says up to `position`.
    ///
    /// Those that ask for nothing more are waited for until they trust nothing that they heard before. If nobody can be
    /// asked about them, until they trust no more than this process would.
    pub(crate) async fn await_fleet(&self, position: Option<Position>) {
        let Settings { ack: Ack::Fleet, remote: Some(remote), .. } = &self.settings else { return };
        let Some(position) = position.filter(|_| !is_planted(Fault::FleetUnasked)) else { return };
        let (log, until) = (self.settings.log(), clock::now() + self.settings.max_staleness);
        let mut pause = FIRST_LOOK;
        loop {
            match remote.is_heard(&log, position, self.settings.max_staleness).await {
                Ok(true) => return,
                // The log has begun anew. Asking again would tell no more.
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    return tokio::time::sleep(until.since(clock::now())).await;
                }
                Err(_) if clock::now() >= until => return,
                Ok(false) | Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_LOOK);
        }
    }

    /// How this process is doing at it.
    pub(crate) fn hearing(&self) -> Hearing {
        let (now, until) = (clock::now(), self.feed.trusted_until());
        if !self.hears() {
            Hearing::RemoteOnly
        } else if now < until {
            Hearing::Feed { lag: self.settings.max_staleness.saturating_sub(until.since(now)) }
        } else {
            Hearing::FloorOnly
        }
    }
}

impl Settings {
    /// For how long after its load began a value is an answer, whatever is heard.
    ///
    /// Nobody who waits for the whole fleet could know of such a value in a process that does not answer.
    pub(crate) fn floor(&self) -> Duration {
        let has_none = self.ack == Ack::Fleet && !is_planted(Fault::FloorInTheFleet);
        if has_none { Duration::ZERO } else { self.max_staleness }
    }
}

impl Feed {
    #[inline]
    fn trusted_until(&self) -> Moment {
        Moment::from_nanos(self.trusted_until.load(Ordering::Acquire))
    }
}

/// The task that follows the log, for as long as there is the cache and the runtime that it was started in.
struct Follower {
    cache: Weak<Inner>,
}

impl Follower {
    async fn run(self, remote: Guard, log: String) {
        let mut deaf = false;
        loop {
            let Some(cache) = self.cache.upgrade() else { return };
            let (heard, wait) = (cache.ask_for_news().await, cache.wait());
            drop(cache);
            if heard.is_err() != deaf {
                deaf = !deaf;
                if let Err(error) = &heard {
                    tracing::warn!(target: "larder", %error, "there is no hearing what others invalidate");
                } else {
                    tracing::info!(target: "larder", "what others invalidate is heard of again");
                }
            }
            let rung = match heard {
                Ok(heard) if heard.records => continue,
                Ok(heard) => remote.await_news(&log, heard.place, wait).await,
                Err(error) => Err(error),
            };
            if rung.is_err() {
                tokio::time::sleep(wait).await;
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.upgrade() {
            cache.feed.listens.store(false, Ordering::Release);
        }
    }
}
