//! What a server does in one step: the commands and scripts, and what becomes of it when it fails.
//! Who sends them, and why, is not known here.

use crate::world::{Envelope, Generations, Id, Position, Who};

/// Records that the log has room for. It forgets the oldest.
pub const LOG: usize = 2;

/// A server: what it holds, the copy that it falls back to, and which of its lives this is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server<T> {
    /// What it holds.
    pub holds: T,
    /// What its replica holds, or the file that it restarts from. Nobody asks, while there will be no failure.
    pub copy: Option<T>,
    /// Another one after each failure.
    pub incarnation: Id,
    /// What those who are connected to it take for its incarnation. They ask when they connect.
    pub told: Id,
}

/// What is under the name of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Nothing.
    Empty,
    /// The lease of this token.
    Lease(Id),
    /// A value.
    Value(Envelope),
}

/// The control data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Control {
    /// Which log this is, and its last number; for which incarnation. May be lost, like everything below.
    pub head: Option<(Position, Id)>,
    /// The last records.
    pub log: Log,
    /// The generation of everything.
    pub everything: Option<Generation>,
    /// The generation of the tag.
    pub tag: Option<Generation>,
    /// The generation of the scope that moves with every invalidation.
    pub any: Option<Generation>,
}

/// A generation, and the incarnation that minted it: in another one it counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation {
    /// The random number.
    pub number: Id,
    /// Of the server.
    pub incarnation: Id,
}

/// The records of a log, oldest first.
pub type Log = [Option<Record>; LOG];

/// A record of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its number.
    pub sequence: u8,
    /// Who wrote it.
    pub by: Who,
    /// Whether it is about the entry.
    pub covers: bool,
}

impl<T: Clone + PartialEq> Server<T> {
    pub(crate) fn new(holds: T, incarnation: Id) -> Self {
        Self { copy: Some(holds.clone()), holds, incarnation, told: incarnation }
    }

    pub(crate) fn is_copied(&self) -> bool {
        self.copy.as_ref().is_none_or(|copy| *copy == self.holds)
    }

    pub(crate) fn copy(&mut self) {
        self.copy = Some(self.holds.clone());
    }

    pub(crate) fn forget_copy(&mut self) {
        self.copy = None;
    }

    /// Goes on from the copy, in another incarnation.
    pub(crate) fn fail_over(&mut self, incarnation: Id, is_asked: bool) {
        if let Some(copy) = &self.copy {
            self.holds = copy.clone();
        }
        self.incarnation = incarnation;
        if is_asked {
            self.told = incarnation;
        }
    }

    pub(crate) fn each_id<F: FnMut(&mut Id)>(&mut self, name: &mut F, inside: fn(&mut T, &mut F)) {
        name(&mut self.incarnation);
        name(&mut self.told);
        inside(&mut self.holds, name);
        self.copy.iter_mut().for_each(|copy| inside(copy, name));
    }
}

impl Slot {
    pub(crate) fn each_id(&mut self, name: &mut impl FnMut(&mut Id)) {
        match self {
            Self::Empty => {}
            Self::Lease(token) => name(token),
            Self::Value(envelope) => envelope.each_id(name),
        }
    }
}

impl Control {
    pub(crate) fn new(epoch: Id, incarnation: Id, generations: Generations, any: Id) -> Self {
        let minted = |number| Some(Generation { number, incarnation });
        Self {
            head: Some((Position { epoch, sequence: 0 }, incarnation)),
            log: [None; LOG],
            everything: minted(generations.everything),
            tag: minted(generations.tag),
            any: minted(any),
        }
    }

    /// Adds a record, and answers its place.
    pub(crate) fn append(&mut self, by: Who, covers: bool) -> Option<Position> {
        let (position, _) = self.head.as_mut()?;
        position.sequence += 1;
        let record = Record { sequence: position.sequence, by, covers };
        if let Some(place) = self.log.iter_mut().find(|place| place.is_none()) {
            *place = Some(record);
        } else {
            self.log.rotate_left(1);
            self.log[LOG - 1] = Some(record);
        }
        Some(*position)
    }

    /// The records after a position.
    pub(crate) fn read(&self, after: u8) -> Log {
        let mut read = [None; LOG];
        let newer = self.log.iter().flatten().filter(|record| record.sequence > after);
        for (place, record) in read.iter_mut().zip(newer) {
            *place = Some(*record);
        }
        read
    }

    pub(crate) fn each_id(&mut self, name: &mut impl FnMut(&mut Id)) {
        if let Some((position, incarnation)) = &mut self.head {
            name(&mut position.epoch);
            name(incarnation);
        }
        for generation in [&mut self.everything, &mut self.tag, &mut self.any].into_iter().flatten() {
            name(&mut generation.number);
            name(&mut generation.incarnation);
        }
    }
}
