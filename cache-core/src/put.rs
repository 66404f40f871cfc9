//! The life of a `#[cache_put]` call: the body, then its value in place of whatever was under the key.
//!
//! The body writes what the key stands for, so the key is invalidated whatever becomes of it. The value is
//! stored only if nothing else was invalidated meanwhile: it may be older than that.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::{Cache, Inner};
use crate::clock::{self, Moment};
use crate::codec::{Typed, Wire};
use crate::error::Result;
use crate::global::AsCache;
use crate::invalidate::Invalidation;
use crate::key::{Key, KeyRef, KeyWriter};
use crate::policy::{Keep, keep_options};
use crate::scope::Scope;
use crate::shape::Shape;
use crate::site::Site;
use crate::store::Generation;
use crate::tag::Tag;
use crate::tiers::{AsOf, Wanted};

/// One call of a `#[cache_put]` function.
pub struct CachePut<'f, S: Shape> {
    invalidation: Invalidation,
    cache: Cache,
    site: &'static Site,
    shape: S,
    typed: &'static Typed,
    key: Option<Key>,
    tags: Vec<Tag>,
    keep: Keep<'f, S::Value>,
    /// Where things stood before the body.
    before: Before,
    disarmed: bool,
}

struct Before {
    began: Moment,
    moves: u64,
    /// The position of the remote store's invalidations; nothing without such a store or without an answer.
    remote: Option<Generation>,
}

/// The start of a call.
pub fn put<'f, C, S, W>(site: &'static Site, cache: &C, shape: S, _wire: W) -> CachePut<'f, S>
where
    C: AsCache + ?Sized,
    S: Shape<Value: Clone + Send + Sync + 'static>,
    W: Wire<S::Value>,
{
    cache.with(|cache| CachePut {
        invalidation: Invalidation::of(cache),
        site,
        shape,
        typed: W::TYPED,
        key: None,
        tags: Vec::new(),
        keep: Keep::of(site),
        before: Before { began: clock::now(), moves: cache.inner().scopes.now(), remote: None },
        disarmed: false,
        cache: cache.clone(),
    })
}

impl<'f, S> CachePut<'f, S>
where
    S: Shape<Value: Clone + Send + Sync + 'static>,
{
    /// With this key. Known before the body, it is invalidated even if the body does not return.
    #[must_use]
    pub fn key(mut self, write: impl FnOnce(&mut KeyWriter)) -> Self {
        let mut writer = KeyWriter::new();
        write(&mut writer);
        if writer.is_usable() && !self.disarmed {
            let key = KeyRef::new(&writer).to_key();
            self.invalidation.arm(key.clone());
            self.key = Some(key);
        }
        self
    }

    /// With a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl FnOnce(&mut KeyWriter)) -> Self {
        self.tags.push(Tag::build(tag));
        self
    }

    keep_options!(S::Value);

    /// Makes it a plain call: the condition of the attribute is false.
    #[must_use]
    pub fn disarm(mut self) -> Self {
        self.disarmed = true;
        self.invalidation.disarm();
        self
    }

    /// Notes where the remote store stands, just before the body.
    pub async fn begin(mut self) -> Self {
        if !self.disarmed {
            self.cache.inner().listen().await;
            self.before.moves = self.cache.inner().scopes.now();
            self.before.remote = self.cache.inner().position().await;
        }
        self
    }

    /// The part of the body's output that is stored.
    pub fn value<'o>(&self, output: &'o S::Output) -> Option<&'o S::Value> {
        self.shape.value(output)
    }

    /// Stores what the body returned.
    pub async fn store(self, output: &S::Output) {
        let Self { invalidation, cache, site, shape, typed, key, tags, keep, before, disarmed } = self;
        let Some(key) = key.filter(|_| !disarmed) else { return };
        let value = shape.value(output);
        let life = if shape.succeeded(output) && cache.is_enabled() {
            keep.decide(value, &cache.inner().settings)
        } else {
            None
        };
        let Some(life) = life else { return invalidation.finish(true).await };
        let wanted = Wanted::of(site, typed, &tags);
        let replacement = Replacement { key: &key, wanted, ttl: life.fresh, before };
        match replacement.make(cache.inner(), value).await {
            Ok(true) => invalidation.forget(),
            Ok(false) => invalidation.finish(true).await,
            Err(error) => {
                tracing::debug!(target: "larder", template = site.key_template(), %error, "a value was not stored");
                invalidation.finish(true).await;
            }
        }
    }
}

/// A value that takes the place of what is under its key.
struct Replacement<'p> {
    key: &'p Key,
    wanted: Wanted<'p>,
    ttl: Duration,
    before: Before,
}

impl Replacement<'_> {
    /// Stores `value` in place of what was there, which is thereby invalidated; whether it did.
    ///
    /// It does only if nothing has moved since the body began, here or elsewhere, but for its own moves.
    async fn make<V: Clone + Send + Sync + 'static>(self, cache: &Inner, value: Option<&V>) -> Result<bool> {
        let Self { key, wanted, ttl, before } = self;
        let scope = Scope::Key(key.clone());
        let mut moved = cache.scopes.advance(&scope);
        if moved != before.moves + 1 {
            return Ok(false);
        }
        if cache.settings.remote.is_some() && wanted.typed.bytes.is_some() {
            let Some(position) = before.remote else { return Ok(false) };
            let payload = value.map(|value| cache.encode(wanted.typed, value)).transpose()?;
            if !cache.replace(key, wanted, payload.as_deref(), ttl, position).await? {
                return Ok(false);
            }
            cache.announce(vec![scope.clone()]).await?;
            // A load that began since the first move may have read the remote copy before it was replaced.
            let again = cache.scopes.advance(&scope);
            if again != moved + 1 {
                return Ok(false);
            }
            moved = again;
        }
        let stamp = Arc::new(cache.scopes.stamp(key, wanted.tags));
        if stamp.taken() != moved {
            return Ok(false);
        }
        let as_of = AsOf { stamp, began: before.began };
        let entry = match value {
            Some(value) => cache.entry(value.clone(), wanted.typed, &as_of, ttl),
            None => cache.entry_of_none(&as_of, ttl),
        };
        cache.flights.exclusively(key, || cache.keep(key, &entry, wanted.site));
        cache.invalidated(1);
        Ok(true)
    }
}

impl<S: Shape> fmt::Debug for CachePut<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachePut").field("template", &self.site.key_template()).finish_non_exhaustive()
    }
}
