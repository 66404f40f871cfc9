//! `lock`: one load of a key among all processes.
//!
//! Whoever loads has left a lease in the remote store, which expires by itself if its process dies. With `lock` others
//! yield to it and look again until there is a value, or no lease any more, or until they have waited long enough.
//! However many callers a process has, one of them looks: the others are aboard its flight.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::sleep;

use crate::cache::{Cache, Inner};
use crate::clock;
use crate::error::Result;
use crate::key::Key;
use crate::lease::Lease;
use crate::random;
use crate::store::Claim;
use crate::tiers::{AsOf, Found, Wanted};

/// Reads `key` from the remote store, or gets the right to load it; with `lock` waits while another process loads it.
///
/// [`Found::Leased`] says that it has taken too long: load it, and leave it to the other to store what it makes.
pub(super) async fn fetch(
    cache: &Cache,
    key: &Key,
    wanted: Wanted<'_>,
    as_of: &AsOf,
    anew: bool,
) -> Result<Found> {
    let inner = cache.inner();
    // Who wants a load of its own waits for nobody's.
    let Some(wait) = wanted.lock.filter(|_| !anew) else {
        return inner.fetch(key, wanted, as_of, Some(random::token()), anew).await;
    };
    let mut pauses = Pauses::new(wait.min(inner.settings.load_limit));
    loop {
        let lease = Lease::new(cache.downgrade(), inner.settings.name_of(key), random::token());
        match inner.fetch(key, wanted, as_of, Some(lease.token()), anew).await? {
            Found::Nothing(claimed) => return Ok(Found::Nothing(claimed.with(lease))),
            Found::Leased if pauses.next().await => lease.forget(),
            found => {
                lease.forget();
                return Ok(found);
            }
        }
    }
}

/// Gets the right to refresh `key`, whose value stays where it is meanwhile; waits while another process has it.
///
/// Nothing if that takes too long, or if there is no telling.
pub(super) async fn of_refresh(cache: &Weak<Inner>, key: &Key, wait: Duration) -> Option<Lease> {
    let mut pauses = Pauses::new(wait);
    loop {
        // Not kept alive while it waits.
        let inner = cache.upgrade()?;
        let remote = inner.remote().await.ok()??;
        let lease = Lease::new(Weak::clone(cache), inner.settings.refresh_of(key), random::token());
        let claim = Claim { yields: true, ..Claim::new(lease.token(), inner.lease()) };
        if !remote.fetch(lease.name(), &[], Some(claim)).await.ok()?.leased {
            return Some(lease);
        }
        lease.forget();
        drop(inner);
        if !pauses.next().await {
            return None;
        }
    }
}

/// The pauses of one wait.
struct Pauses {
    until: clock::Moment,
    taken: u32,
}

impl Pauses {
    fn new(limit: Duration) -> Self {
        Self { until: clock::now() + limit, taken: 0 }
    }

    /// Pauses; false, at once, if the time is over.
    async fn next(&mut self) -> bool {
        let left = self.until.since(clock::now());
        if left.is_zero() {
            return false;
        }
        sleep(random::pause(self.taken).min(left)).await;
        self.taken += 1;
        true
    }
}
