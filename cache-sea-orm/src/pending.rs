//! What a transaction has changed, until it is known whether that counts.

use std::sync::Arc;

use cache_core::observe::{self, RunningLoad};
use parking_lot::Mutex;

use crate::change::Part;

/// The changes of a transaction that has not ended.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// The transaction around it, if it is a savepoint.
    outer: Option<Arc<Pending>>,
    /// By statement, in their order.
    changes: Mutex<Vec<Vec<Part>>>,
    /// The load in which it began.
    began_in: Option<RunningLoad>,
}

impl Pending {
    /// Those of a transaction that begins now, inside of `outer`.
    pub(crate) fn begin(outer: Option<&Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { outer: outer.cloned(), changes: Mutex::default(), began_in: observe::running() })
    }

    /// Adds what a statement is about to change; where it is noted. Nothing is known of what an opaque one changes.
    pub(crate) fn add(&self, changes: Vec<Part>) -> usize {
        let mut all = self.changes.lock();
        all.push(changes);
        all.len() - 1
    }

    /// What that statement has changed, now that it is known better.
    pub(crate) fn set(&self, at: usize, changes: Vec<Part>) {
        if let Some(noted) = self.changes.lock().get_mut(at) {
            *noted = changes;
        }
    }

    /// The transaction around it.
    pub(crate) fn outer(&self) -> Option<&Arc<Self>> {
        self.outer.as_ref()
    }

    /// Hands everything to the transaction around it.
    pub(crate) fn hand_up(&self, outer: &Self) {
        let changes = self.taken();
        outer.changes.lock().push(changes);
    }

    /// All changes, each once.
    pub(crate) fn taken(&self) -> Vec<Part> {
        let mut changes = Vec::new();
        for change in std::mem::take(&mut *self.changes.lock()).into_iter().flatten() {
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
        changes
    }

    /// Keeps the loads that run in this task from being stored, as far as they read through this transaction what nobody
    /// else may see, or what may be older than they are.
    pub(crate) fn is_read(&self) {
        let enclosing = std::iter::successors(Some(self), |pending| pending.outer.as_deref());
        let mut outermost = self;
        let mut is_changed = false;
        for pending in enclosing {
            is_changed |= !pending.changes.lock().is_empty();
            outermost = pending;
        }
        match &outermost.began_in {
            Some(load) if !is_changed => observe::is_unfit(Some(load)),
            _ => observe::is_unfit(None),
        }
    }
}
