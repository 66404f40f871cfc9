//! When a remote store is left alone, and how many operations it gets at once: decisions, and no waiting.
//! Who asks, and who looks whether the store is back, is in `guard`.

use std::time::Duration;

use crate::clock::Moment;

/// Failures in a row after which a store is left alone.
const IN_A_ROW: u32 = 5;

/// Operations within [`WINDOW`] seconds before half of them failing is reason enough.
const ENOUGH: u32 = 20;

/// The seconds that are looked back on.
const WINDOW: usize = 10;

/// Operations under way at once, at most.
pub(crate) const MOST: usize = 10_000;

/// How long a store that is back is spared the whole crowd.
const RAMP: Duration = Duration::from_secs(2);

/// The part of [`MOST`] that is let through at the start of the ramp: one in this many.
const FIRST: u64 = 20;

/// The state of one store.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    open: bool,
    /// When it was last closed again.
    closed: Option<Moment>,
    /// How often it has opened.
    opened: u64,
    in_flight: usize,
    in_a_row: u32,
    seconds: [Second; WINDOW],
}

/// What became of the operations that ended within one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    ended: u32,
    failed: u32,
}

/// The right to one operation, to be handed back.
#[derive(Debug)]
pub(crate) struct Admission {
    opened: u64,
}

/// Why an operation is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The store is left alone.
    Open,
    /// Too many are under way.
    Full,
}

/// What an operation says about its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    Failed,
    /// Nothing: its caller went away.
    Unknown,
}

impl Breaker {
    /// Admits an operation. Those that matter most find room when others do not.
    pub(crate) fn enter(&mut self, now: Moment, matters: bool) -> Result<Admission, Refused> {
        if self.open {
            return Err(Refused::Open);
        }
        if self.in_flight >= self.room(now) << u32::from(matters) {
            return Err(Refused::Full);
        }
        self.in_flight += 1;
        Ok(Admission { opened: self.opened })
    }

    /// Notes how an operation ended; whether the store is left alone from now on.
    pub(crate) fn leave(&mut self, admission: &Admission, outcome: Outcome, now: Moment) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        // What was sent before the store went away says nothing about the one that is back.
        if self.open || admission.opened != self.opened || outcome == Outcome::Unknown {
            return false;
        }
        let failed = outcome == Outcome::Failed;
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        let number = second(now);
        let at = &mut self.seconds[usize::try_from(number).unwrap_or_default() % WINDOW];
        if at.number != number {
            *at = Second { number, ..Second::default() };
        }
        at.ended += 1;
        at.failed += u32::from(failed);
        self.open = failed && (self.in_a_row >= IN_A_ROW || self.mostly_failed(number));
        self.opened += u64::from(self.open);
        self.open
    }

    /// Lets operations through again.
    pub(crate) fn close(&mut self, now: Moment) {
        *self = Self { closed: Some(now), opened: self.opened, in_flight: self.in_flight, ..Self::default() };
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// How often it has opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn mostly_failed(&self, now: u64) -> bool {
        let recent = self.seconds.iter().filter(|second| second.number + WINDOW as u64 > now);
        let (ended, failed) =
            recent.fold((0, 0), |(ended, failed), second| (ended + second.ended, failed + second.failed));
        ended >= ENOUGH && failed * 2 >= ended
    }

    /// How many operations may be under way: fewer for a while after the store is back.
    fn room(&self, now: Moment) -> usize {
        let Some(closed) = self.closed else { return MOST };
        let (most, ramp) = (MOST as u64, millis(RAMP));
        let risen = most * millis(now.since(closed)).min(ramp) / ramp;
        usize::try_from(risen.max(most / FIRST)).unwrap_or(MOST)
    }
}

fn second(now: Moment) -> u64 {
    now.nanos() / 1_000_000_000
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    fn ends(breaker: &mut Breaker, outcome: Outcome, now: Moment) -> bool {
        let admission = breaker.enter(now, false).expect("it is closed");
        breaker.leave(&admission, outcome, now)
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for round in 0..3 {
            for _ in 0..4 {
                assert!(!ends(&mut breaker, Outcome::Failed, at(round * 20_000)));
            }
            assert!(!ends(&mut breaker, Outcome::Answered, at(round * 20_000)));
        }
        for _ in 0..4 {
            assert!(!ends(&mut breaker, Outcome::Failed, at(80_000)));
            assert!(!ends(&mut breaker, Outcome::Unknown, at(80_000)), "that says nothing");
        }
        assert!(ends(&mut breaker, Outcome::Failed, at(80_000)));
        assert_eq!(breaker.enter(at(80_000), true).err(), Some(Refused::Open));
        assert_eq!(breaker.opened(), 1);
    }

    #[test]
    fn half_of_twenty_within_ten_seconds_open_it() {
        let mut breaker = Breaker::default();
        for round in 0..9 {
            assert!(!ends(&mut breaker, Outcome::Answered, at(round * 1_000)));
            assert!(!ends(&mut breaker, Outcome::Failed, at(round * 1_000)), "not enough yet");
        }
        assert!(!ends(&mut breaker, Outcome::Answered, at(9_000)));
        assert!(ends(&mut breaker, Outcome::Failed, at(9_999)));
    }

    #[test]
    fn failures_of_long_ago_or_among_many_answers_do_not() {
        let mut breaker = Breaker::default();
        for round in 0..100 {
            assert!(!ends(&mut breaker, Outcome::Answered, at(round * 1_300)));
            assert!(!ends(&mut breaker, Outcome::Failed, at(round * 1_300)), "never twenty in ten seconds");
        }
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            assert!(!ends(&mut breaker, Outcome::Answered, at(0)));
            assert!(!ends(&mut breaker, Outcome::Failed, at(0)), "a third");
            assert!(!ends(&mut breaker, Outcome::Answered, at(0)));
        }
    }

    #[test]
    fn what_was_sent_before_it_opened_counts_no_more() {
        let mut breaker = Breaker::default();
        let old: Vec<_> = (0..20).map(|_| breaker.enter(at(0), false).unwrap()).collect();
        for _ in 0..5 {
            ends(&mut breaker, Outcome::Failed, at(0));
        }
        breaker.close(at(500));
        for admission in &old {
            assert!(!breaker.leave(admission, Outcome::Failed, at(600)));
        }
        assert_eq!((breaker.is_open(), breaker.in_flight()), (false, 0));
    }

    #[test]
    fn there_is_room_for_so_many_and_for_more_of_what_matters() {
        let mut breaker = Breaker::default();
        for _ in 0..MOST {
            breaker.enter(at(0), false).unwrap();
        }
        assert_eq!(breaker.enter(at(0), false).err(), Some(Refused::Full));
        let admission = breaker.enter(at(0), true).unwrap();
        breaker.leave(&admission, Outcome::Unknown, at(0));
        breaker.leave(&admission, Outcome::Unknown, at(0));
        assert!(breaker.enter(at(0), false).is_ok(), "one has gone");
    }

    #[test]
    fn a_store_that_is_back_gets_more_and_more() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.room(at(0)), MOST);
        breaker.close(at(1_000));
        let rooms = [1_000, 1_100, 2_000, 3_000, 60_000].map(|millis| breaker.room(at(millis)));
        assert_eq!(rooms, [MOST / 20, MOST / 20, MOST / 2, MOST, MOST]);
    }
}
