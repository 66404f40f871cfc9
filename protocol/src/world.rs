//! What there is: two servers, two processes, one invalidation. What can happen to it is elsewhere.

use crate::scope::{Scope, Start};
use crate::server::{Control, Log, Server, Slot};

/// A random number: an epoch, an incarnation, a generation or a token. Only whether two are the same is ever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(pub u8);

/// A process, by its place among the two.
pub type Who = usize;
/// The process that invalidates.
pub const P: Who = 0;
/// The process that only reads.
pub const Q: Who = 1;

/// A value, by the only thing that matters of it: whether its load began before the shared copies were killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Age {
    /// Before.
    Old,
    /// After.
    New,
}

/// A state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The server that holds the value.
    pub value: Server<Slot>,
    /// The server that holds the control data. The same server as the other one, if there is but one.
    pub control: Server<Control>,
    /// p and q.
    pub processes: [Process; 2],
    /// What p does.
    pub invalidation: Invalidation,
    /// What a mutation does that stores what it returns.
    pub put: Put,
    /// What may still happen.
    pub left: Left,
    /// Which promise a read has just broken.
    pub broken: Option<Promise>,
    /// How many random numbers are in use.
    ids: u8,
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// In this process, at once.
    P1,
    /// In any process, after Δ.
    P2,
    /// In any process, at once, for whoever has the ticket.
    P3,
}

/// A process with its near cache and its feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// The entry in this process. It is dropped when a scope moves: one that the rule refuses is none.
    pub entry: Option<Entry>,
    /// The flight that new readers find, and one that it has replaced.
    pub flights: [Option<Flight>; 2],
    /// How far this process has followed the log: the epoch, and the sequence in it.
    pub applied: Position,
    /// The question to the control server that the feed was last sure of was sent after the acknowledgement.
    pub after: bool,
    /// The question that is under way.
    pub round: Round,
}

/// A place in the log, and what a ticket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which log.
    pub epoch: Id,
    /// The number of a record.
    pub sequence: u8,
}

/// A value in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Of the value.
    pub age: Age,
    /// Its stamp was taken after the acknowledgement.
    pub after: bool,
}

/// A read that has found nothing in the process, on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    /// How far it has come.
    pub course: Course,
    /// No scope has moved since its stamp: what the rule would say.
    pub current: bool,
    /// Its stamp was taken after the acknowledgement.
    pub after: bool,
    /// Somebody waits for it whom a promise was made to.
    pub promised: bool,
}

/// The way of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Course {
    /// It asks one server for the value or a lease, and one for the generations: at once, if they are one server.
    Asking(Option<Answer>, Option<Generations>),
    /// There was a value that is of no use, and its lease shall take the place of exactly that.
    TakingOver(Envelope, Generations),
    /// The body is about to read the database.
    Loading(Option<Claim>),
    /// It has, and the value is to be published.
    Loaded(Claim, Age),
    /// There is a value for those who wait.
    Ready(Age),
}

/// What the server of the value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Nothing was there: the lease of this token is there now, in this incarnation.
    Leased(Id, Id),
    /// Somebody else is loading.
    Busy,
    /// This is there, and of the incarnation of whoever asked, or not.
    Held(Envelope, bool),
}

/// The right to publish what a load makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The name of the load.
    pub token: Id,
    /// The incarnation of the server that gave it.
    pub incarnation: Id,
    /// Where the scopes stood before the load.
    pub generations: Generations,
}

/// A value as it lies in a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// Of the value.
    pub age: Age,
    /// Which incarnation of the server this is for.
    pub incarnation: Id,
    /// Where the scopes stood before the load.
    pub generations: Generations,
}

/// Where the scopes of the entry stand that are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generations {
    /// Of everything.
    pub everything: Id,
    /// Of the tag.
    pub tag: Id,
}

/// One round of the feed: what is new in the log, then a proof that this is the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Round {
    /// None is under way.
    Idle,
    /// Sent, perhaps after the acknowledgement.
    Sent(bool),
    /// The server has read these records.
    Read(bool, Log),
    /// The server has answered the beat with its own position. This may take any time to arrive.
    Answered(bool, Log, Position),
}

/// The invalidation that everything is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Invalidation {
    /// How far it has come.
    pub stage: Stage,
    /// A load that begins from now on is a new one.
    pub killed: bool,
    /// In a cluster: what has moved in the round that is under way.
    pub moved: Moved,
    /// Where its record is.
    pub ticket: Option<Position>,
    /// Δ has passed since the acknowledgement, or q has caught up with the ticket.
    pub patient: bool,
}

/// Which shared scopes have moved, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Moved {
    /// The one that moves with every invalidation.
    pub any: bool,
    /// The tag.
    pub tag: bool,
}

/// How far an invalidation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Not begun.
    Before,
    /// Local scopes have moved.
    Moved,
    /// In a cluster: the shared scopes have moved once.
    Announced,
    /// In a cluster: the value is unlinked, or another is invalidated.
    Half,
    /// In a cluster: the shared scopes have moved again.
    MovedAgain,
    /// The servers have done what they have to.
    Delivered,
    /// It has returned without an error.
    Acknowledged,
    /// A server could not be reached: from now on it is owed.
    Failed,
    /// It has returned with an error.
    Owing,
    /// Paid as far as in `Announced`.
    OwingAnnounced,
    /// Paid as far as in `Half`.
    OwingHalf,
    /// Paid as far as in `MovedAgain`.
    OwingMovedAgain,
}

/// A `#[cache_put]` of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Put {
    /// Not begun, over, or not part of the search.
    None,
    /// It has noted where things stood.
    Begun(Noted),
    /// The body has written to the database and returned.
    Done(Noted, Age),
    /// It has read where the scopes stand.
    Asked(Noted, Age, Generations),
    /// It has put a lease there.
    Leased(Noted, Age, Claim),
    /// Nothing has moved, but what it has just moved itself.
    Agreed(Noted, Age, Claim),
    /// The servers have it.
    Stored(Noted, Age),
}

/// What a put knows from before its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Noted {
    /// No local scope has moved since.
    pub current: bool,
    /// Where the scope stood that moves with every invalidation.
    pub any: Id,
    /// The incarnation of the server of the value.
    pub incarnation: Id,
    /// It began after the acknowledgement.
    pub after: bool,
}

/// How often something may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    /// A server falls back to its copy.
    pub failovers: u8,
    /// Something is evicted or flushed.
    pub losses: u8,
    /// q invalidates something else.
    pub others: u8,
    /// Puts.
    pub puts: u8,
    /// The invalidation cannot be delivered.
    pub outages: u8,
}

impl World {
    /// How it begins: whoever has an entry, and the server if it has a value, has the old one.
    #[must_use]
    pub fn new(scope: &Scope, start: Start) -> Self {
        let [incarnation, other, epoch, everything, tag, any] = [0, 1, 2, 3, 4, 5].map(Id);
        let second = if scope.cluster { other } else { incarnation };
        let generations = Generations { everything, tag };
        let slot = if start.shared {
            Slot::Value(Envelope { age: Age::Old, incarnation, generations })
        } else {
            Slot::Empty
        };
        let control = Control::new(epoch, second, generations, any);
        let process = |local: bool| Process {
            entry: local.then_some(Entry { age: Age::Old, after: false }),
            flights: [None; 2],
            applied: Position { epoch, sequence: 0 },
            after: false,
            round: Round::Idle,
        };
        let mut world = Self {
            value: Server::new(slot, incarnation),
            control: Server::new(control, second),
            processes: [process(start.local), process(start.local)],
            invalidation: Invalidation {
                stage: Stage::Before,
                killed: false,
                moved: Moved::default(),
                ticket: None,
                patient: false,
            },
            put: Put::None,
            left: scope.left,
            broken: None,
            ids: 6,
        };
        world.rename();
        world
    }

    /// A random number that was never seen before.
    pub fn mint(&mut self) -> Id {
        self.ids += 1;
        Id(self.ids - 1)
    }

    /// Whether the invalidation has been acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> bool {
        self.invalidation.stage == Stage::Acknowledged
    }

    /// Whether p does not use the servers until it has delivered what it owes them.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.invalidation.stage == Stage::Failed || self.invalidation.stage.is_owing()
    }

    /// Whether a promise is made to somebody who begins to read now.
    #[must_use]
    pub fn promises(&self, who: Who) -> bool {
        match who {
            P => self.acknowledged() || self.invalidation.stage.is_owing(),
            _ => self.invalidation.patient,
        }
    }

    /// Whether what happens now happens after the acknowledgement. Nothing in p depends on it.
    #[must_use]
    pub fn after(&self, who: Who) -> bool {
        who == Q && self.acknowledged()
    }

    /// Moves all scopes of the entry in a process: what it has is dropped, and what is on its way is not current.
    pub fn move_locally(&mut self, who: Who, scope: &Scope) {
        let process = &mut self.processes[who];
        process.entry = None;
        for flight in process.flights.iter_mut().flatten() {
            flight.current = false;
        }
        if scope.put == Some(who) {
            match &mut self.put {
                Put::None => {}
                Put::Begun(noted)
                | Put::Done(noted, _)
                | Put::Asked(noted, ..)
                | Put::Leased(noted, ..)
                | Put::Agreed(noted, ..)
                | Put::Stored(noted, _) => {
                    noted.current = false;
                }
            }
        }
    }

    /// What a body returns that runs now.
    #[must_use]
    pub fn load(&self) -> Age {
        if self.invalidation.killed { Age::New } else { Age::Old }
    }

    /// Gives random numbers the names of the order in which they stand here, so that two states that differ by nothing
    /// else are the same.
    pub fn rename(&mut self) {
        if self.left.failovers == 0 {
            self.value.forget_copy();
            self.control.forget_copy();
        }
        let (mut names, mut next) = ([u8::MAX; 64], 0);
        self.each_id(&mut |id| {
            let name = &mut names[usize::from(id.0)];
            if *name == u8::MAX {
                *name = next;
                next += 1;
            }
            id.0 = *name;
        });
        self.ids = next;
    }

    fn each_id(&mut self, name: &mut impl FnMut(&mut Id)) {
        self.value.each_id(name, Slot::each_id);
        self.control.each_id(name, Control::each_id);
        for process in &mut self.processes {
            name(&mut process.applied.epoch);
            for flight in process.flights.iter_mut().flatten() {
                match &mut flight.course {
                    Course::Asking(answer, generations) => {
                        match answer {
                            Some(Answer::Leased(token, incarnation)) => {
                                name(token);
                                name(incarnation);
                            }
                            Some(Answer::Held(envelope, _)) => envelope.each_id(name),
                            Some(Answer::Busy) | None => {}
                        }
                        if let Some(generations) = generations {
                            generations.each_id(name);
                        }
                    }
                    Course::TakingOver(envelope, generations) => {
                        envelope.each_id(name);
                        generations.each_id(name);
                    }
                    Course::Loading(claim) => claim.iter_mut().for_each(|claim| claim.each_id(name)),
                    Course::Loaded(claim, _) => claim.each_id(name),
                    Course::Ready(_) => {}
                }
            }
            if let Round::Answered(.., position) = &mut process.round {
                name(&mut position.epoch);
            }
        }
        self.invalidation.ticket.iter_mut().for_each(|ticket| name(&mut ticket.epoch));
        match &mut self.put {
            Put::None => {}
            Put::Begun(noted) | Put::Done(noted, _) | Put::Stored(noted, _) => noted.each_id(name),
            Put::Asked(noted, _, generations) => {
                noted.each_id(name);
                generations.each_id(name);
            }
            Put::Leased(noted, _, claim) | Put::Agreed(noted, _, claim) => {
                noted.each_id(name);
                claim.each_id(name);
            }
        }
    }
}

impl Stage {
    /// Whether it has returned with an error, and is being delivered.
    #[must_use]
    pub fn is_owing(self) -> bool {
        matches!(self, Self::Owing | Self::OwingAnnounced | Self::OwingHalf | Self::OwingMovedAgain)
    }
}

impl Generations {
    pub(crate) fn each_id(&mut self, name: &mut impl FnMut(&mut Id)) {
        name(&mut self.everything);
        name(&mut self.tag);
    }
}

impl Envelope {
    pub(crate) fn each_id(&mut self, name: &mut impl FnMut(&mut Id)) {
        name(&mut self.incarnation);
        self.generations.each_id(name);
    }
}

impl Claim {
    fn each_id(&mut self, name: &mut impl FnMut(&mut Id)) {
        name(&mut self.token);
        name(&mut self.incarnation);
        self.generations.each_id(name);
    }
}

impl Noted {
    fn each_id(&mut self, name: &mut impl FnMut(&mut Id)) {
        name(&mut self.any);
        name(&mut self.incarnation);
    }
}
