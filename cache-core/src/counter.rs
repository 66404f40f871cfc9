//! Counters: entries that hold an `i64`, changed in one step however many processes change them at once.
//!
//! A counter is an ordinary entry, so it is read, expired and invalidated as one. With a remote store a new sum is
//! stored only in place of the entry it was computed from, and computed anew if another came between.

use std::hash::BuildHasher as _;
use std::time::Duration;

use crate::cache::{Cache, Inner, wanted};
use crate::concurrent::rest;
use crate::envelope::IDENTITY;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::Guard;
use crate::key::Key;
use crate::random;
use crate::scope::Scope;
use crate::store::{Claim, Expect, Fetched};
use crate::tiers::Claimed;

/// How often a sum is computed anew before that is given up. Callers of one process take turns, so this is
/// about other processes.
const MAX_ATTEMPTS: u32 = 64;

/// The longest pause before the second attempt; it doubles with each further one, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);

const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How long a new counter may take from its claim to its first value.
const LEASE: Duration = Duration::from_secs(1);

/// The callers of one key go one after the other; keys share a few turns.
#[derive(Debug, Default)]
pub(crate) struct Turns([tokio::sync::Mutex<()>; 16]);

impl Turns {
    fn of(&self, key: &Key) -> &tokio::sync::Mutex<()> {
        let hash = foldhash::fast::FixedState::default().hash_one(key.as_str());
        &self.0[usize::try_from(hash % 16).unwrap_or_default()]
    }
}

impl Cache {
    /// Adds `by` to the counter under `key` and returns the sum: in one step, across processes where there is a
    /// remote store.
    ///
    /// What is not there, or is no `i64`, counts as 0 and is kept for the cache's default time to live; a counter
    /// keeps the time that it has. For another time, or another beginning, [`set_if_absent`](Self::set_if_absent) an `i64` first,
    /// or [`expire`](Self::expire) it afterwards. A sum that is no `i64` is an [`ErrorKind::Encode`], and changes nothing. After
    /// an [`ErrorKind::Timeout`] it is not known whether `by` was added.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn run(cache: &cache_core::Cache) -> cache_core::Result<()> {
    /// let views = cache.increment("views:42", 1).await?;
    /// if views % 100 == 0 {
    ///     // store them somewhere that lasts
    /// }
    /// assert_eq!(cache.get::<i64>("views:42").await?, Some(views));
    /// # Ok(()) }
    /// ```
    pub async fn increment(&self, key: impl Into<Key>, by: i64) -> Result<i64> {
        let (inner, key) = (self.inner(), key.into());
        let Some(remote) = inner.remote().await? else { return inner.increment_here(&key, by) };
        let _turn = inner.turns.of(&key).lock().await;
        for attempt in 0..MAX_ATTEMPTS {
            if let Some(sum) = inner.increment_there(remote, &key, by).await? {
                // Others change it as well: a near copy would be wrong as soon as it is made.
                let scopes = [Scope::Key(key)];
                inner.move_locally(&scopes);
                // It is added, whether others hear of it or not. Not owed, since to pay is to delete.
                if let Err(error) = inner.tell(&scopes).await {
                    tracing::debug!(target: "larder", %error, "nobody was told that a counter has changed");
                }
                return Ok(sum);
            }
            let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
            rest(random::up_to(longest)).await;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "others kept changing the counter, or kept it fenced, during {MAX_ATTEMPTS} attempts to change it; try again"
            ),
        ))
    }
}

impl Inner {
    fn increment_here(&self, key: &Key, by: i64) -> Result<i64> {
        self.flights.exclusively(key, || {
            let found = self.peek(key.borrow(), |entry| {
                entry.value::<i64>().map(|count| (*count, entry.fresh_until().since(crate::clock::now())))
            });
            let (count, ttl) = found.unwrap_or((0, self.settings.default_ttl));
            let sum = sum(count, by)?;
            self.set_here(key, sum, wanted::<i64>(), ttl);
            Ok(sum)
        })
    }

    /// One attempt: nothing if somebody else changed the counter meanwhile.
    async fn increment_there(&self, remote: &Guard, key: &Key, by: i64) -> Result<Option<i64>> {
        let (wanted, token) = (wanted::<i64>(), random::token());
        let (name, scopes) = (self.settings.name_of(key), self.settings.scopes_of(key, &[]));
        let as_of = self.as_of_now(key, &[]);
        let Fetched { value, ttl, generations, .. } = remote.fetch(&name, &scopes, None).await?;
        let live = value.as_ref().and_then(|value| self.open(key, wanted, &as_of, value, ttl, &generations));
        let beginning = value.as_ref().map(|value| &value[..value.len().min(IDENTITY)]);
        if let (Some(live), Some(beginning)) = (live.filter(|live| !live.is_stale), beginning)
            && let Some(count) = live.entry.value::<i64>()
        {
            let sum = sum(*count, by)?;
            let payload = self.encode(wanted.typed, &sum)?;
            let (claimed, same) = (Claimed::new(token, generations), Expect::Same(beginning));
            let stored = self.publish_if(key, wanted, &claimed, Some(&payload), live.left, same).await?;
            return Ok(stored.then_some(sum));
        }
        // Claimed, so that an invalidation from here on keeps it from being stored.
        let claim = Claim { reject: beginning, ..Claim::new(token, LEASE) };
        let Fetched { value, generations, .. } = remote.fetch(&name, &scopes, Some(claim)).await?;
        if value.is_some() {
            return Ok(None);
        }
        let payload = self.encode(wanted.typed, &by)?;
        let claimed = Claimed::new(token, generations);
        let usual = self.settings.default_ttl.into();
        let stored = self.publish(key, wanted, &claimed, Some(&payload), usual).await?;
        Ok(stored.then_some(by))
    }
}

fn sum(count: i64, by: i64) -> Result<i64> {
    count
        .checked_add(by)
        .ok_or_else(|| Error::new(ErrorKind::Encode, "a counter holds an `i64`, and the sum is none"))
}
