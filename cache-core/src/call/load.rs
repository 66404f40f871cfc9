//! A load on its own: counted and timed while it runs, and landed and published when it has succeeded.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::approach::Lead;
use tracing::Instrument as _;

use crate::cache::Inner;
use crate::clock::{self, Moment};
use crate::context::{Context, Met};
use crate::entry::Life;
use crate::error::Result;
use crate::flight::Outcome;
use crate::foreseen;
use crate::key::Key;
use crate::sabotage::{Fault, is_planted};
use crate::site::Site;
use crate::store::Generation;
use crate::tag::Tag;
use crate::tally::Count;
use crate::tiers::{AsOf, Claimed, Wanted};

/// What a load that succeeded has made of one key.
pub(super) struct Made<'m, V> {
    /// Nothing: a `None`.
    pub(super) value: Option<&'m V>,
    /// Nothing, if it is not to be stored.
    pub(super) life: Option<Life>,
    pub(super) load_time: Duration,
    pub(super) met: &'m Met,
    /// Where the invalidations of the remote store stood before it began, if that was asked.
    pub(super) position: Option<Generation>,
}

impl<V: Clone + Send + Sync + 'static> Made<'_, V> {
    /// Ends the flight with it, and stores it in this process if it is to be stored.
    pub(super) fn land(self, cache: &Inner, key: &Key, wanted: Wanted<'_>, lead: Lead) -> Landed {
        let (Self { value, life, load_time, met, position }, Lead { seat, claimed, fenced }) = (self, lead);
        if met.unfit {
            // Whoever waits for it loads for itself.
            seat.fail();
            return Landed::NotKept;
        }
        let met = &met.tags[..];
        let learned = !met.iter().all(|tag| wanted.tags.contains(tag));
        let stamp = if is_planted(Fault::StampAfterLoad) {
            Arc::new(cache.scopes.stamp(key, &[wanted.tags, met].concat()))
        } else if learned {
            Arc::new(cache.scopes.extend(seat.stamp(), met))
        } else {
            Arc::clone(seat.stamp())
        };
        let as_of = AsOf { stamp, began: seat.began() };
        let entry = |life: Life| match value {
            Some(value) => cache.entry(value.clone(), wanted.typed, &as_of, life),
            None => cache.entry_of_none(&as_of, life),
        };
        // Its source may show what was there before a mutation.
        let kept_out = fenced || cache.settling.keeps_out(key, [wanted.tags, met], as_of.began);
        let Some(mut life) = life.filter(|_| !kept_out) else {
            seat.land(|| (), || Outcome::Value(entry(Life::default())));
            return Landed::NotKept;
        };
        life.aging.load_time = load_time;
        let kept = entry(life);
        seat.land(|| cache.keep(key, &kept, wanted.site), || Outcome::Value(Arc::clone(&kept)));

        let (Some(claimed), Some(bytes)) = (claimed, wanted.typed.bytes) else {
            return Landed::Kept(Publication::default());
        };
        let mut instead = None;
        if learned && !cache.foresaw(wanted.site, key, wanted.tags, met) {
            // Other processes could not tell whether those tags have moved, unless nothing at all has.
            let Some(position) = position else { return Landed::Kept(Publication::default()) };
            let foreseen = cache.foreseen(wanted.site, key);
            let fixed = wanted.tags.iter().filter(|tag| !foreseen.contains(tag));
            let tags: Vec<Tag> = foreseen.iter().chain(fixed).cloned().collect();
            if !cache.foresaw(wanted.site, key, &tags, met) {
                return Landed::Kept(Publication::default());
            }
            instead = Some((position, tags));
        }
        let payload = value.map(|value| (bytes.encode)(value, cache.settings.codec)).transpose();
        Landed::Kept(Publication { sealed: Some(Box::new(Sealed { claimed, payload, life, instead })) })
    }
}

impl Inner {
    /// The tags that a load of `key` will meet, most likely. Nobody asks but a remote store.
    pub(super) fn foreseen(&self, site: &'static Site, key: &Key) -> Vec<Tag> {
        if !site.is_observed() || self.settings.remote.is_none() {
            return Vec::new();
        }
        self.tally(site).foreseen.tags(key)
    }

    /// Whether a load of this function may meet tags that nobody has foreseen.
    pub(super) fn may_learn(&self, site: &'static Site) -> bool {
        site.is_observed() && self.tally(site).foreseen.is_empty()
    }

    /// Whether everything that moves what was `met` moves one of `tags` with it. What is not so is foreseen from now on.
    fn foresaw(&self, site: &'static Site, key: &Key, tags: &[Tag], met: &[Tag]) -> bool {
        let is_row = |tag: &Tag| self.dependencies.is_row(tag);
        if !site.is_observed() {
            return false;
        }
        let unknown = |tag: &&Tag| !foreseen::is_covered(tag, tags, is_row);
        let unknown: Vec<Tag> = met.iter().filter(unknown).cloned().collect();
        self.tally(site).foreseen.learn(key, &unknown, is_row);
        unknown.is_empty()
    }
}

/// What became of a load that has ended.
pub(super) enum Landed {
    /// It is stored here, unless it was overtaken; this remains to be done elsewhere.
    Kept(Publication),
    /// It succeeded, and is not to be stored.
    NotKept,
    Failed,
}

/// A value on its way to the remote store, if it goes there.
#[derive(Default)]
pub(super) struct Publication {
    sealed: Option<Box<Sealed>>,
}

/// The right to store a value, the value as bytes (nothing: a remembered `None`), and for how long.
struct Sealed {
    claimed: Box<Claimed>,
    payload: Result<Option<Vec<u8>>>,
    life: Life,
    /// With these tags, if nothing was invalidated since this position: the load has learned of them too late.
    instead: Option<(Generation, Vec<Tag>)>,
}

impl Publication {
    /// What remains to be done, if anything does.
    pub(super) fn publish<'p>(
        self,
        cache: &'p Inner,
        key: &'p Key,
        wanted: Wanted<'p>,
        template: &'static str,
    ) -> Option<Pin<Box<impl Future<Output = ()> + use<'p>>>> {
        let sealed = self.sealed?;
        Some(Box::pin(sealed.publish(cache, key, wanted, template)))
    }
}

impl Sealed {
    async fn publish(self: Box<Self>, cache: &Inner, key: &Key, wanted: Wanted<'_>, template: &'static str) {
        let Self { claimed, payload, life, instead } = *self;
        let published = match payload {
            Ok(payload) if let Some((position, tags)) = instead => {
                let wanted = Wanted { tags: &tags, ..wanted };
                match cache.replace(key, wanted, payload.as_deref(), life, position).await {
                    // Refused, it leaves the lease where it is: to be given back.
                    Ok(false) => Ok(()),
                    replaced => replaced.map(|_| claimed.done()),
                }
            }
            Ok(payload) => match cache.publish(key, wanted, &claimed, payload.as_deref(), life).await {
                // The value has taken the place of the lease, or something else had.
                Ok(_) => {
                    claimed.done();
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = published {
            tracing::debug!(target: "larder", template, %error, "a load was not stored remotely");
        }
    }
}

/// Runs `body` as the load of `keys` for the cache of this id: its output, how long it took, and what it met.
///
/// The body stays where its caller keeps it: each future that has it inside would be as large again.
pub(super) fn loaded<F: Future>(
    cache: Weak<Inner>,
    site: &'static Site,
    id: usize,
    keys: impl IntoIterator<Item = Key>,
    body: Pin<&mut F>,
) -> impl Future<Output = (F::Output, Duration, Met)> {
    let context = Context::of(id, site.is_observed(), keys);
    async move {
        let mut loading = Loading { cache, site, began: clock::now(), took: None };
        let (function, template) = (site.place().function, site.key_template());
        let span = tracing::debug_span!(target: "larder", "load", function, template);
        let (output, met) = context.run(body).instrument(span).await;
        let took = clock::now().since(loading.began);
        loading.took = Some(took);
        if !met.saw && met.tags.is_empty() && site.is_first_unobserved() {
            tracing::warn!(
                target: "larder", function, template,
                "`tags = auto` has seen nothing that this function reads: give it a connection that is tracked, for the same cache"
            );
        }
        (output, took, met)
    }
}

/// Counts a load from its start to its end, also when that is a panic or a drop.
struct Loading {
    /// Not kept alive by its loads.
    cache: Weak<Inner>,
    site: &'static Site,
    began: Moment,
    /// How long it took, once it has ended.
    took: Option<Duration>,
}

impl Drop for Loading {
    fn drop(&mut self) {
        let Some(cache) = self.cache.upgrade() else { return };
        let tally = cache.tally(self.site);
        tally.increment(Count::Loads);
        match self.took {
            Some(took) => {
                tally.load_times.record(took);
                let (function, template) = (self.site.place().function, self.site.key_template());
                tracing::debug!(target: "larder", function, template, ?took, "a load has ended");
            }
            None => cache.load_failed(self.site),
        }
    }
}
