//! From a miss to an answer, or to the duty of loading one: compiled once, whatever the type of the value.
//!
//! Who loads does so in `load`; who may be answered with a value that is due comes by here from `reload`.

use std::sync::Arc;

use super::glance;
use super::reload::{self, Due, Source};
use super::{MAX_WAITS, Target, answer_of, turn};
use crate::cache::Inner;
use crate::context;
use crate::entry::Entry;
use crate::flight::{Boarding, Outcome, Purpose, Seat, Waited};
use crate::outcome;
use crate::sabotage::{Fault, is_planted};
use crate::shape::{Shape, SharedError};
use crate::tally::Count;
use crate::tiers::{AsOf, Claimed, Found, Wanted};

/// What a caller that looked for an answer has found.
pub(super) enum Sought<O> {
    Answer(O),
    /// An answer that is due for a refresh.
    Due(Due),
    /// None: run the body, for everybody or for this caller only.
    Load(Option<Lead>),
}

/// The remote store is asked if the caller `asks` for it.
pub(super) async fn seek<S>(
    shape: S,
    target: &Target,
    wanted: Wanted<'_>,
    course: Course,
    asks: bool,
) -> Sought<S::Output>
where
    S: Shape<Value: Clone + Send + 'static>,
{
    let cache = target.cache.inner();
    let answer = match approach(cache, target, wanted, course, asks).await {
        Step::Found(entry) => answer_of(shape, target, &entry),
        Step::Failed(error) => shape.failed(&error),
        Step::Due(due) => return Sought::Due(due),
        Step::Lead(lead) => return Sought::Load(Some(lead)),
        Step::Alone => None,
    };
    answer.map_or(Sought::Load(None), Sought::Answer)
}

/// What a caller has to do.
pub(super) enum Step {
    Found(Arc<Entry>),
    Due(Due),
    Failed(SharedError),
    /// Run the body for everybody.
    Lead(Lead),
    /// Run the body for this caller only.
    Alone,
}

/// The duty to run the load, with the right to publish it where a remote store gave one.
pub(super) struct Lead {
    pub(super) seat: Seat,
    pub(super) claimed: Option<Box<Claimed>>,
    /// Whether what it makes is not to be kept.
    pub(super) fenced: bool,
}

/// What a caller knows at once of how it comes to its answer.
pub(super) enum First {
    Found(Arc<Entry>),
    Lead(Lead),
    Glance,
    Seek(Course),
}

/// How far a caller has come that has no answer yet.
pub(super) enum Course {
    Board,
    Wait(Seat),
    Ended(Waited),
    Lead(Seat),
}

/// As much of [`approach`] as nothing has to be waited for.
pub(super) fn embark(target: &Target, wanted: Wanted<'_>) -> First {
    let (cache, key) = (target.cache.inner(), &target.key);
    if glance::is_worthwhile(target, &wanted) {
        return First::Glance;
    }
    if cache.has_to_listen() || context::is_loading(cache.id(), key) {
        return First::Seek(Course::Board);
    }
    match cache.board(key, wanted.tags, wanted.staleness, target.purpose()) {
        Boarding::Wait(seat) => {
            cache.tally(wanted.site).increment(Count::Joins);
            First::Seek(Course::Wait(seat))
        }
        Boarding::Lead(seat) if cache.settings.remote.is_some() => First::Seek(Course::Lead(seat)),
        Boarding::Lead(seat) => {
            if let Some(entry) = overlooked(target, wanted) {
                seat.land(|| (), || Outcome::Value(Arc::clone(&entry)));
                return First::Found(entry);
            }
            cache.missed(wanted.site);
            First::Lead(Lead { seat, claimed: None, fenced: false })
        }
    }
}

/// What has landed between the look of a caller that leads and its boarding.
fn overlooked(target: &Target, wanted: Wanted<'_>) -> Option<Arc<Entry>> {
    if target.anew {
        return None;
    }
    let cache = target.cache.inner();
    let within = cache.within(wanted.staleness);
    let accepts = |entry: &Entry| wanted.accepts(entry) && within.allows(entry);
    let look = |entry: &Arc<Entry>| accepts(entry).then(|| Arc::clone(entry));
    cache.peek(target.key.borrow(), look).inspect(|_| cache.tally(wanted.site).late_hit())
}

/// From a miss to a value, or to the duty of loading one.
async fn approach(
    cache: &Inner,
    target: &Target,
    wanted: Wanted<'_>,
    mut course: Course,
    asks: bool,
) -> Step {
    let Target { key, anew, takes_due, .. } = target;
    if matches!(course, Course::Board) {
        if context::is_loading(cache.id(), key) {
            return Step::Alone;
        }
        cache.listen().await;
    }
    let mut waits = 0;
    // A caller that takes what is being refreshed need not wait for the refresh.
    let mut passes_by = *takes_due;
    let seat = loop {
        let ended = match std::mem::replace(&mut course, Course::Board) {
            Course::Lead(seat) => break seat,
            Course::Ended(ended) => ended,
            Course::Wait(seat) => seat.wait(cache.settings.load_limit).await,
            Course::Board => {
                let purpose = if passes_by { Purpose::PassBy } else { target.purpose() };
                match cache.board(key, wanted.tags, wanted.staleness, purpose) {
                    Boarding::Lead(seat) => break seat,
                    Boarding::Wait(seat) if passes_by && seat.refreshes() => {
                        passes_by = false;
                        drop(seat);
                        if let Some(step) = Box::pin(reload::pass_by(cache, target, wanted)).await {
                            return step;
                        }
                    }
                    Boarding::Wait(seat) => {
                        cache.tally(wanted.site).increment(Count::Joins);
                        course = Course::Wait(seat);
                    }
                }
                continue;
            }
        };
        match ended {
            Waited::Landed(Outcome::Value(entry)) if wanted.accepts(&entry) => {
                outcome::note(outcome::Outcome::Joined);
                return Step::Found(entry);
            }
            Waited::Landed(Outcome::Stale(entry)) if wanted.stale && wanted.accepts(&entry) => {
                return Step::Due(Due::of(entry, Source::Another));
            }
            Waited::Landed(Outcome::Error(error)) => {
                outcome::note(outcome::Outcome::Joined);
                return Step::Failed(error);
            }
            // For a caller that takes no stale values nothing has happened yet.
            Waited::Landed(Outcome::Stale(_)) => {}
            Waited::Landed(_) => return Step::Alone,
            Waited::Lead(seat)
                if cache.scopes.is_current(seat.stamp(), key.borrow())
                    && (seat.stamp().carries(wanted.tags) || is_planted(Fault::LeadUntagged)) =>
            {
                break seat;
            }
            // Overtaken by an invalidation, begun by somebody who knew of fewer tags, or too slow: others
            // must not get what it makes.
            Waited::Lead(_) | Waited::Overtaken | Waited::TimedOut => {}
        }
        waits += 1;
        if waits == MAX_WAITS {
            return Step::Alone;
        }
    };
    if let Some(entry) = overlooked(target, wanted) {
        seat.land(|| (), || Outcome::Value(Arc::clone(&entry)));
        return Step::Found(entry);
    }
    let as_of = AsOf { stamp: Arc::clone(seat.stamp()), began: seat.began() };
    let fetched = if asks && cache.settings.remote.is_some() {
        // Boxed, so that a miss is small where there is no remote store: a crowd of them fits into fewer caches.
        Box::pin(turn::fetch(&target.cache, key, wanted, &as_of, *anew)).await
    } else {
        Ok(Found::Unavailable)
    };
    let fenced = matches!(fetched, Ok(Found::Fenced));
    let claimed = match fetched {
        Ok(Found::Value(entry, left, claimed)) => {
            seat.land(|| cache.keep(key, &entry, wanted.site), || Outcome::Value(Arc::clone(&entry)));
            return reload::found(cache, target, wanted, (entry, as_of.began), left, claimed);
        }
        Ok(Found::Stale(entry, claimed)) => {
            seat.land(|| cache.keep(key, &entry, wanted.site), || Outcome::Stale(Arc::clone(&entry)));
            return Step::Due(Due::of(entry, Source::Remote(as_of.began)).with(claimed));
        }
        Ok(Found::Nothing(claimed)) => Some(Box::new(claimed)),
        Ok(Found::Leased | Found::Fenced | Found::Unavailable) | Err(_) => None,
    };
    cache.missed(wanted.site);
    Step::Lead(Lead { seat, claimed, fenced })
}
