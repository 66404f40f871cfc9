//! What a load in progress knows of itself: its key, and the tags that it meets on its way.
//!
//! It belongs to the task that runs the load. Tasks that the load spawns know nothing of it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
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
    outer: Option<Arc<Context>>,
}

/// Adds a tag to the entry that the running load is for: for tags that only the loaded value tells.
///
/// Outside a load it does nothing. Inside one, the entry is invalidated with the tag from then on; and if the
/// tag was invalidated since the load began, the value is returned and not stored.
///
/// The entry stays in this process: others could not tell whether the tag has moved since. With a remote store alone it is
/// not stored at all. A tag that the attribute's `tags` names as well changes nothing; nor do those of cached functions that
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
    pub(crate) fn of(cache: usize, keys: impl IntoIterator<Item = Key>) -> Arc<Self> {
        let mut keys = keys.into_iter();
        // The one key of nearly every load takes no allocation of its own.
        let (key, more) = (keys.next(), keys.collect());
        let outer = LOADING.try_with(Arc::clone).ok();
        Arc::new(Self { cache, key, more, tags: Mutex::default(), outer })
    }

    /// Runs `load`; its output, and the tags it met.
    pub(crate) async fn run<F: Future>(self: Arc<Self>, mut load: Pin<&mut F>) -> (F::Output, Vec<Tag>) {
        let output = poll_fn(|task| {
            let mut polled = Poll::Pending;
            self.within(&mut || polled = load.as_mut().poll(task));
            polled
        });
        let output = output.await;
        let tags = std::mem::take(&mut *self.tags.lock());
        (output, tags)
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

/// Whether this task is loading `key` already: waiting for that load would be waiting for itself.
pub(crate) fn is_loading(cache: usize, key: &Key) -> bool {
    LOADING
        .try_with(|context| context.enclosing().any(|context| context.cache == cache && context.loads(key)))
        .unwrap_or(false)
}
