//! A first look at the remote store by a process that keeps no values of its own: a hit there is answered as it is
//! found, and is nobody else's business. Whatever else is there is left to `approach`, which looks again.
//!
//! No stamp is taken and no flight begun, since nothing is stored or shared that could be overtaken. What was
//! acknowledged as invalidated before the call is not found in the store, or keeps it from being asked.

use std::any::Any;

use super::Target;
use crate::clock;
use crate::context;
use crate::tiers::Wanted;

/// What a glance has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    /// A value, which is where it was to be put.
    Value,
    /// A remembered `None`.
    Absent,
    /// Nothing, or nothing that is served without a further look.
    Nothing,
    /// The store has no answer: it is not to be asked again on behalf of the same call.
    Unavailable,
}

/// Looks for `target` in the remote store, where that is the only one; puts its value into `place`, an `Option` of its
/// type.
pub(super) async fn glance(target: &Target, wanted: &Wanted<'_>, place: &mut (dyn Any + Send)) -> Glance {
    let (cache, key) = (target.cache.inner(), &target.key);
    let Some(bytes) = wanted.typed.bytes else { return Glance::Nothing };
    // Who takes stale values asks how old they are. Who finds a load under way waits for it.
    let is_plain = cache.settings.local.is_none() && !target.anew && target.early.is_none();
    if !is_plain || context::is_loading(cache.id(), key) || cache.flights.carries(key) {
        return Glance::Nothing;
    }
    let began = clock::now();
    let fetched = match cache.remote().await {
        Ok(Some(remote)) => {
            remote.glance(&cache.settings.name_of(key), &cache.scopes_of(key, wanted.tags)).await
        }
        Ok(None) => return Glance::Nothing,
        Err(error) => Err(error),
    };
    let Ok(fetched) = fetched else { return Glance::Unavailable };
    let Some(value) = fetched.value else { return Glance::Nothing };
    let found = match wanted.unseal(key, &value, &fetched.generations) {
        // How much of a stale window is over, only the time to live tells.
        Ok(opened) if opened.aging.stale.is_zero() => match opened.payload {
            None => Glance::Absent,
            Some(payload) if (bytes.value)(&payload, opened.codec, place).is_ok() => Glance::Value,
            Some(_) => Glance::Nothing,
        },
        Ok(_) | Err(_) => Glance::Nothing,
    };
    if found != Glance::Nothing {
        cache.tally(wanted.site).remote_hit(began);
        context::inherit(cache.id(), wanted.tags);
    }
    found
}
