//! A first look at the remote store by a process that keeps no values of its own: a hit there is answered as it is
//! found, and is nobody else's business. Whatever else is there is left to `approach`, which looks again.
//!
//! No stamp is taken and no flight begun, since nothing is stored or shared that could be overtaken. What was
//! acknowledged as invalidated before the call is not found in the store, or keeps it from being asked.

use std::any::Any;

use super::Target;
use crate::clock::Moment;
use crate::context;
use crate::error::Result;
use crate::guard::Glancing;
use crate::store::Glimpse;
use crate::tag::Tag;
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

/// Whether a glance may be all that the call needs: the remote store is the only one.
pub(super) fn is_worthwhile(target: &Target, wanted: &Wanted<'_>) -> bool {
    let cache = target.cache.inner();
    // Who takes stale values asks how old they are. Who finds a load under way waits for it. Debts are paid first.
    let is_plain = cache.settings.local.is_none() && !target.anew && !target.takes_due;
    is_plain
        && cache.settings.remote.is_some()
        && wanted.typed.bytes.is_some()
        && !context::is_loading(cache.id(), &target.key)
        && !cache.flights.carries(&target.key)
        && !cache.owes()
}

/// What the remote store has of `target`, which it is asked for at once; nothing without such a store.
pub(super) fn ask<'t>(target: &'t Target, tags: &[Tag]) -> Option<Glancing<'t>> {
    let cache = target.cache.inner();
    let remote = cache.settings.remote.as_ref()?;
    let scopes = cache.scopes_of(&target.key, tags);
    Some(cache.settings.with_name_of(&target.key, |name| remote.glance(name, &scopes)))
}

/// What `glimpse` shows, which was asked for when it `began`, if that is timed; puts a value into `place`, an `Option` of its type.
pub(super) fn look(
    target: &Target,
    wanted: &Wanted<'_>,
    began: Option<Moment>,
    glimpse: Result<Option<Glimpse>>,
    place: &mut dyn Any,
) -> Glance {
    let (cache, key) = (target.cache.inner(), &target.key);
    let Ok(glimpse) = glimpse else { return Glance::Unavailable };
    let (Some(Glimpse { value, generations }), Some(bytes)) = (glimpse, wanted.typed.bytes) else {
        return Glance::Nothing;
    };
    let found = match wanted.unseal(key, &value, &generations) {
        // How much of a stale window is over, only the time to live tells.
        Ok(opened) if opened.stale().is_zero() => match opened.payload {
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
