//! What p does to invalidate, what it does when it cannot, and how q gets to know that it may rely on it.

use crate::fault::Fault;
use crate::scope::Scope;
use crate::search::{Next, step};
use crate::step::Step;
use crate::world::{P, Q, Stage, World};

pub(crate) fn steps(world: &World, scope: &Scope, next: &mut Next) {
    deliver(world, scope, next);
    fail(world, scope, next);
    rely(world, scope, next);
    if world.left.others > 0 {
        step(world, next, Step::Another, |world| {
            world.left.others -= 1;
            world.record(Q, false, false, scope);
        });
    }
}

/// Local move; the servers; local move again.
fn deliver(world: &World, scope: &Scope, next: &mut Next) {
    let two_servers = scope.cluster && !scope.by_tag;
    match world.invalidation.stage {
        Stage::Before => step(world, next, Step::MoveLocally, |world| {
            world.invalidation.stage = Stage::Moved;
            if !scope.lacks(Fault::RemoteMoveOnly) {
                world.move_locally(P, scope);
            }
        }),
        Stage::Moved if two_servers && scope.lacks(Fault::ControlBeforeUnlink) => {
            step(world, next, Step::Record, |world| world.record_it(Stage::Half, scope));
        }
        Stage::Half if scope.lacks(Fault::ControlBeforeUnlink) => {
            step(world, next, Step::Unlink, |world| world.unlink(Stage::Delivered));
        }
        Stage::Moved if two_servers => step(world, next, Step::Unlink, |world| world.unlink(Stage::Half)),
        Stage::Owing if two_servers => {
            step(world, next, Step::Unlink, |world| world.unlink(Stage::OwingHalf));
        }
        Stage::Half => step(world, next, Step::Record, |world| world.record_it(Stage::Delivered, scope)),
        Stage::OwingHalf => {
            step(world, next, Step::Record, |world| world.record_it(Stage::Acknowledged, scope));
        }
        Stage::Moved | Stage::Owing => step(world, next, Step::UnlinkAndRecord, |world| {
            let paid = world.invalidation.stage == Stage::Owing;
            if !scope.by_tag {
                world.unlink(Stage::Half);
            }
            world.record_it(if paid { Stage::Acknowledged } else { Stage::Delivered }, scope);
        }),
        Stage::Delivered => step(world, next, Step::Acknowledge, |world| {
            world.invalidation.stage = Stage::Acknowledged;
            if !scope.lacks(Fault::NoSecondMove) && !scope.lacks(Fault::RemoteMoveOnly) {
                world.move_locally(P, scope);
            }
        }),
        Stage::Acknowledged | Stage::Failed => {}
    }
}

/// A server does not answer: the invalidation becomes a debt, *then* local scopes move again.
fn fail(world: &World, scope: &Scope, next: &mut Next) {
    match world.invalidation.stage {
        // Also when all is done, and only the answer gets lost.
        Stage::Moved | Stage::Half | Stage::Delivered if world.left.outages > 0 => {
            step(world, next, Step::Fail, |world| {
                world.left.outages -= 1;
                world.invalidation.stage = Stage::Failed;
                world.invalidation.ticket = None;
            });
        }
        Stage::Failed => step(world, next, Step::ReturnOwing, |world| {
            world.invalidation.stage = Stage::Owing;
            // That is all that can be promised, and it is promised in this process.
            world.invalidation.killed = true;
            if !scope.lacks(Fault::NoSecondMoveOnFailure) {
                world.move_locally(P, scope);
            }
        }),
        _ => {}
    }
}

/// What makes q's readers entitled to the promise.
fn rely(world: &World, scope: &Scope, next: &mut Next) {
    let invalidation = world.invalidation;
    if !world.acknowledged() || invalidation.patient {
        return;
    }
    let Some(ticket) = invalidation.ticket.filter(|_| scope.ticket) else {
        if !scope.ticket {
            step(world, next, Step::PatienceEnds, |world| world.invalidation.patient = true);
        }
        return;
    };
    let applied = world.processes[Q].applied;
    let known = applied.epoch == ticket.epoch || scope.lacks(Fault::TicketOfAnyEpoch);
    if known && applied.sequence < ticket.sequence && !scope.lacks(Fault::TicketUnheeded) {
        return;
    }
    step(world, next, Step::CatchUp, |world| {
        world.invalidation.patient = true;
        if !known {
            world.move_locally(Q, scope);
            world.processes[Q].applied = ticket;
        }
    });
}

impl World {
    fn unlink(&mut self, then: Stage) {
        self.value.holds = crate::server::Slot::Empty;
        self.invalidation.killed = true;
        self.invalidation.stage = then;
    }

    fn record_it(&mut self, then: Stage, scope: &Scope) {
        self.invalidation.ticket = self.record(P, true, scope.by_tag, scope);
        self.invalidation.killed |= scope.by_tag;
        self.invalidation.stage = then;
        if !scope.ticket {
            // Nobody will show it.
            self.invalidation.ticket = None;
        }
    }
}
