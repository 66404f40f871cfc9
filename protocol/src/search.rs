//! The search: everything that can happen, breadth first, so that what it finds is as short as can be.
//! What can happen is not known here.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::scope::{Scope, Start};
use crate::step::Step;
use crate::world::{Promise, World};
use crate::{disaster, feed, flight, invalidate, put};

/// What a search found.
#[derive(Clone, Debug)]
pub enum Found {
    /// No promise was broken in any state.
    Nothing {
        /// How many states there are.
        states: usize,
    },
    /// A promise was broken.
    Broken {
        /// Which one.
        promise: Promise,
        /// The shortest way there: where it began, and each step with what came of it.
        trace: Vec<(Option<Step>, World)>,
        /// How many states were seen.
        states: usize,
    },
}

/// Does everything that may happen in this scope.
#[must_use]
pub fn search(scope: &Scope) -> Found {
    let mut seen = HashSet::with_hasher(BuildHasherDefault::<Known>::default());
    // For each state, in the order of their discovery: from which one it came, by which step.
    let mut origins: Vec<(u32, Option<Step>)> = Vec::new();
    let mut frontier = Vec::new();
    let mut starts = Vec::new();
    for start in Start::ALL {
        let world = World::new(scope, start);
        starts.push(world.clone());
        seen.insert(fingerprint(&world));
        frontier.push((index(origins.len()), world));
        origins.push((u32::MAX, None));
    }
    let mut next = Vec::new();
    while !frontier.is_empty() {
        let mut found = Vec::new();
        for (origin, world) in frontier.drain(..) {
            steps(&world, scope, &mut next);
            for (step, world) in next.drain(..) {
                if let Some(promise) = world.broken {
                    origins.push((origin, Some(step)));
                    let trace = replay(scope, &starts, &origins);
                    return Found::Broken { promise, trace, states: seen.len() };
                }
                if seen.insert(fingerprint(&world)) {
                    found.push((index(origins.len()), world));
                    origins.push((origin, Some(step)));
                }
            }
        }
        frontier = found;
    }
    Found::Nothing { states: seen.len() }
}

/// A step that can be made, and the state that it leads to.
pub(crate) type Next = Vec<(Step, World)>;

/// All steps that can be made in a state.
fn steps(world: &World, scope: &Scope, next: &mut Next) {
    invalidate::steps(world, scope, next);
    flight::steps(world, scope, next);
    feed::steps(world, scope, next);
    put::steps(world, scope, next);
    disaster::steps(world, scope, next);
}

/// Makes a step.
pub(crate) fn step(world: &World, next: &mut Next, step: Step, make: impl FnOnce(&mut World)) {
    let mut after = world.clone();
    make(&mut after);
    after.rename();
    next.push((step, after));
}

/// The way to the last of `origins`.
fn replay(scope: &Scope, starts: &[World], origins: &[(u32, Option<Step>)]) -> Vec<(Option<Step>, World)> {
    let (mut made, mut at) = (Vec::new(), origins.len() - 1);
    while let (origin, Some(step)) = origins[at] {
        made.push(step);
        at = origin as usize;
    }
    let mut trace = vec![(None, starts[at].clone())];
    for step in made.into_iter().rev() {
        let mut next = Vec::new();
        if let Some((_, world)) = trace.last() {
            steps(world, scope, &mut next);
        }
        trace.extend(
            next.into_iter().find(|(other, _)| *other == step).map(|(step, world)| (Some(step), world)),
        );
    }
    trace
}

/// Fewer states than memory has room for.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// By what a state is known: for ten million states the chance that two of them share it is one in 10^24.
fn fingerprint(world: &World) -> u128 {
    let mut mixing = Mixing(0);
    world.hash(&mut mixing);
    mixing.0 ^ (mixing.0 >> 61)
}

/// A hash that takes little time. States are no adversaries.
struct Mixing(u128);

impl Hasher for Mixing {
    fn finish(&self) -> u64 {
        // The upper half, which all that was written has reached.
        u64::try_from(self.0 >> 64).unwrap_or_default()
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u8(byte);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(59) ^ u128::from(number)).wrapping_mul(ODD);
    }
}

const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Takes what is a hash already for one.
#[derive(Default)]
struct Known(u64);

impl Hasher for Known {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u128(&mut self, fingerprint: u128) {
        self.0 = u64::try_from(fingerprint >> 64).unwrap_or_default();
    }
}
