//! What a load in progress knows of itself: its key, and the tags that it meets on its way.
//!
//! It belongs to the task that runs the load. Tasks that the load spawns know nothing of it.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use parking_lot::Mutex;

use crate::key::Key;
use crate::sync::task_local;
use crate::tag::Tag;

task_local! {
    static LOADING: Arc<Context>;
}

/// One load, inside of which others may run.
pub(crate) struct Context {
    /// Which cache it is for: tags are names in one cache.
    cache: usize,
    key: Option<Key>,
    /// The other keys of a bulk load.
    more: Vec<Key>,
    tags: Mutex<Vec<Tag>>,
    /// Whether what it reads becomes its tags where that is observed: `tags = auto`.
    is_observed: bool,
    /// Whether anything was.
    saw: AtomicBool,
    /// Whether it has read what nobody else may see.
    unfit: AtomicBool,
    outer: Option<Arc<Context>>,
}

/// What a load has met on its way.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// The tags that it learned.
    pub(crate) tags: Vec<Tag>,
    /// Whether a source that can be observed was asked.
    pub(crate) saw: bool,
    /// Whether what it made is for its caller only.
    pub(crate) unfit: bool,
}

/// A load that is running, or was.
#[derive(Clone)]
pub struct RunningLoad(Arc<Context>);

/// Adds a tag to the entry that the running load is for: for tags that only the loaded value tells.
///
/// Outside a load it does nothing. Inside one, the entry is invalidated with the tag from then on; and if the
/// tag was invalidated since the load began, the value is returned and not stored.
///
/// The entry stays in this process: others could not tell whether the tag has moved since. With a remote store alone it is
/// not stored at all. (A function with `tags = auto` shares such entries: what its loads meet is foreseen.) A tag that the attribute's `tags` names as well changes nothing; nor do those of cached functions that
/// the load calls, which are its own too, if `tags` names them.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// # struct User { name: String, team: u32 }
/// # struct DbError;
/// # async fn load(id: u64) -> Result<User, DbError> { Ok(User { name: "Ada".to_owned(), team: 7 }) }
/// # async fn example(cache: cache_core::Cache) -> Result<String, DbError> {
/// let name = cache.get_or_load("user:42", Duration::from_secs(300), || async {
///     let user = load(42).await?;
///     cache_core::tag(format!("team:{}", user.team));
///     Ok(user.name)
/// });
/// # name.await
/// # }
/// ```
pub fn tag(tag: impl Into<Tag>) {
    let tag = tag.into();
    // Without a load there is no entry to tag.
    let _ = LOADING.try_with(|context| context.tags.lock().push(tag));
}

impl Context {
    /// The load of `keys` that is about to begin.
    pub(crate) fn of(cache: usize, is_observed: bool, keys: impl IntoIterator<Item = Key>) -> Arc<Self> {
        let mut keys = keys.into_iter();
        // The one key of nearly every load takes no allocation of its own.
        let (key, more) = (keys.next(), keys.collect());
        let outer = LOADING.try_with(Arc::clone).ok();
        Arc::new(Self {
            cache,
            key,
            more,
            tags: Mutex::default(),
            is_observed,
            saw: AtomicBool::new(false),
            unfit: AtomicBool::new(false),
            outer,
        })
    }

    /// Runs `load`; its output, and what it met.
    pub(crate) async fn run<F: Future>(self: Arc<Self>, mut load: Pin<&mut F>) -> (F::Output, Met) {
        let output = poll_fn(|task| {
            let mut polled = Poll::Pending;
            self.within(&mut || polled = load.as_mut().poll(task));
            polled
        });
        let output = output.await;
        let met = Met {
            tags: std::mem::take(&mut *self.tags.lock()),
            saw: self.saw.load(Ordering::Relaxed),
            unfit: self.unfit.load(Ordering::Relaxed),
        };
        (output, met)
    }

    fn loads(&self, key: &Key) -> bool {
        self.key.as_ref() == Some(key) || self.more.contains(key)
    }

    /// Does `part` of the load. All that is generic in a load is compiled again for each cached function, and this,
    /// with what it calls, for none.
    fn within(self: &Arc<Self>, part: &mut dyn FnMut()) {
        LOADING.sync_scope(Arc::clone(self), part);
    }

    fn enclosing(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |context| context.outer.as_deref())
    }
}

/// Notes that the running load of the same cache has used an entry with these tags: they are its own too.
#[inline]
pub(crate) fn inherit(cache: usize, tags: &[Tag]) {
    if !tags.is_empty() {
        inherit_some(cache, tags);
    }
}

#[cold]
fn inherit_some(cache: usize, tags: &[Tag]) {
    let _ = LOADING.try_with(|context| {
        if context.cache == cache {
            context.tags.lock().extend_from_slice(tags);
        }
    });
}

/// The load that this task runs.
pub(crate) fn running() -> Option<RunningLoad> {
    LOADING.try_with(|context| RunningLoad(Arc::clone(context))).ok()
}

/// Whether this task runs a load of that cache whose reads become its tags.
pub(crate) fn is_observed(cache: usize) -> bool {
    LOADING.try_with(|context| context.is_observed && context.cache == cache).unwrap_or(false)
}

/// Notes that the running load of that cache has asked a source that is observed, and met `tags` there.
pub(crate) fn observe(cache: usize, tags: impl IntoIterator<Item = Tag>) {
    let _ = LOADING.try_with(|context| {
        if context.is_observed && context.cache == cache {
            context.saw.store(true, Ordering::Relaxed);
            context.tags.lock().extend(tags);
        }
    });
}

/// Notes that what this task is loading is for its caller only: in each load up to `end`, that one not included.
pub(crate) fn unfit(end: Option<&RunningLoad>) {
    let _ = LOADING.try_with(|context| {
        let inner = std::iter::successors(Some(context), |context| context.outer.as_ref());
        inner
            .take_while(|context| end.is_none_or(|RunningLoad(end)| !Arc::ptr_eq(context, end)))
            .for_each(|context| context.unfit.store(true, Ordering::Relaxed));
    });
}

impl fmt::Debug for RunningLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningLoad").finish_non_exhaustive()
    }
}

/// Whether this task is loading `key` already: waiting for that load would be waiting for itself.
pub(crate) fn is_loading(cache: usize, key: &Key) -> bool {
    LOADING
        .try_with(|context| context.enclosing().any(|context| context.cache == cache && context.loads(key)))
        .unwrap_or(false)
}
