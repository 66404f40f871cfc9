//! Whose turn it is to be looked at, so that what has expired or was invalidated is reclaimed: every entry in turn,
//! a few with each insertion. Knows entries by their hashes only, and never why one is looked at.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Rounds have so many numbers, from 1 on.
const ROUNDS: u8 = 127;

/// The hashes of the entries of a store, in the order of their turns.
///
/// One that is gone, or that is there twice, is struck off when its turn comes: so with three turns for each
/// insertion there are no more than half as many hashes again as entries.
pub(crate) struct Roster {
    lists: Box<[Mutex<List>]>,
}

#[derive(Default)]
struct List {
    hashes: VecDeque<u64>,
    /// The number of the round, never 0 once it began, and how many have their turn in it yet.
    round: u8,
    left: usize,
}

/// Somebody's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) hash: u64,
    /// The same entry has no second turn in one round.
    pub(crate) round: u8,
}

impl Roster {
    /// With room for about so many entries, in so many lists.
    pub(crate) fn new(entries: usize, lists: usize) -> Self {
        let list = |_| {
            let hashes = VecDeque::with_capacity((entries + entries / 2) / lists.max(1));
            Mutex::new(List { hashes, ..List::default() })
        };
        Self { lists: (0..lists.max(1)).map(list).collect() }
    }

    /// Adds an entry, or gives one whose turn is over its next.
    pub(crate) fn add(&self, hash: u64) {
        self.list(hash).hashes.push_back(hash);
    }

    /// The next in the list that `hash` would be in.
    pub(crate) fn next(&self, hash: u64) -> Option<Turn> {
        let list = &mut *self.list(hash);
        if list.left == 0 {
            list.left = list.hashes.len();
            list.round = list.round % ROUNDS + 1;
        }
        let hash = list.hashes.pop_front()?;
        list.left = list.left.saturating_sub(1);
        Some(Turn { hash, round: list.round })
    }

    pub(crate) fn clear(&self) {
        for list in &self.lists {
            let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
            list.hashes.clear();
            list.left = 0;
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lists.iter().map(|list| list.lock().unwrap_or_else(PoisonError::into_inner).hashes.len()).sum()
    }

    fn list(&self, hash: u64) -> MutexGuard<'_, List> {
        let lists = u64::try_from(self.lists.len()).unwrap_or(1);
        let number = usize::try_from((hash >> 16) % lists).unwrap_or_default();
        self.lists[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_one_turn_in_a_round() {
        let roster = Roster::new(3, 1);
        (1..=3).for_each(|hash| roster.add(hash));
        for round in 1..=3 {
            for hash in 1..=3 {
                assert_eq!(roster.next(0), Some(Turn { hash, round }));
                roster.add(hash);
            }
        }
    }

    #[test]
    fn no_round_is_that_of_those_who_had_no_turn_yet() {
        let roster = Roster::new(1, 1);
        roster.add(1);
        for _ in 0..600 {
            assert_ne!(roster.next(0).map(|turn| turn.round), Some(0));
            roster.add(1);
        }
    }

    #[test]
    fn who_comes_later_has_a_turn_in_the_next_round() {
        let roster = Roster::new(2, 1);
        roster.add(1);
        roster.add(2);
        assert_eq!(roster.next(0), Some(Turn { hash: 1, round: 1 }));
        roster.add(3);
        assert_eq!(roster.next(0), Some(Turn { hash: 2, round: 1 }));
        assert_eq!(roster.next(0), Some(Turn { hash: 3, round: 2 }));
        assert_eq!(roster.next(0), None);
    }
}
