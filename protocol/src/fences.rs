//! Fences: what is stored of a key while mutations of it begin, commit, end or die. A model of its own beside the other,
//! which knows what invalidations do; here they do it in one step.
//!
//! Two mutations of one key, each in a process of its own, put a fence around it, commit, and end with an
//! invalidation; one of them may die at any moment. *q* keeps values in itself and follows the log, *r* does not. Both
//! read through the server, and q sometimes without it: a value that is not for it, or a server that does not answer.
//!
//! Promised is this: when the fence of a mutation that has committed is gone, by its end or by itself, and q has heard
//! of both, no read that begins then returns what was loaded before that commit.

use std::collections::{HashMap, VecDeque};

/// A step that is left out, or done wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Mutations do without.
    NoFence,
    /// Who reads the server behind a fence gets a lease, as if there was none.
    LeaseBehindFence,
    /// What was loaded is published whatever stands there.
    PublishUnasked,
    /// A process keeps what it has loaded behind a fence that the server has told it of. Harm needs another fault: by the
    /// time that the fence is gone, it has heard of it as well.
    KeptBehindFence,
    /// A process that has heard of a fence keeps what it has loaded without asking the server.
    RecordUnheeded,
    /// The end of a mutation takes the fences of others away, too.
    OthersLifted,
    /// A load is kept that began behind a fence and ends after it.
    EndForgotten,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NoFence,
        Self::LeaseBehindFence,
        Self::PublishUnasked,
        Self::KeptBehindFence,
        Self::RecordUnheeded,
        Self::OthersLifted,
        Self::EndForgotten,
    ];
}

/// What is left out of a search.
#[derive(Clone, Copy)]
struct Lacks<'f> {
    faults: &'f [Fault],
    always_asks: bool,
}

impl Lacks<'_> {
    fn step(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

/// What a search has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// So many states, and the promise is kept in all.
    Nothing(usize),
    /// The shortest way to a read that breaks it.
    Broken(Vec<&'static str>),
}

/// The versions of the database: how many mutations have committed.
type Version = u8;

/// A mutation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Stage {
    #[default]
    Idle,
    Fenced,
    Committed(Version),
    Ended(Version),
    /// After its commit, or before.
    Dead(Option<Version>),
}

/// What the server has under the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Slot {
    #[default]
    Empty,
    /// Of q's load, or r's.
    Lease(usize),
    Value(Version),
}

/// A read that has found nothing in its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flight {
    /// The least that it may return.
    promised: Version,
    course: Course,
    /// No scope has moved here since it began.
    current: bool,
    /// What it makes is not to be kept.
    fenced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Course {
    Asking,
    /// With a lease, or without.
    Loading(bool),
    Loaded(bool, Version),
}

/// Who is told by a record: of the beginning of a mutation, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Record {
    Begin(usize),
    End(usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct World {
    version: Version,
    mutations: [Stage; 2],
    slot: Slot,
    /// Whose fence stands, in the server and by q's own knowledge.
    fences: [bool; 2],
    known: [bool; 2],
    /// What q has not heard yet.
    log: Vec<Record>,
    entry: Option<Version>,
    flights: [Option<Flight>; 2],
    broken: bool,
}

const Q: usize = 0;

/// Tries everything that can happen, with these steps left out; q without reads that ask nobody, if it `always_asks`.
#[must_use]
pub fn search(faults: &[Fault], always_asks: bool) -> Found {
    let lacks = Lacks { faults, always_asks };
    let mut ways: HashMap<World, Option<(World, &'static str)>> = HashMap::new();
    let mut open = VecDeque::from([World::default()]);
    ways.insert(World::default(), None);
    while let Some(world) = open.pop_front() {
        if world.broken {
            let (mut trace, mut at) = (Vec::new(), &world);
            while let Some(Some((before, step))) = ways.get(at) {
                trace.push(*step);
                at = before;
            }
            trace.reverse();
            return Found::Broken(trace);
        }
        for (step, next) in world.steps(lacks) {
            if !ways.contains_key(&next) {
                ways.insert(next.clone(), Some((world.clone(), step)));
                open.push_back(next);
            }
        }
    }
    Found::Nothing(ways.len())
}

impl World {
    fn steps(&self, lacks: Lacks<'_>) -> Vec<(&'static str, Self)> {
        let mut steps = Vec::new();
        let mut step = |name: &'static str, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            steps.push((name, next));
        };
        for (who, stage) in self.mutations.into_iter().enumerate() {
            self.mutate(who, stage, lacks, &mut step);
        }
        if let Some(record) = self.log.first().copied() {
            step("q hears of a mutation", &|world| world.hear(record, lacks));
        }
        for who in [0, 1] {
            match self.flights[who] {
                None => self.read(who, &mut step),
                Some(flight) => Self::fly(who, flight, lacks, &mut step),
            }
        }
        steps
    }

    fn mutate(
        &self,
        who: usize,
        stage: Stage,
        lacks: Lacks<'_>,
        step: &mut impl FnMut(&'static str, &dyn Fn(&mut Self)),
    ) {
        match stage {
            Stage::Idle => step("a mutation puts up its fence", &|world| {
                world.mutations[who] = Stage::Fenced;
                if !lacks.step(Fault::NoFence) {
                    world.fences[who] = true;
                    world.slot = Slot::Empty;
                    world.log.push(Record::Begin(who));
                }
            }),
            Stage::Fenced => step("a mutation commits", &|world| {
                world.version += 1;
                world.mutations[who] = Stage::Committed(world.version);
            }),
            Stage::Committed(version) => step("a mutation ends", &|world| {
                world.mutations[who] = Stage::Ended(version);
                world.fences[who] = false;
                if lacks.step(Fault::OthersLifted) {
                    world.fences = [false; 2];
                }
                world.slot = Slot::Empty;
                world.log.push(Record::End(who));
            }),
            Stage::Dead(_) if self.fences[who] => step("a fence ends by itself", &|world| {
                world.fences[who] = false;
            }),
            // Not before that in the server: it was begun later.
            Stage::Dead(_) if self.known[who] => step("q forgets a fence that has ended", &|world| {
                world.known[who] = false;
            }),
            Stage::Ended(_) | Stage::Dead(_) => {}
        }
        let is_dead = |mutation: &Stage| matches!(mutation, Stage::Dead(_));
        let leaves = match stage {
            Stage::Fenced => Some(None),
            Stage::Committed(version) => Some(Some(version)),
            _ => None,
        };
        if let (Some(version), false) = (leaves, self.mutations.iter().any(is_dead)) {
            step("a mutation dies", &|world| world.mutations[who] = Stage::Dead(version));
        }
    }

    fn hear(&mut self, record: Record, lacks: Lacks<'_>) {
        self.log.remove(0);
        match record {
            Record::Begin(who) => {
                // It may have ended by now.
                let stands = self.fences[who] || !matches!(self.mutations[who], Stage::Dead(_));
                self.known[who] = stands && !lacks.step(Fault::RecordUnheeded);
            }
            Record::End(who) => self.known[who] = false,
        }
        self.entry = None;
        if let Some(flight) = &mut self.flights[Q] {
            flight.current = false;
        }
    }

    /// What a read that begins now must not return less than.
    fn promised(&self, who: usize) -> Version {
        let kept = |(who, stage): (usize, &Stage)| match stage {
            Stage::Ended(version) | Stage::Dead(Some(version)) if !self.fences[who] => *version,
            _ => 0,
        };
        // In q, once it has heard of all.
        if who == Q && !self.log.is_empty() {
            return 0;
        }
        self.mutations.iter().enumerate().map(kept).max().unwrap_or_default()
    }

    fn read(&self, who: usize, step: &mut impl FnMut(&'static str, &dyn Fn(&mut Self))) {
        let promised = self.promised(who);
        if let (Q, Some(entry)) = (who, self.entry) {
            if entry < promised {
                step("q serves what it has kept", &|world| world.broken = true);
            }
            return;
        }
        let course = Course::Asking;
        step("a read begins", &|world| {
            let fenced = who == Q && world.known.contains(&true);
            world.flights[who] = Some(Flight { promised, course, current: true, fenced });
        });
    }

    fn fly(
        who: usize,
        flight: Flight,
        lacks: Lacks<'_>,
        step: &mut impl FnMut(&'static str, &dyn Fn(&mut Self)),
    ) {
        let on = |world: &mut Self, course| world.flights[who] = Some(Flight { course, ..flight });
        match flight.course {
            Course::Asking => {
                step("a read asks the server", &|world| {
                    let fenced = world.fences.contains(&true);
                    match world.slot {
                        Slot::Value(version) => on(world, Course::Loaded(false, version)),
                        _ if fenced && !lacks.step(Fault::LeaseBehindFence) => {
                            let fenced = flight.fenced || !lacks.step(Fault::KeptBehindFence);
                            let course = Course::Loading(false);
                            world.flights[who] = Some(Flight { course, fenced, ..flight });
                        }
                        _ => {
                            world.slot = Slot::Lease(who);
                            on(world, Course::Loading(true));
                        }
                    }
                });
                if who == Q && !lacks.always_asks {
                    step("q asks nobody", &|world| on(world, Course::Loading(false)));
                }
            }
            Course::Loading(leased) => {
                step("a read loads", &|world| on(world, Course::Loaded(leased, world.version)));
            }
            Course::Loaded(leased, version) => step("a read ends", &|world| {
                let forgets = lacks.step(Fault::EndForgotten) && !world.known.contains(&true);
                let barred = flight.fenced && !(forgets && who == Q);
                let holds = leased && world.slot == Slot::Lease(who) || lacks.step(Fault::PublishUnasked);
                if holds && !barred {
                    world.slot = Slot::Value(version);
                }
                if who == Q && flight.current && !barred {
                    world.entry = Some(version);
                }
                world.broken = version < flight.promised;
                world.flights[who] = None;
            }),
        }
    }
}
