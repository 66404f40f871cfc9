//! One load per key: who runs it, who waits for it, and who takes over when its runner goes away.
//!
//! A flight belongs to everybody aboard. The *lead* runs the load in its own task; the others wait for the
//! lead token, and whoever gets it leads next. So a dropped or panicking lead strands nobody, and the last to
//! leave takes the flight off the board. Which value may be shared is not decided here: that is the rule's.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::clock::Moment;
use crate::entry::Entry;
use crate::key::Key;
use crate::sabotage::{Fault, is_planted};
use crate::scope::{Identity, Scopes, Stamp};
use crate::shape::SharedError;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::tag::Tag;

/// Failed loads that a caller sees of others before it loads for itself.
const MAX_FAILURES: u32 = 2;

const SHARDS: usize = 16;

type Board = HashMap<Key, Arc<Flight>, BuildHasherDefault<Identity>>;

/// The loads in flight of one cache, by key.
#[derive(Default)]
pub(crate) struct Flights {
    shards: [Mutex<Board>; SHARDS],
}

/// One load of one key, and everybody who waits for it.
pub(crate) struct Flight {
    /// Taken before the load began: what it makes is as current as this.
    stamp: Arc<Stamp>,
    began: Moment,
    /// One permit: the lead. Closed when there is an outcome.
    lead: Semaphore,
    outcome: OnceLock<Outcome>,
    /// Whether callers are answered meanwhile with what it refreshes.
    refreshes: bool,
    /// Callers aboard. Changes only under the lock of the shard.
    aboard: AtomicU32,
    failures: AtomicU32,
}

/// How a flight ended, for those who waited.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The load made this entry, whether it was stored or not.
    Value(Arc<Entry>),
    /// There was no load: this entry is in its stale window.
    Stale(Arc<Entry>),
    /// The load failed in a way that everybody can be told.
    Error(SharedError),
    /// The load failed, for reasons that cannot be copied, more than once.
    Gone,
}

/// What a caller comes aboard for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A value.
    Load,
    /// A value that nobody else has begun to load.
    Anew,
    /// To refresh a value that callers are answered with meanwhile.
    Refresh,
    /// A value, or to learn that it is being refreshed.
    PassBy,
}

/// How old a flight may be that is joined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joinable {
    /// By a caller that wants what it makes.
    pub(crate) load: Duration,
    /// By a caller that only wants it to be a refresh.
    pub(crate) refresh: Duration,
}

impl Joinable {
    fn of(self, flight: &Flight, purpose: Purpose) -> Duration {
        let refresh = flight.refreshes && matches!(purpose, Purpose::Refresh | Purpose::PassBy);
        if refresh { self.refresh } else { self.load }
    }
}

/// What a caller does after it came aboard.
pub(crate) enum Boarding {
    /// Run the load.
    Lead(Seat),
    /// Wait for it.
    Wait(Seat),
}

/// What became of waiting.
pub(crate) enum Waited {
    /// Somebody's load ended.
    Landed(Outcome),
    /// Somebody's load ended with a value that something covers which moved before this caller came.
    Overtaken,
    /// The lead went away: this caller leads now.
    Lead(Seat),
    /// Too long: load alone.
    TimedOut,
}

/// A caller's place in a flight. Dropping it leaves the flight, whatever the reason.
pub(crate) struct Seat {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    /// The last move when this caller came aboard.
    boarded: u64,
    leads: bool,
    /// Whether this caller has ended the flight, and so is off it already.
    landed: bool,
}

impl Flights {
    /// Comes aboard the flight of `key`, or starts one.
    ///
    /// What a flight makes is known as of `now`, which may be a moment ago.
    /// A flight is joined only if what it makes will be current for this caller, and if it is not older
    /// than `limit`, and if that serves its `purpose` at all. Otherwise it is taken off the board: those aboard still get its value.
    pub(crate) fn board(
        self: &Arc<Self>,
        key: &Key,
        tags: &[Tag],
        scopes: &Scopes,
        limit: Joinable,
        purpose: Purpose,
        now: Moment,
    ) -> Boarding {
        let mut board = self.shard(key);
        let joined = board.get(key).filter(|flight| {
            let current = scopes.is_current(&flight.stamp, key.borrow());
            purpose != Purpose::Anew
                && (current || is_planted(Fault::JoinAnyFlight))
                && now.since(flight.began) < limit.of(flight, purpose)
        });
        if let Some(flight) = joined {
            flight.aboard.fetch_add(1, Ordering::Relaxed);
            return Boarding::Wait(self.seat(flight, scopes.now(), false));
        }
        let flight = Arc::new(Flight {
            stamp: Arc::new(scopes.stamp(key, tags)),
            began: now,
            lead: Semaphore::new(0),
            outcome: OnceLock::new(),
            refreshes: purpose == Purpose::Refresh,
            aboard: AtomicU32::new(1),
            failures: AtomicU32::new(0),
        });
        board.insert(key.clone(), Arc::clone(&flight));
        Boarding::Lead(self.seat(&flight, flight.stamp.taken(), true))
    }

    /// Whether there is a flight of `key`.
    pub(crate) fn carries(&self, key: &Key) -> bool {
        self.shard(key).contains_key(key)
    }

    /// Runs `publish` while no flight of `key` can end and nobody else publishes under it.
    pub(crate) fn exclusively<T>(&self, key: &Key, publish: impl FnOnce() -> T) -> T {
        let _board = self.shard(key);
        publish()
    }

    fn seat(self: &Arc<Self>, flight: &Arc<Flight>, boarded: u64, leads: bool) -> Seat {
        Seat { flights: Arc::clone(self), flight: Arc::clone(flight), boarded, leads, landed: false }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Board> {
        self.shards[usize::try_from(key.hash64() % SHARDS as u64).unwrap_or_default()].lock()
    }

    /// Flights on the board, for tests and for `Debug`.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|board| board.lock().len()).sum()
    }
}

impl Seat {
    pub(crate) fn stamp(&self) -> &Arc<Stamp> {
        &self.flight.stamp
    }

    pub(crate) fn began(&self) -> Moment {
        self.flight.began
    }

    fn key(&self) -> &Key {
        self.flight.stamp.key()
    }

    /// Whether callers are answered meanwhile with what this flight refreshes.
    pub(crate) fn refreshes(&self) -> bool {
        self.flight.refreshes
    }

    /// Waits until the flight lands or this caller has to lead, for `limit` at most.
    #[expect(clippy::manual_async_fn, reason = "that keeps its arguments twice, and a crowd may wait here")]
    pub(crate) fn wait(mut self, limit: Duration) -> impl Future<Output = Waited> {
        async move {
            let lead = if Handle::try_current().is_ok() {
                timeout(limit, self.flight.lead.acquire()).await
            } else {
                // Another executor than tokio: there is no timer to ask.
                Ok(self.flight.lead.acquire().await)
            };
            // Forgotten, since the seat gives the lead back when it is dropped.
            let lead = lead.map(|lead| lead.map(SemaphorePermit::forget));
            match lead {
                Err(_) => Waited::TimedOut,
                Ok(Ok(())) => {
                    self.leads = true;
                    Waited::Lead(self)
                }
                // Closed, and an outcome was set before unless there was none.
                Ok(Err(_)) => match self.flight.outcome.get() {
                    Some(Outcome::Value(made) | Outcome::Stale(made)) if !self.may_share(made) => {
                        Waited::Overtaken
                    }
                    outcome => Waited::Landed(outcome.cloned().unwrap_or(Outcome::Gone)),
                },
            }
        }
    }

    /// Whether this caller may have what the flight has made.
    fn may_share(&self, made: &Entry) -> bool {
        self.flight.stamp.lets_share(made.stamp(), self.boarded) || is_planted(Fault::ShareUnasked)
    }

    /// Ends the flight: `publish` runs while nobody can come aboard, then everybody who waits gets `outcome`.
    ///
    /// A flight that another has replaced publishes nothing: it would overwrite what is newer.
    pub(crate) fn land(mut self, publish: impl FnOnce(), outcome: impl FnOnce() -> Outcome) {
        let waiting = {
            let mut board = self.flights.shard(self.key());
            if self.take_off(&mut board) {
                publish();
            }
            self.flight.aboard.fetch_sub(1, Ordering::Relaxed) > 1
        };
        self.landed = true;
        if waiting {
            let _first = self.flight.outcome.set(outcome());
        }
        self.flight.lead.close();
    }

    /// The load failed with an error that cannot be given to the others: one of them tries again, until
    /// they have seen enough.
    pub(crate) fn fail(self) {
        self.flight.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the flight off the board; whether it was there.
    fn take_off(&self, board: &mut Board) -> bool {
        let there = board.get(self.key()).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        if there {
            board.remove(self.key());
        }
        there
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        let flight = &self.flight;
        if self.leads && std::thread::panicking() {
            flight.failures.fetch_add(1, Ordering::Relaxed);
        }
        let hopeless = flight.failures.load(Ordering::Relaxed) >= MAX_FAILURES;
        {
            let mut board = self.flights.shard(self.key());
            let last = flight.aboard.fetch_sub(1, Ordering::Relaxed) == 1;
            if last || (self.leads && hopeless) {
                self.take_off(&mut board);
            }
        }
        match (self.leads, hopeless) {
            (false, _) => {}
            (true, true) => flight.lead.close(),
            (true, false) => flight.lead.add_permits(1),
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("aloft", &self.len()).finish()
    }
}
