//! The scripts and commands that servers are sent: each is one step at one server. Who sends them is not known here.

use crate::fault::Fault;
use crate::scope::Scope;
use crate::server::{Generation, LOG, Slot};
use crate::world::{Age, Answer, Claim, Envelope, Generations, Id, Position, Q, Who, World};

impl World {
    /// The beginning of every control script: a head that is missing, or of another incarnation, begins another log.
    fn head(&mut self, scope: &Scope) {
        let told = self.control.told;
        let lives = match self.control.holds.head {
            None => false,
            Some((_, incarnation)) => incarnation == told || scope.lacks(Fault::EpochKeptOnFailover),
        };
        if !lives {
            let epoch = if scope.lacks(Fault::EpochKept) { self.first_epoch() } else { self.mint() };
            self.control.holds.head = Some((Position { epoch, sequence: 0 }, told));
            self.control.holds.log = [None; LOG];
            self.control.holds.everything = Some(self.generation());
        }
    }

    /// Says where the log ends. A server that others may not write to refuses it.
    pub(crate) fn beat(&mut self, scope: &Scope) -> Option<Position> {
        self.head(scope);
        self.control.holds.head.map(|(position, _)| position)
    }

    /// Moves the scopes of an invalidation and records it.
    pub(crate) fn record(
        &mut self,
        by: Who,
        covers: bool,
        moves_tag: bool,
        scope: &Scope,
    ) -> Option<Position> {
        self.head(scope);
        if moves_tag {
            self.control.holds.tag = Some(self.generation());
        }
        self.control.holds.any = Some(self.generation());
        self.control.holds.append(by, covers)
    }

    /// Records an invalidation whose scopes have moved.
    pub(crate) fn append(&mut self, by: Who, covers: bool, scope: &Scope) -> Option<Position> {
        self.head(scope);
        self.control.holds.append(by, covers)
    }

    /// Moves the scope that moves with every invalidation, and nothing else.
    pub(crate) fn move_any(&mut self) {
        self.control.holds.any = Some(self.generation());
    }

    /// Moves the tag, and nothing else.
    pub(crate) fn move_tag(&mut self) {
        self.control.holds.tag = Some(self.generation());
    }

    /// Says where the scopes of the entry stand. A scope that stands nowhere is given a place.
    pub(crate) fn generations(&mut self, scope: &Scope) -> Generations {
        let everything =
            self.standing(self.control.holds.everything, scope, |old| old.generations.everything);
        let tag = self.standing(self.control.holds.tag, scope, |old| old.generations.tag);
        self.control.holds.everything = Some(everything);
        self.control.holds.tag = Some(tag);
        Generations { everything: everything.number, tag: tag.number }
    }

    /// The same of the scope that moves with every invalidation.
    pub(crate) fn any(&mut self, scope: &Scope) -> Id {
        let any = self.standing(self.control.holds.any, scope, |old| old.generations.everything);
        self.control.holds.any = Some(any);
        any.number
    }

    fn standing(
        &mut self,
        found: Option<Generation>,
        scope: &Scope,
        restarted: fn(Envelope) -> Id,
    ) -> Generation {
        let told = self.control.told;
        match (found, self.value.holds) {
            (Some(found), _)
                if found.incarnation == told || scope.lacks(Fault::IgnoreGenerationIncarnation) =>
            {
                found
            }
            // A number that is counted from the beginning again comes to where it was.
            (None, Slot::Value(old)) if scope.lacks(Fault::GenerationsRestart) => {
                Generation { number: restarted(old), incarnation: told }
            }
            _ => self.generation(),
        }
    }

    fn generation(&mut self) -> Generation {
        Generation { number: self.mint(), incarnation: self.control.told }
    }

    /// The epoch of whoever follows the log.
    fn first_epoch(&self) -> Id {
        self.processes[Q].applied.epoch
    }

    /// Reads the value, or leaves a lease.
    pub(crate) fn get_or_lease(&mut self, scope: &Scope) -> Answer {
        match self.value.holds {
            Slot::Empty => {
                let token = self.mint();
                self.value.holds = Slot::Lease(token);
                Answer::Leased(token, self.value.told)
            }
            Slot::Lease(_) => Answer::Busy,
            Slot::Value(envelope) => {
                let lives = envelope.incarnation == self.value.told;
                Answer::Held(envelope, lives || scope.lacks(Fault::IgnoreValueIncarnation))
            }
        }
    }

    /// Leaves a lease in place of exactly this value.
    pub(crate) fn take_over(&mut self, seen: Envelope, generations: Generations) -> Option<Claim> {
        (self.value.holds == Slot::Value(seen)).then(|| self.lease(generations))
    }

    /// Leaves a lease, whatever was there.
    pub(crate) fn lease(&mut self, generations: Generations) -> Claim {
        let token = self.mint();
        self.value.holds = Slot::Lease(token);
        Claim { token, incarnation: self.value.told, generations }
    }

    /// Stores a value in place of the lease that it was loaded with.
    pub(crate) fn publish(&mut self, claim: Claim, age: Age, scope: &Scope) {
        if self.value.holds == Slot::Lease(claim.token) || scope.lacks(Fault::PublishUnasked) {
            let sealed = scope.lacks(Fault::SealOnPublishing);
            let incarnation = if sealed { self.value.told } else { claim.incarnation };
            self.value.holds = Slot::Value(Envelope { age, incarnation, generations: claim.generations });
        }
    }
}
