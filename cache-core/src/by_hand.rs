//! Values that are stored by hand, over whatever is there or where there is nothing.
//!
//! A remote store may do what it is asked when nobody waits for it any more, long after something was invalidated. So
//! the key is claimed first, and the value is stored iff the lease is still there: whatever removes the key, or
//! claims it, keeps a late value out.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::cache::{ANY, Inner, Value, wanted};
use crate::concurrent::{all, rest};
use crate::entry::Life;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::lease::Lease;
use crate::random;
use crate::sabotage::{Fault, is_planted};
use crate::scope::Scope;
use crate::tiers::{AsOf, Claimed, Found, Wanted};

/// How often a value is stored anew when others claim, set or invalidate its key meanwhile.
const MAX_ATTEMPTS: u32 = 16;

impl Inner {
    /// Stores each value under its key, whatever is there. Of several for one key the last counts.
    pub(crate) async fn store_all<V: Value>(&self, values: &[(Key, &V)], ttl: Duration) -> Result<()> {
        let wanted = wanted::<V>();
        let last: HashMap<&Key, usize> = (0..).zip(values).map(|(at, (key, _))| (key, at)).collect();
        let values = (0..).zip(values).filter(|(at, (key, _))| last[key] == *at).map(|(_, value)| value);
        if self.settings.remote.is_none() {
            for (key, value) in values {
                self.flights.exclusively(key, || self.set_here(key, (*value).clone(), wanted, ttl));
            }
            return Ok(());
        }
        self.listen().await;
        let encoded = values.map(|(key, value)| Ok((key, *value, self.encode(wanted.typed, *value)?)));
        let encoded = encoded.collect::<Result<Vec<_>>>()?;
        let scopes: Vec<_> = encoded.iter().map(|(key, ..)| Scope::Key((*key).clone())).collect();
        for scope in &scopes {
            self.scopes.advance(scope);
        }
        let as_of: Vec<_> = encoded.iter().map(|(key, ..)| self.as_of_now(key, wanted.tags)).collect();
        self.overtake_puts().await?;
        let stores = encoded.iter().zip(&as_of);
        let stores =
            stores.map(|((key, _, payload), as_of)| self.store_there(key, payload, wanted, as_of, ttl));
        let outcomes = all(stores).await.into_iter().collect::<Result<Vec<_>>>()?;
        // After the values: whoever hears of it earlier could read the older ones once more.
        self.announce(scopes).await?;
        for (((key, value, _), as_of), stored) in encoded.iter().zip(&as_of).zip(outcomes) {
            if stored {
                self.replace_here(key, (*value).clone(), wanted, as_of, ttl);
            }
        }
        Ok(())
    }

    /// Stores `payload` in the remote store, in place of whatever is there; whether it did, which is so unless the key is
    /// fenced.
    async fn store_there(
        &self,
        key: &Key,
        payload: &[u8],
        wanted: Wanted<'_>,
        as_of: &AsOf,
        ttl: Duration,
    ) -> Result<bool> {
        for attempt in 0..MAX_ATTEMPTS {
            let Some(claimed) = self.claim(key, wanted, as_of, true).await? else { return Ok(false) };
            if self.store_claimed(key, wanted, claimed, payload, ttl).await? {
                return Ok(true);
            }
            rest(random::pause(attempt)).await;
        }
        Err(contended())
    }

    /// Stores `value` under `key` if there is nothing; whether it did.
    pub(crate) async fn store_if_absent<V: Value>(
        &self,
        key: &Key,
        value: &V,
        ttl: Duration,
    ) -> Result<bool> {
        let wanted = wanted::<V>();
        if self.settings.remote.is_none() {
            let value = value.clone();
            return Ok(self.flights.exclusively(key, || {
                let absent = self.peek(key.borrow(), |_| Some(())).is_none();
                if absent {
                    self.set_here(key, value, wanted, ttl);
                }
                absent
            }));
        }
        self.listen().await;
        let payload = self.encode(wanted.typed, value)?;
        for attempt in 0..MAX_ATTEMPTS {
            let as_of = self.as_of_now(key, wanted.tags);
            self.overtake_puts().await?;
            let Some(claimed) = self.claim(key, ANY, &as_of, false).await? else { return Ok(false) };
            if self.store_claimed(key, wanted, claimed, &payload, ttl).await? {
                self.announce(vec![Scope::Key(key.clone())]).await?;
                self.replace_here(key, value.clone(), wanted, &as_of, ttl);
                return Ok(true);
            }
            rest(random::pause(attempt)).await;
        }
        Err(contended())
    }

    /// Claims `key`, with a value under it only if that is to be made `anew`; nothing if there is one, or a fence.
    async fn claim(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        as_of: &AsOf,
        anew: bool,
    ) -> Result<Option<Claimed>> {
        let lease = Lease::new(Weak::clone(&self.this), self.settings.name_of(key), random::token());
        let found = self.fetch(key, wanted, as_of, Some(lease.token()), anew).await?;
        if let Found::Nothing(claimed) = found {
            return Ok(Some(claimed.with(lease)));
        }
        lease.forget();
        Ok(None)
    }

    /// Stores `payload` if its claim still stands; whether it did.
    async fn store_claimed(
        &self,
        key: &Key,
        wanted: Wanted<'_>,
        claimed: Claimed,
        payload: &[u8],
        ttl: Duration,
    ) -> Result<bool> {
        let stored = self.publish(key, wanted, &claimed, Some(payload), Life::from(ttl)).await?;
        claimed.done();
        Ok(stored)
    }

    /// Stores `value` in the only place there is. Called while no other store of `key` can happen.
    pub(crate) fn set_here<V: Value>(&self, key: &Key, value: V, wanted: Wanted<'_>, ttl: Duration) {
        // Loads under way are older than the value: they must not be stored over it.
        if !is_planted(Fault::SetWithoutMove) {
            self.scopes.advance(&Scope::Key(key.clone()));
        }
        let as_of = self.as_of_now(key, wanted.tags);
        self.keep(key, &self.entry(value, wanted.typed, &as_of, ttl), wanted.site);
    }

    /// Stores `value` in this process after the remote store has it, unless it was invalidated meanwhile.
    fn replace_here<V: Value>(&self, key: &Key, value: V, wanted: Wanted<'_>, as_of: &AsOf, ttl: Duration) {
        self.flights.exclusively(key, || {
            // As after an invalidation: a load may have read what the remote store had before.
            if let Some(stamp) = self.scopes.supersede(&as_of.stamp, key) {
                let as_of = AsOf { stamp: Arc::new(stamp), began: as_of.began };
                self.keep(key, &self.entry(value, wanted.typed, &as_of, ttl), wanted.site);
            }
        });
    }
}

fn contended() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("others kept changing the key during {MAX_ATTEMPTS} attempts to store it; try again"),
    )
}
