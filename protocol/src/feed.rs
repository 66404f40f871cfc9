//! How a process follows the log, and when it is sure of what it has.

use crate::fault::Fault;
use crate::scope::Scope;
use crate::search::{Next, step};
use crate::server::Log;
use crate::step::Step;
use crate::world::{P, Position, Q, Round, Who, World};

pub(crate) fn steps(world: &World, scope: &Scope, next: &mut Next) {
    for who in [P, Q] {
        if scope.feeds[who] {
            round(world, scope, who, next);
        }
    }
}

/// One round: ask; the server reads the log, then answers the beat; the answer arrives.
fn round(world: &World, scope: &Scope, who: Who, next: &mut Next) {
    let process = world.processes[who];
    let replica = world.control.copy.as_ref().filter(|_| scope.lacks(Fault::BeatOfReplica));
    match process.round {
        Round::Idle => {
            step(world, next, Step::Send(who), |world| {
                world.processes[who].round = Round::Sent(world.after(who));
            });
            return;
        }
        Round::Sent(after) => {
            step(world, next, Step::Read(who), |world| {
                let records = world.control.holds.read(process.applied.sequence);
                world.processes[who].round = Round::Read(after, records);
            });
            if let Some(replica) = replica {
                step(world, next, Step::ReadFromReplica(who), |world| {
                    world.processes[who].round = Round::Read(after, replica.read(process.applied.sequence));
                });
            }
        }
        Round::Read(after, records) => {
            step(world, next, Step::Beat(who), |world| {
                let Some(position) = world.beat(scope) else { return };
                world.processes[who].round = Round::Answered(after, records, position);
            });
            if let Some((position, _)) = replica.and_then(|replica| replica.head) {
                step(world, next, Step::BeatFromReplica(who), |world| {
                    world.processes[who].round = Round::Answered(after, records, position);
                });
            }
        }
        Round::Answered(after, records, position) => {
            apply(world, scope, who, (after, &records, position), next);
        }
    }
    step(world, next, Step::Lose(who), |world| world.processes[who].round = Round::Idle);
}

/// The records in their order; then, only if that is all there was, the process is sure of everything that it knew
/// when it asked.
fn apply(
    world: &World,
    scope: &Scope,
    who: Who,
    (after, records, position): (bool, &Log, Position),
    next: &mut Next,
) {
    let mut applied = world.processes[who].applied;
    let mut contiguous = applied.epoch == position.epoch;
    let mut moves = false;
    for record in records.iter().flatten() {
        contiguous &= record.sequence == applied.sequence + 1;
        if contiguous {
            applied.sequence += 1;
            // Whoever wrote it has moved its scopes itself.
            moves |= record.covers && record.by != who;
        }
    }
    let behind = applied.sequence != position.sequence;
    let after = if scope.lacks(Fault::RenewOnReceipt) { world.after(who) } else { after };
    let ignores_gap = scope.lacks(Fault::IgnoreGaps) && applied.epoch == position.epoch;
    if contiguous || ignores_gap {
        step(world, next, Step::Apply(who), |world| {
            if moves {
                world.move_locally(who, scope);
            }
            let process = &mut world.processes[who];
            process.round = Round::Idle;
            process.applied = if ignores_gap { position } else { applied };
            // Behind, it has to ask again: what is missing may have come between the two answers.
            process.after |= after && (ignores_gap || !behind);
        });
    }
    if !contiguous || behind {
        step(world, next, Step::DropAll(who), |world| {
            world.move_locally(who, scope);
            let process = &mut world.processes[who];
            process.round = Round::Idle;
            process.applied = position;
            process.after |= after;
        });
    }
}
