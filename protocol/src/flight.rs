//! What readers do: hit, join, or fly.

use crate::fault::Fault;
use crate::scope::Scope;
use crate::search::{Next, step};
use crate::step::Step;
use crate::world::{
    Age, Answer, Claim, Course, Entry, Flight, Generations, P, Process, Promise, Q, Who, World,
};

pub(crate) fn steps(world: &World, scope: &Scope, next: &mut Next) {
    for who in [P, Q] {
        read(world, scope, who, next);
        for slot in [0, 1] {
            if let Some(flight) = world.processes[who].flights[slot] {
                fly(world, scope, who, slot, flight, next);
            }
        }
    }
}

/// A reader comes.
fn read(world: &World, scope: &Scope, who: Who, next: &mut Next) {
    let process = &world.processes[who];
    let promised = world.promises(who);
    let may_use = |after: bool| may_use(process, scope, who, promised, after);
    if let Some(entry) = process.entry {
        step(world, next, Step::Forget(who), |world| world.processes[who].entry = None);
        if may_use(entry.after) {
            if promised && entry.age == Age::Old {
                step(world, next, Step::Hit(who), |world| world.broken = Some(promise(who, scope)));
            }
            return;
        }
    }
    match process.flights[0] {
        Some(flight) if flight.current && may_use(flight.after) || scope.lacks(Fault::JoinAnyFlight) => {
            if promised && !flight.promised {
                step(world, next, Step::Join(who), |world| {
                    world.processes[who].flights[0] = Some(Flight { promised, ..flight });
                });
            }
        }
        _ => begin(world, scope, who, next),
    }
}

/// What was found in the process may be used by a new reader, as far as the feed is concerned: that was heard of Δ ago
/// at most, or else the load had not begun by then.
fn may_use(process: &Process, scope: &Scope, who: Who, promised: bool, after: bool) -> bool {
    let waited = who == Q && promised && !scope.ticket;
    !waited || after || process.after || scope.lacks(Fault::HitWithoutFeed)
}

fn promise(who: Who, scope: &Scope) -> Promise {
    match who {
        P => Promise::P1,
        _ if scope.ticket => Promise::P3,
        _ => Promise::P2,
    }
}

/// The stamp is taken, before anything else.
fn begin(world: &World, scope: &Scope, who: Who, next: &mut Next) {
    let [found, replaced] = world.processes[who].flights;
    let keeps = scope.flights[who] > 1;
    if scope.flights[who] == 0 || keeps && found.is_some() && replaced.is_some() {
        return;
    }
    step(world, next, Step::Begin(who), |world| {
        let owes = who == P && world.owes() && !scope.lacks(Fault::ForgetDebts);
        let flight = Flight {
            course: if owes { Course::Loading(None) } else { Course::Asking(None, None) },
            current: true,
            after: world.after(who),
            promised: world.promises(who),
        };
        let flights = &mut world.processes[who].flights;
        if keeps && found.is_some() {
            flights[1] = found;
        }
        flights[0] = Some(flight);
    });
}

fn fly(world: &World, scope: &Scope, who: Who, slot: usize, flight: Flight, next: &mut Next) {
    let mut go = |at: Step, on: &mut dyn FnMut(&mut World, &mut Flight)| {
        step(world, next, at, |world| {
            let mut flight = flight;
            on(world, &mut flight);
            world.processes[who].flights[slot] = Some(flight);
        });
    };
    match flight.course {
        Course::Asking(None, None) if !scope.cluster => go(Step::AskBoth(who, slot), &mut |world, flight| {
            let generations = world.generations(scope);
            flight.course = decide(world.get_or_lease(scope), generations);
        }),
        Course::Asking(answer, generations) => {
            if answer.is_none() {
                go(Step::AskValue(who, slot), &mut |world, flight| {
                    let answer = world.get_or_lease(scope);
                    flight.course = match generations {
                        Some(generations) => decide(answer, generations),
                        None => Course::Asking(Some(answer), None),
                    };
                });
            }
            if generations.is_none() {
                go(Step::AskGenerations(who, slot), &mut |world, flight| {
                    let generations = world.generations(scope);
                    flight.course = match answer {
                        Some(answer) => decide(answer, generations),
                        None => Course::Asking(None, Some(generations)),
                    };
                });
            }
        }
        Course::TakingOver(seen, generations) => go(Step::TakeOver(who, slot), &mut |world, flight| {
            flight.course = Course::Loading(world.take_over(seen, generations));
        }),
        Course::Loading(claim) => go(Step::Load(who, slot), &mut |world, flight| {
            let age = world.load();
            flight.course = match claim {
                Some(claim) => Course::Loaded(claim, age),
                None => Course::Ready(age),
            };
        }),
        Course::Loaded(claim, age) => go(Step::Publish(who, slot), &mut |world, flight| {
            let late = scope.lacks(Fault::GenerationsAfterLoad);
            let generations = if late { world.generations(scope) } else { claim.generations };
            world.publish(Claim { generations, ..claim }, age, scope);
            flight.course = Course::Ready(age);
            if scope.lacks(Fault::StampAfterLoad) {
                flight.current = true;
                flight.after = world.after(who);
            }
        }),
        Course::Ready(age) => step(world, next, Step::End(who, slot), |world| {
            let process = &mut world.processes[who];
            process.flights[slot] = None;
            if flight.current || scope.lacks(Fault::StoreUnasked) {
                process.entry = Some(Entry { age, after: flight.after });
            }
            if flight.promised && age == Age::Old {
                world.broken = Some(promise(who, scope));
            }
        }),
    }
}

/// What a flight does when both servers have answered.
fn decide(answer: Answer, generations: Generations) -> Course {
    match answer {
        Answer::Leased(token, incarnation) => {
            Course::Loading(Some(Claim { token, incarnation, generations }))
        }
        Answer::Busy => Course::Loading(None),
        Answer::Held(envelope, true) if envelope.generations == generations => Course::Ready(envelope.age),
        Answer::Held(envelope, _) => Course::TakingOver(envelope, generations),
    }
}
