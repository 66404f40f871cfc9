//! What a `#[cache_put]` does: it stores what its body returns, unless anything was invalidated since it began.

use crate::fault::Fault;
use crate::scope::Scope;
use crate::search::{Next, step};
use crate::server::Slot;
use crate::step::Step;
use crate::world::{Age, Entry, Envelope, Noted, Put, Who, World};

pub(crate) fn steps(world: &World, scope: &Scope, next: &mut Next) {
    let Some(who) = scope.put else { return };
    match world.put {
        Put::None => {
            if world.left.puts > 0 {
                step(world, next, Step::PutBegins, |world| world.note(who, scope));
            }
        }
        Put::Begun(noted) => {
            step(world, next, Step::PutRuns, |world| world.put = Put::Done(noted, world.load()));
        }
        Put::Done(noted, age) if !scope.cluster => {
            step(world, next, Step::PutStores, |world| world.store(who, noted, age, scope));
        }
        Put::Done(noted, age) => {
            step(world, next, Step::PutAsks, |world| {
                world.put = Put::Asked(noted, age, world.generations(scope));
            });
        }
        Put::Asked(noted, age, generations) => {
            step(world, next, Step::PutLeases, |world| {
                world.put = Put::Leased(noted, age, world.lease(generations));
            });
        }
        Put::Leased(noted, age, claim) => step(world, next, Step::PutAgrees, |world| {
            let unmoved = world.has_not_moved(noted, scope);
            world.put = if unmoved { Put::Agreed(noted, age, claim) } else { Put::None };
            if unmoved {
                world.record(who, true, false, scope);
            }
        }),
        Put::Agreed(noted, age, claim) => step(world, next, Step::PutPublishes, |world| {
            world.put = Put::Stored(noted, age);
            world.publish(claim, age, scope);
        }),
        Put::Stored(noted, age) => step(world, next, Step::PutEnds, |world| {
            world.put = Put::None;
            if noted.current {
                world.move_locally(who, scope);
                world.processes[who].entry = Some(Entry { age, after: noted.after });
            }
        }),
    }
}

impl World {
    fn note(&mut self, who: Who, scope: &Scope) {
        self.left.puts -= 1;
        let noted = Noted {
            current: true,
            any: self.any(scope),
            incarnation: self.value.told,
            after: self.after(who),
        };
        self.put = Put::Begun(noted);
    }

    fn has_not_moved(&mut self, noted: Noted, scope: &Scope) -> bool {
        self.any(scope) == noted.any || scope.lacks(Fault::PutUnasked)
    }

    /// In one step, at one server.
    fn store(&mut self, who: Who, noted: Noted, age: Age, scope: &Scope) {
        if !self.has_not_moved(noted, scope) {
            self.put = Put::None;
            return;
        }
        self.put = Put::Stored(noted, age);
        let late = scope.lacks(Fault::SealOnPublishing);
        let incarnation = if late { self.value.told } else { noted.incarnation };
        let generations = self.generations(scope);
        self.value.holds = Slot::Value(Envelope { age, incarnation, generations });
        self.record(who, true, false, scope);
    }
}
