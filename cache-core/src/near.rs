//! The local store as callers see it: what they find there, and whether it may be served. Every look asks the rule.
//!
//! What else is done with a store is in `tiers`.

use std::sync::Arc;

use crate::cache::Inner;
use crate::clock::{self, Moment};
use crate::entry::Entry;
use crate::key::KeyRef;
use crate::sabotage::{Fault, is_planted};
use crate::store::{AskStore, InFront, Removal};

impl Inner {
    /// Takes what `take` finds in the local entry of `key`, if that entry is current and fresh. It may do so under a
    /// lock, so it must run nothing that others have written.
    #[inline]
    pub(crate) fn peek<T>(&self, key: KeyRef<'_>, take: impl FnOnce(&Arc<Entry>) -> Option<T>) -> Option<T> {
        let ask = match self.in_front(key) {
            Ok(found) => match found.entry() {
                Some(entry) if self.may_serve(entry, key) => return take(entry),
                _ => AskStore::Only,
            },
            Err(ask) => ask,
        };
        self.visit(key, ask, |entry| self.may_serve(entry, key).then(|| take(entry)))?
    }

    /// As [`peek`](Self::peek), under no lock.
    #[inline]
    pub(crate) fn peek_unlocked<T>(
        &self,
        key: KeyRef<'_>,
        take: impl FnOnce(&Arc<Entry>) -> Option<T>,
    ) -> Option<T> {
        let found = self.in_front(key).map(|found| found.unlocked());
        let ask = match found {
            Ok(Some(entry)) if self.may_serve(&entry, key) => return take(&entry),
            Ok(_) => AskStore::Only,
            Err(ask) => ask,
        };
        let found = self.visit(key, ask, |entry| self.may_serve(entry, key).then(|| Arc::clone(entry)));
        take(&found?)
    }

    /// Takes what `take` finds in the local entry of `key`, if that entry is current, whatever its age: the moment
    /// is that of the look. It may do so under a lock.
    pub(crate) fn look<T>(
        &self,
        key: KeyRef<'_>,
        take: impl FnOnce(&Arc<Entry>, Moment) -> Option<T>,
    ) -> Option<T> {
        let usable = |entry: &Entry| {
            let trust = self.trust();
            let is_current = self.scopes.is_current(entry.stamp(), key) || is_planted(Fault::StaleUnasked);
            let now = trust.now();
            (is_current && trust.covers(entry, now) && self.is_in_use(entry, now)).then_some(now)
        };
        let ask = match self.in_front(key) {
            Ok(found) => match found.entry().and_then(|entry| Some((entry, usable(entry)?))) {
                Some((entry, now)) => return take(entry, now),
                None => AskStore::Only,
            },
            Err(ask) => ask,
        };
        self.visit(key, ask, |entry| usable(entry).map(|now| take(entry, now)))?
    }

    /// What is in front of the local store under `key`.
    #[inline]
    fn in_front(&self, key: KeyRef<'_>) -> Result<InFront<'_>, AskStore> {
        match &self.settings.front {
            Some(front) => front.read(key),
            None => Err(AskStore::Only),
        }
    }

    /// What `visit` makes of the local store's entry of `key`. What it makes something of is kept in front if so asked.
    #[inline(never)]
    fn visit<T>(
        &self,
        key: KeyRef<'_>,
        ask: AskStore,
        visit: impl FnOnce(&Arc<Entry>) -> Option<T>,
    ) -> Option<T> {
        let local = self.settings.local.as_deref()?;
        let (mut visit, mut made, mut displaced) = (Some(visit), None, None);
        local.read(key, &mut |entry| {
            made = visit.take().and_then(|visit| visit(entry));
            if ask == AskStore::AndKeep
                && made.is_some()
                && let Some(front) = &self.settings.front
            {
                displaced = front.keep(entry);
            }
        });
        drop(displaced);
        made
    }

    /// Whether the entry, found under `key`, is current and fresh.
    #[inline]
    pub(crate) fn may_serve(&self, entry: &Entry, key: KeyRef<'_>) -> bool {
        // Before the rule is asked: what was heard up to then, the rule knows.
        let trust = self.trust();
        if !(self.scopes.is_current(entry.stamp(), key) || is_planted(Fault::HitUnasked)) {
            return false;
        }
        let now = trust.now();
        let fresh = now < entry.fresh_until();
        if !fresh {
            self.has_expired(entry, now);
        }
        fresh && trust.covers(entry, now) && self.is_in_use(entry, now)
    }

    /// Why nobody can be given the entry any more, if so.
    pub(crate) fn is_over(&self, entry: &Entry) -> Option<Removal> {
        if !self.scopes.is_current(entry.stamp(), entry.key().borrow()) {
            return Some(Removal::Invalidated);
        }
        let now = clock::coarse();
        (self.has_expired(entry, now) || self.is_idle(entry, now)).then_some(Removal::Expired)
    }

    /// Whether somebody has asked for the entry lately enough, where that matters. If so, somebody does now.
    #[inline]
    fn is_in_use(&self, entry: &Entry, now: Moment) -> bool {
        self.settings.time_to_idle.is_none() || self.is_still_in_use(entry, now)
    }

    #[inline(never)]
    fn is_still_in_use(&self, entry: &Entry, now: Moment) -> bool {
        let idle = self.is_idle(entry, now);
        if !idle {
            entry.stamp().note_use(now);
        }
        !idle
    }

    /// Whether nobody has asked for the entry for too long. Counts it the first time, as one that has expired.
    fn is_idle(&self, entry: &Entry, now: Moment) -> bool {
        let Some(limit) = self.settings.time_to_idle else { return false };
        let idle = now.since(entry.stamp().used()) >= limit;
        if idle && entry.expire() {
            self.counters.expirations.increment();
        }
        idle
    }

    /// Whether the entry is over for everybody, those included who take a stale value. Counts it the first time.
    #[cold]
    fn has_expired(&self, entry: &Entry, now: Moment) -> bool {
        let expired = now >= entry.stale_until();
        if expired && entry.expire() {
            self.counters.expirations.increment();
        }
        expired
    }
}
