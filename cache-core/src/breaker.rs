//! When a server is left alone, and how much it is asked at once: decisions, and no waiting.
//! Who asks, and who looks whether the server is back, is in `guard`, and in stores of several servers.

use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{self, Moment};
use crate::error::{Error, ErrorKind};

/// Failures in a row after which a server is left alone.
const IN_A_ROW: u32 = 5;

/// Operations within [`WINDOW`] seconds before half of them failing is reason enough.
const ENOUGH: u32 = 20;

/// The seconds that are looked back on.
const WINDOW: usize = 10;

/// Operations under way at once, at most: the whole room.
const MOST: usize = 10_000;

/// The room that a server has when it is back.
const FIRST: usize = MOST / 16;

/// The room that every server has, however slow: as much as a program needs that is not busy.
const LEAST: usize = 16;

/// In this time a room that is less than the whole doubles: a server that is back has all of it after two seconds.
const DOUBLES: Duration = Duration::from_millis(500);

/// One server in trouble, or too slow for what it is asked: when it is left alone, and how much it is asked at once.
///
/// Whoever asks [enters](Self::enter), and says how it [ended](Passage::end).
///
/// - After 5 failures in a row, or if half of at least 20 operations fail within 10 seconds, the server is left
///   alone until somebody [closes](Self::close) the breaker.
/// - At most 10 000 operations are under way at once. An answer that does not come in time means that more is under way than the
///   server can do in that time. Then a few operations see whether it has caught up; as soon as it has, half of what was under
///   way may be, and from there on the room doubles every half second, until it is whole or the next answer is late.
///   So a server that is too slow does about as much as it can, and what is too much for it is turned away at once. All
///   that was under way together and is late counts as one failure.
/// - A server that is back begins with a sixteenth of the room, so that it has all of it after two seconds.
///
/// # Examples
///
/// ```
/// use cache_core::store::{Breaker, Outcome};
///
/// let breaker = Breaker::default();
/// for _ in 0..5 {
///     let passage = breaker.enter(false).expect("it is closed");
///     let _ = passage.end(Outcome::Failed);
/// }
/// assert!(breaker.is_open());
/// breaker.close();
/// assert!(breaker.enter(false).is_ok());
/// ```
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

/// What a [`Breaker`] knows.
#[derive(Debug, Default)]
struct State {
    open: bool,
    /// How often it has opened.
    opened: u64,
    in_flight: usize,
    in_a_row: u32,
    seconds: [Second; WINDOW],
    /// How much room there was when it was last less than the whole; nothing if it never was.
    ramp: Option<Ramp>,
    /// How often the room was cut because an answer was late.
    cuts: u64,
    /// Whether somebody was turned away since the last operation ended, but for the sake of a server that is just back.
    turned_away: bool,
    /// What was said last: whether some are turned away.
    crowded: bool,
}

/// Room that grows.
#[derive(Clone, Copy, Debug)]
struct Ramp {
    room: usize,
    since: Moment,
    /// Whether the server was away before, and not slow.
    is_back: bool,
    /// Whether it does not begin before the server has caught up: it still does what nobody waits for any more.
    waits: bool,
}

/// What became of the operations that ended within one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    ended: u32,
    failed: u32,
}

/// The right to one operation. Dropped without an [`end`](Self::end) it says nothing about the server.
#[derive(Debug)]
#[must_use = "it is counted out when it is dropped"]
pub struct Passage<'b> {
    breaker: &'b Breaker,
    admission: Option<Admission>,
}

/// What a breaker knew when an operation began.
#[derive(Clone, Copy, Debug)]
struct Admission {
    opened: u64,
    cuts: u64,
}

/// Why an operation is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The server is left alone.
    Open,
    /// Too many are under way.
    Full,
}

/// What an operation says about its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Answered,
    /// It did not answer in time.
    Late,
    /// It does not work.
    Failed,
    /// Nothing: the caller went away, or another server is in trouble.
    Unknown,
}

/// What is different from now on, and worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The server is left alone.
    Opened,
    /// More is asked than it does: some operations are turned away.
    Crowded,
    /// There is room for all again.
    Relieved,
}

impl Breaker {
    /// Admits an operation. Those that `matter` most find room when others do not.
    pub fn enter(&self, matters: bool) -> Result<Passage<'_>, Refused> {
        let admission = self.0.lock().enter(clock::coarse(), matters)?;
        Ok(Passage { breaker: self, admission: Some(admission) })
    }

    /// Lets operations through again: somebody has found that the server works.
    pub fn close(&self) {
        self.0.lock().close(clock::now());
    }

    /// Whether the server is left alone.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.lock().open
    }

    /// How often it has opened.
    #[must_use]
    pub fn openings(&self) -> u64 {
        self.0.lock().opened
    }

    /// How often the room was cut because an answer was late.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.0.lock().cuts
    }

    /// Operations under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.lock().in_flight
    }

    /// How many operations may be under way at once, at the moment.
    #[must_use]
    pub fn room(&self) -> usize {
        let state = self.0.lock();
        if state.open { 0 } else { state.room(clock::now()) }
    }
}

impl Passage<'_> {
    /// Notes how the operation ended; what that has changed.
    #[must_use = "a change is worth a line in the log"]
    pub fn end(mut self, outcome: Outcome) -> Option<Change> {
        self.leave(outcome)
    }

    fn leave(&mut self, outcome: Outcome) -> Option<Change> {
        let admission = self.admission.take()?;
        self.breaker.0.lock().leave(admission, outcome, clock::coarse())
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        self.leave(Outcome::Unknown);
    }
}

impl From<&Error> for Outcome {
    fn from(error: &Error) -> Self {
        match error.kind() {
            _ if error.is_of_a_part() => Self::Unknown,
            // It answered, and would answer the next one: only this operation was not to be had.
            ErrorKind::Full | ErrorKind::Encode | ErrorKind::Key | ErrorKind::Unsupported => Self::Answered,
            ErrorKind::Timeout => Self::Late,
            _ => Self::Failed,
        }
    }
}

impl State {
    fn enter(&mut self, now: Moment, matters: bool) -> Result<Admission, Refused> {
        if self.open {
            return Err(Refused::Open);
        }
        let room = self.room(now);
        if self.in_flight >= room << u32::from(matters) {
            // Of a server that was away nobody expects anything else.
            self.turned_away |= room == MOST || !self.ramp.is_some_and(|ramp| ramp.is_back);
            return Err(Refused::Full);
        }
        self.in_flight += 1;
        Ok(Admission { opened: self.opened, cuts: self.cuts })
    }

    fn leave(&mut self, admission: Admission, outcome: Outcome, now: Moment) -> Option<Change> {
        let under_way = self.in_flight;
        self.in_flight = under_way.saturating_sub(1);
        // What was sent before the server went away says nothing about the one that is back.
        if self.open || admission.opened != self.opened || outcome == Outcome::Unknown {
            return None;
        }
        if outcome == Outcome::Late {
            // What was under way together is late together.
            if admission.cuts != self.cuts {
                return None;
            }
            self.cuts += 1;
            let room = (under_way / 2).max(LEAST);
            self.ramp = Some(Ramp { room, since: now, is_back: false, waits: true });
        }
        if outcome == Outcome::Answered
            && admission.cuts == self.cuts
            && let Some(ramp) = self.ramp.as_mut().filter(|ramp| ramp.waits)
        {
            (ramp.waits, ramp.since) = (false, now);
        }
        let failed = outcome != Outcome::Answered;
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        let number = second(now);
        let at = &mut self.seconds[usize::try_from(number).unwrap_or_default() % WINDOW];
        if at.number != number {
            *at = Second { number, ..Second::default() };
        }
        at.ended += 1;
        at.failed += u32::from(failed);
        self.open = failed && (self.in_a_row >= IN_A_ROW || self.mostly_failed(number));
        if self.open {
            self.opened += 1;
            return Some(Change::Opened);
        }
        self.crowding(now)
    }

    /// What there is to say about who is turned away.
    fn crowding(&mut self, now: Moment) -> Option<Change> {
        let turned_away = std::mem::take(&mut self.turned_away);
        // Not before half of the whole room is free: it would be said again and again.
        let crowded = turned_away || self.crowded && (self.room(now) < MOST || self.in_flight > MOST / 2);
        let was = std::mem::replace(&mut self.crowded, crowded);
        (crowded != was).then_some(if crowded { Change::Crowded } else { Change::Relieved })
    }

    fn close(&mut self, now: Moment) {
        let ramp = Some(Ramp { room: FIRST, since: now, is_back: true, waits: false });
        let Self { opened, in_flight, cuts, .. } = *self;
        *self = Self { opened, in_flight, ramp, cuts, ..Self::default() };
    }

    fn mostly_failed(&self, now: u64) -> bool {
        let recent = self.seconds.iter().filter(|second| second.number + WINDOW as u64 > now);
        let (ended, failed) =
            recent.fold((0, 0), |(ended, failed), second| (ended + second.ended, failed + second.failed));
        ended >= ENOUGH && failed * 2 >= ended
    }

    /// How many operations may be under way.
    fn room(&self, now: Moment) -> usize {
        let Some(Ramp { room, since, waits, .. }) = self.ramp else { return MOST };
        if waits {
            return LEAST;
        }
        let (elapsed, step) = (millis(now.since(since)), millis(DOUBLES));
        let Ok(doublings) = u32::try_from(elapsed / step) else { return MOST };
        if doublings > MOST.ilog2() {
            return MOST;
        }
        let reached = room << doublings;
        // Between two doublings in proportion.
        (reached + reached * (elapsed % step) / step).min(MOST)
    }
}

fn second(now: Moment) -> u64 {
    now.nanos() / 1_000_000_000
}

fn millis(duration: Duration) -> usize {
    usize::try_from(duration.as_millis()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    fn ends(state: &mut State, outcome: Outcome, now: Moment) -> Option<Change> {
        let admission = state.enter(now, false).expect("it is closed");
        state.leave(admission, outcome, now)
    }

    /// So many operations under way.
    fn crowd(state: &mut State, size: usize, now: Moment) -> Vec<Admission> {
        (0..size).map(|_| state.enter(now, false).expect("there is room")).collect()
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        let mut state = State::default();
        for round in 0..3 {
            for outcome in [Outcome::Failed, Outcome::Late, Outcome::Late, Outcome::Failed] {
                assert_eq!(ends(&mut state, outcome, at(round * 20_000)), None);
            }
            assert_eq!(ends(&mut state, Outcome::Answered, at(round * 20_000)), None);
        }
        for outcome in [Outcome::Failed, Outcome::Late, Outcome::Late, Outcome::Failed] {
            assert_eq!(ends(&mut state, outcome, at(80_000)), None);
            assert_eq!(ends(&mut state, Outcome::Unknown, at(80_000)), None, "that says nothing");
        }
        assert_eq!(ends(&mut state, Outcome::Failed, at(80_000)), Some(Change::Opened));
        assert_eq!(state.enter(at(80_000), true).err(), Some(Refused::Open));
        assert_eq!(state.opened, 1);
    }

    #[test]
    fn half_of_twenty_within_ten_seconds_open_it() {
        let mut state = State::default();
        for round in 0..9 {
            assert_eq!(ends(&mut state, Outcome::Answered, at(round * 1_000)), None);
            assert_eq!(ends(&mut state, Outcome::Failed, at(round * 1_000)), None, "not enough yet");
        }
        assert_eq!(ends(&mut state, Outcome::Answered, at(9_000)), None);
        assert_eq!(ends(&mut state, Outcome::Failed, at(9_999)), Some(Change::Opened));
    }

    #[test]
    fn failures_of_long_ago_or_among_many_answers_do_not() {
        let mut state = State::default();
        for round in 0..100 {
            assert_eq!(ends(&mut state, Outcome::Answered, at(round * 1_300)), None);
            let failed = ends(&mut state, Outcome::Failed, at(round * 1_300));
            assert_eq!(failed, None, "never twenty in ten seconds");
        }
        let mut state = State::default();
        for _ in 0..100 {
            assert_eq!(ends(&mut state, Outcome::Answered, at(0)), None);
            assert_eq!(ends(&mut state, Outcome::Failed, at(0)), None, "a third");
            assert_eq!(ends(&mut state, Outcome::Answered, at(0)), None);
        }
    }

    #[test]
    fn what_was_sent_before_it_opened_counts_no_more() {
        let mut state = State::default();
        let old = crowd(&mut state, 20, at(0));
        for _ in 0..5 {
            ends(&mut state, Outcome::Failed, at(0));
        }
        state.close(at(500));
        for (place, admission) in old.into_iter().enumerate() {
            let outcome = if place % 2 == 0 { Outcome::Failed } else { Outcome::Late };
            assert_eq!(state.leave(admission, outcome, at(600)), None);
        }
        assert_eq!((state.open, state.in_flight, state.cuts), (false, 0, 0));
    }

    #[test]
    fn there_is_room_for_so_many_and_for_more_of_what_matters() {
        let mut state = State::default();
        let crowd = crowd(&mut state, MOST, at(0));
        assert_eq!(state.enter(at(0), false).err(), Some(Refused::Full));
        let admission = state.enter(at(0), true).unwrap();
        state.leave(admission, Outcome::Unknown, at(0));
        assert_eq!(state.leave(crowd[0], Outcome::Answered, at(0)), Some(Change::Crowded));
        assert!(state.enter(at(0), false).is_ok(), "one has gone");
    }

    #[test]
    fn a_server_that_is_back_gets_more_and_more() {
        let mut state = State::default();
        assert_eq!(state.room(at(0)), MOST);
        state.close(at(1_000));
        let rooms = [1_000, 1_250, 1_500, 2_000, 3_000, 60_000, u64::MAX / 2_000_000];
        let rooms = rooms.map(|millis| state.room(at(millis)));
        assert_eq!(rooms, [MOST / 16, MOST / 16 * 3 / 2, MOST / 8, MOST / 4, MOST, MOST, MOST]);
    }

    #[test]
    fn a_late_answer_halves_what_may_be_under_way_once_for_all_that_was_late_with_it() {
        let mut state = State::default();
        let late = crowd(&mut state, 800, at(0));
        for admission in late {
            assert_eq!(state.leave(admission, Outcome::Late, at(100)), None);
        }
        assert_eq!((state.cuts, state.in_a_row), (1, 1));
        assert_eq!(state.room(at(50_000)), LEAST, "until it has caught up");
        assert_eq!(ends(&mut state, Outcome::Answered, at(50_000)), None);
        let rooms = [50_000, 50_500, 51_000, 60_000].map(|millis| state.room(at(millis)));
        assert_eq!(rooms, [400, 800, 1_600, MOST]);
        // Those of the next crowd are late again.
        let late = crowd(&mut state, 600, at(51_000));
        for admission in late {
            assert_eq!(state.leave(admission, Outcome::Late, at(51_100)), None);
        }
        assert_eq!((state.cuts, state.in_a_row), (2, 1));
        assert_eq!(ends(&mut state, Outcome::Answered, at(51_200)), None);
        assert_eq!(state.room(at(51_200)), 300);
    }

    #[test]
    fn a_server_that_is_too_slow_does_as_much_as_it_can_and_is_not_left_alone() {
        // It answers two in a millisecond, in their order, and is asked five; nobody waits longer than 100 ms.
        let (mut state, mut queue) = (State::default(), std::collections::VecDeque::new());
        let (mut answered, mut late, mut refused, mut changes) = (0_u32, 0_u32, 0_u32, Vec::new());
        for now in 0..60_000 {
            for _ in 0..if now < 50_000 { 5 } else { 1 } {
                match state.enter(at(now), false) {
                    Ok(admission) => queue.push_back((now, Some(admission))),
                    Err(_) => refused += 1,
                }
            }
            // What nobody waits for any more is still answered.
            for (_, admission) in queue.iter_mut().take_while(|(asked, _)| *asked + 100 <= now) {
                late += u32::from(admission.is_some());
                changes.extend(admission.take().and_then(|one| state.leave(one, Outcome::Late, at(now))));
            }
            for (_, admission) in queue.drain(..queue.len().min(2)) {
                answered += u32::from(admission.is_some());
                changes.extend(admission.and_then(|one| state.leave(one, Outcome::Answered, at(now))));
            }
        }
        // For fifty seconds it could answer a hundred thousand.
        assert!(answered > 80_000 && late < 20_000, "{answered} answered, {late} late, {refused} refused");
        assert_eq!(changes, [Change::Crowded, Change::Relieved]);
        assert_eq!((state.open, state.room(at(60_000))), (false, MOST));
    }

    #[test]
    fn there_is_room_for_some_however_slow_it_is() {
        let mut state = State::default();
        for round in 0..4 {
            assert_eq!(ends(&mut state, Outcome::Late, at(round * 100)), None);
        }
        assert_eq!(state.room(at(300)), LEAST);
    }
}
