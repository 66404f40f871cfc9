//! Which cache a call uses: the one it names, the one of its task, the installed one, or a default.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cache::Cache;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

static GLOBAL: OnceLock<Cache> = OnceLock::new();

/// Whether any task ever had a cache of its own: programs that never do skip the look.
static SCOPED: AtomicBool = AtomicBool::new(false);

tokio::task_local! {
    static OF_TASK: Cache;
}

/// Builds caches from configurations: the facade registers it, since only it knows the stores.
#[derive(Debug)]
pub struct Opener(pub fn(&Config) -> Result<Cache>);

inventory::collect!(Opener);

/// Something that says which cache to use: a [`Cache`], a [`Named`] one, [`Global`], or a reference to one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no cache",
    note = "`cache = …` takes a `Cache`, a `Named`, or a reference to one, such as `self.cache` or `SESSIONS`"
)]
pub trait AsCache {
    /// Calls `use_it` with the cache.
    fn with<R>(&self, use_it: impl FnOnce(&Cache) -> R) -> R;
}

/// The cache of the task if it has one, else the installed one, else one from the environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Global;

/// A further cache, by name: a `static` that functions refer to and that is installed once.
///
/// Used before anything is installed, it builds itself from the environment, where each variable is looked
/// up with the name in front first (`SESSIONS_REDIS_URL`, then `REDIS_URL`); its namespace is its name.
///
/// # Examples
///
/// ```
/// use cache_core::{Cache, Named};
///
/// static SESSIONS: Named = Named::new("sessions");
///
/// Cache::builder().namespace("sessions").build().install_as(&SESSIONS)?;
/// # Ok::<(), cache_core::AlreadyInstalled>(())
/// ```
pub struct Named {
    name: &'static str,
    cache: OnceLock<Cache>,
}

/// There is a cache in that place already: here is yours back.
#[derive(Clone)]
pub struct AlreadyInstalled(pub Cache);

impl AsCache for Cache {
    #[inline]
    fn with<R>(&self, use_it: impl FnOnce(&Cache) -> R) -> R {
        use_it(self)
    }
}

impl AsCache for Global {
    #[inline]
    fn with<R>(&self, use_it: impl FnOnce(&Cache) -> R) -> R {
        if SCOPED.load(Ordering::Relaxed)
            && let Ok(cache) = OF_TASK.try_with(Cache::clone)
        {
            return use_it(&cache);
        }
        use_it(installed_or_default())
    }
}

impl AsCache for Named {
    #[inline]
    fn with<R>(&self, use_it: impl FnOnce(&Cache) -> R) -> R {
        use_it(self.cache.get_or_init(|| from_environment(Some(self.name))))
    }
}

impl<C: AsCache + ?Sized> AsCache for &C {
    #[inline]
    fn with<R>(&self, use_it: impl FnOnce(&Cache) -> R) -> R {
        (**self).with(use_it)
    }
}

impl<C: AsCache + ?Sized> AsCache for std::sync::Arc<C> {
    #[inline]
    fn with<R>(&self, use_it: impl FnOnce(&Cache) -> R) -> R {
        (**self).with(use_it)
    }
}

impl Named {
    /// A cache called `name`, not installed yet.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, cache: OnceLock::new() }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn install(&self, cache: Cache) -> Result<(), AlreadyInstalled> {
        self.cache.set(cache).map_err(AlreadyInstalled)
    }
}

pub(crate) fn install(cache: Cache) -> Result<(), AlreadyInstalled> {
    GLOBAL.set(cache).map_err(AlreadyInstalled)
}

/// The cache that is the global one for this task only.
pub(crate) fn override_of_task() -> Option<Cache> {
    OF_TASK.try_with(Cache::clone).ok()
}

pub(crate) async fn scope<F: Future>(cache: Cache, future: F) -> F::Output {
    SCOPED.store(true, Ordering::Relaxed);
    OF_TASK.scope(cache, future).await
}

#[inline]
fn installed_or_default() -> &'static Cache {
    GLOBAL.get_or_init(|| from_environment(None))
}

/// The cache that the environment describes. A mistake in it turns caching off, and says so.
#[cold]
fn from_environment(prefix: Option<&str>) -> Cache {
    open_environment(prefix).unwrap_or_else(|error| {
        tracing::error!(target: "larder", %error, "caching is off");
        if !tracing::dispatcher::has_been_set() {
            // Nobody listens to events: a program that silently caches nothing helps nobody.
            #[expect(
                clippy::print_stderr,
                reason = "nothing else would be seen; it tells of names and forms, not of values"
            )]
            {
                eprintln!("larder: caching is off: {error}");
            }
        }
        Cache::builder().enabled(false).build()
    })
}

fn open_environment(prefix: Option<&str>) -> Result<Cache> {
    let config = Config::from_env(prefix)?;
    let opener = inventory::iter::<Opener>().next().ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            "no stores are linked into this program; build a cache and `install` it",
        )
    })?;
    (opener.0)(&config)
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named")
            .field("name", &self.name)
            .field("installed", &self.cache.get().is_some())
            .finish()
    }
}

impl fmt::Debug for AlreadyInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlreadyInstalled")
    }
}

impl fmt::Display for AlreadyInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cache is installed already; install yours before the first cached call")
    }
}

impl std::error::Error for AlreadyInstalled {}
