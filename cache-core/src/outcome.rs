//! Where the value of a call came from, for whoever asks. Who does not pays for a look at one flag that never changes.
//!
//! What is counted, whoever asks, is in `tally`.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether anybody ever asked: programs where nobody does skip the look.
static ASKED: AtomicBool = AtomicBool::new(false);

tokio::task_local! {
    /// How the last call has ended.
    static LAST: Cell<Outcome>;
}

/// Where the value of a cached call came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The cache was not asked: it is off, `when` said no, there is no usable key, or no cached function was called.
    Bypassed,
    /// This process had it.
    LocalHit,
    /// The remote store had it.
    RemoteHit,
    /// A store had it in its stale window. It is being refreshed.
    Stale,
    /// Another caller was loading it: its value, or its error where errors can be shared.
    Joined,
    /// This call has loaded it.
    Loaded,
    /// This call has tried to load it, and that was an error.
    Failed,
}

impl Outcome {
    /// A name for headers, logs and labels: `local_hit`, `loaded` …
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bypassed => "bypassed",
            Self::LocalHit => "local_hit",
            Self::RemoteHit => "remote_hit",
            Self::Stale => "stale",
            Self::Joined => "joined",
            Self::Loaded => "loaded",
            Self::Failed => "failed",
        }
    }

    /// Whether a store had it.
    #[must_use]
    pub fn is_hit(self) -> bool {
        matches!(self, Self::LocalHit | Self::RemoteHit | Self::Stale)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Runs `future`, and says where the value of the cached call in it came from.
///
/// Functions with an attribute report, and [`Cache::get_or_load`](crate::Cache::get_or_load); the other operations by hand
/// do not. Of several calls that `future` makes one after the other, or at once, the one that ended last is reported. A
/// cached function that calls others ends after them, so of calls inside of each other the outermost is. Of a call for many
/// ids (`each`), the last of these that holds for any of them: from this process, from the remote store, joined, loaded.
/// Calls in tasks that `future` spawns are not seen, nor those inside of an inner `outcome`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use cache_core::{Cache, Outcome, outcome};
///
/// # async fn report(cache: Cache) {
/// let greeting = cache.get_or_load("greeting", Duration::from_secs(60), || async { Ok::<_, ()>("hello".to_owned()) });
/// let (greeting, outcome) = outcome(greeting).await;
/// if outcome == Outcome::Loaded {
///     println!("{greeting:?} was not there");
/// }
/// # }
/// ```
pub async fn outcome<F: Future>(future: F) -> (F::Output, Outcome) {
    ASKED.store(true, Ordering::Relaxed);
    let asked = async {
        let output = future.await;
        (output, LAST.with(Cell::get))
    };
    LAST.scope(Cell::new(Outcome::Bypassed), asked).await
}

/// Notes how a call has ended, if somebody asks.
#[inline]
pub(crate) fn note(outcome: Outcome) {
    if ASKED.load(Ordering::Relaxed) {
        tell(outcome);
    }
}

#[cold]
fn tell(outcome: Outcome) {
    // Outside of a task in which somebody asks, nobody is to be told.
    let _ = LAST.try_with(|last| last.set(outcome));
}
