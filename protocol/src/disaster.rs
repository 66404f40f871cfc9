//! What happens to servers: they are replicated late, they fail, and they lose what they hold.

use crate::fault::Fault;
use crate::scope::Scope;
use crate::search::{Next, step};
use crate::server::{LOG, Slot};
use crate::step::{Evicted, Part, Step};
use crate::world::{Round, World};

pub(crate) fn steps(world: &World, scope: &Scope, next: &mut Next) {
    let parts: &[Part] = if scope.cluster { &[Part::Value, Part::Control] } else { &[Part::Both] };
    for &part in parts {
        if world.left.failovers > 0 {
            copy(world, part, next);
            fail_over(world, scope, part, next);
        }
        if world.left.losses > 0 {
            flush(world, part, next);
        }
    }
    if world.left.losses > 0 {
        evict(world, next);
    }
}

fn has_value(part: Part) -> bool {
    part != Part::Control
}

fn has_control(part: Part) -> bool {
    part != Part::Value
}

fn copy(world: &World, part: Part, next: &mut Next) {
    let is_copied =
        (!has_value(part) || world.value.is_copied()) && (!has_control(part) || world.control.is_copied());
    if is_copied {
        return;
    }
    step(world, next, Step::Copy(part), |world| {
        if has_value(part) {
            world.value.copy();
        }
        if has_control(part) {
            world.control.copy();
        }
    });
}

/// A promotion, or a restart from a file: back to the copy, as another incarnation.
fn fail_over(world: &World, scope: &Scope, part: Part, next: &mut Next) {
    step(world, next, Step::FailOver(part), |world| {
        world.left.failovers -= 1;
        let incarnation = world.mint();
        let is_asked = !scope.lacks(Fault::IncarnationOfReplica);
        if has_value(part) {
            world.value.fail_over(incarnation, is_asked);
        }
        if has_control(part) {
            world.control.fail_over(incarnation, is_asked);
            for process in &mut world.processes {
                // What it was asked on a connection of before is not answered on another.
                if matches!(process.round, Round::Sent(_) | Round::Read(..)) {
                    process.round = Round::Idle;
                }
            }
        }
    });
}

fn flush(world: &World, part: Part, next: &mut Next) {
    step(world, next, Step::Flush(part), |world| {
        world.left.losses -= 1;
        if has_value(part) {
            world.value.holds = Slot::Empty;
        }
        if has_control(part) {
            let control = &mut world.control.holds;
            (control.head, control.log) = (None, [None; LOG]);
            (control.everything, control.tag, control.any) = (None, None, None);
        }
    });
}

fn evict(world: &World, next: &mut Next) {
    let all = [Evicted::Value, Evicted::Head, Evicted::Log, Evicted::Everything, Evicted::Tag, Evicted::Any];
    for what in all {
        step(world, next, Step::Evict(what), |world| {
            world.left.losses -= 1;
            let control = &mut world.control.holds;
            match what {
                Evicted::Value => world.value.holds = Slot::Empty,
                Evicted::Head => control.head = None,
                Evicted::Log => control.log = [None; LOG],
                Evicted::Everything => control.everything = None,
                Evicted::Tag => control.tag = None,
                Evicted::Any => control.any = None,
            }
        });
    }
}
