//! What p does to invalidate, what it does when it cannot, and how q gets to know that it may rely on it.

use crate::fault::Fault;
use crate::scope::Scope;
use crate::search::{Next, step};
use crate::step::Step;
use crate::world::{Moved, P, Q, Stage, World};

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
    match world.invalidation.stage {
        Stage::Before => step(world, next, Step::MoveLocally, |world| {
            world.invalidation.stage = Stage::Moved;
            if !scope.lacks(Fault::RemoteMoveOnly) {
                world.move_locally(P, scope);
            }
        }),
        Stage::Delivered => step(world, next, Step::Acknowledge, |world| {
            world.invalidation.stage = Stage::Acknowledged;
            if !scope.lacks(Fault::NoSecondMove) && !scope.lacks(Fault::RemoteMoveOnly) {
                world.move_locally(P, scope);
            }
        }),
        Stage::Acknowledged | Stage::Failed => {}
        _ if scope.cluster => deliver_to_two(world, scope, next),
        Stage::Moved | Stage::Owing => step(world, next, Step::UnlinkAndRecord, |world| {
            let paid = world.invalidation.stage == Stage::Owing;
            if !scope.by_tag {
                world.unlink(Stage::Half);
            }
            world.record_it(if paid { Stage::Acknowledged } else { Stage::Delivered }, scope);
        }),
        _ => {}
    }
}

/// In a cluster, where scopes move one by one: they move, the value is unlinked, they move again, and that is recorded.
fn deliver_to_two(world: &World, scope: &Scope, next: &mut Next) {
    let stage = world.invalidation.stage;
    let of = |delivering, owing| if stage.is_owing() { owing } else { delivering };
    let half = of(Stage::Half, Stage::OwingHalf);
    let done = of(Stage::Delivered, Stage::Acknowledged);
    let control_first = scope.lacks(Fault::ControlBeforeUnlink) && !scope.by_tag;
    match stage {
        Stage::Moved | Stage::Owing if !scope.lacks(Fault::Unannounced) => {
            move_one(world, scope, of(Stage::Announced, Stage::OwingAnnounced), next);
        }
        Stage::Moved | Stage::Owing | Stage::Announced | Stage::OwingAnnounced => {
            if control_first {
                step(world, next, Step::Record, |world| world.record_it(half, scope));
            } else if scope.by_tag {
                move_one(world, scope, of(Stage::MovedAgain, Stage::OwingMovedAgain), next);
            } else {
                step(world, next, Step::Unlink, |world| world.unlink(half));
            }
        }
        Stage::Half | Stage::OwingHalf if control_first => {
            step(world, next, Step::Unlink, |world| world.unlink(done));
        }
        Stage::Half | Stage::OwingHalf => {
            move_one(world, scope, of(Stage::MovedAgain, Stage::OwingMovedAgain), next);
        }
        Stage::MovedAgain | Stage::OwingMovedAgain => {
            step(world, next, Step::Append, |world| world.append_it(done, scope));
        }
        _ => {}
    }
}

/// One of the shared scopes that have not moved in this round; after the last of them comes `then`.
fn move_one(world: &World, scope: &Scope, then: Stage, next: &mut Next) {
    let Moved { any, tag } = world.invalidation.moved;
    if !any {
        step(world, next, Step::MoveAny, |world| {
            world.move_any();
            world.moved(Moved { any: true, tag }, then, scope);
        });
    }
    if scope.by_tag && !tag {
        step(world, next, Step::MoveTag, |world| {
            world.move_tag();
            world.moved(Moved { any, tag: true }, then, scope);
        });
    }
}

/// A server does not answer: the invalidation becomes a debt, *then* local scopes move again.
fn fail(world: &World, scope: &Scope, next: &mut Next) {
    match world.invalidation.stage {
        // Also when all is done, and only the answer gets lost.
        Stage::Moved | Stage::Announced | Stage::Half | Stage::MovedAgain | Stage::Delivered
            if world.left.outages > 0 =>
        {
            step(world, next, Step::Fail, |world| {
                world.left.outages -= 1;
                world.invalidation.moved = Moved::default();
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

    fn moved(&mut self, moved: Moved, then: Stage, scope: &Scope) {
        // The first step of an invalidation that others can notice: who loads after it has seen what it is about.
        self.invalidation.killed = true;
        let all = moved.any && (moved.tag || !scope.by_tag);
        self.invalidation.moved = if all { Moved::default() } else { moved };
        if all {
            self.invalidation.stage = then;
        }
    }

    fn append_it(&mut self, then: Stage, scope: &Scope) {
        let ticket = self.append(P, true, scope);
        self.invalidation.ticket = ticket.filter(|_| scope.ticket);
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
