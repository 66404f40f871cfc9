//! The one place that reads the time: exactly, or as of the last tick.
//!
//! Asking the system for the time can cost as much as finding a value. So while a thread has very many hits, a
//! thread of our own publishes the time each millisecond. It ends by itself, soon after.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant as SystemInstant, SystemTime};

/// A point in time: nanoseconds since an hour before the process first asked. Good for 584 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// An hour early: in tests, runtimes whose clock has been paused for a while may ask later.
static ORIGIN: LazyLock<SystemInstant> = LazyLock::new(|| {
    let asked = system_now();
    asked.checked_sub(Duration::from_secs(3600)).unwrap_or(asked)
});

/// The current time. Under a paused tokio runtime it stands still with it.
pub(crate) fn now() -> Moment {
    Moment(nanos(instant().saturating_duration_since(*ORIGIN)))
}

/// The time of the last tick while there are ticks, else the current time.
///
/// It is late by one tick, 1 ms, and by as long as the system lets the ticking thread wait: good enough for a
/// time to live. What is promised to or by other processes asks for [`now`].
#[inline]
pub(crate) fn coarse() -> Moment {
    match TICKED.load(Ordering::Relaxed) {
        0 => now_and_count(),
        nanos => Moment(nanos),
    }
}

/// The last tick; 0 while there are none.
static TICKED: AtomicU64 = AtomicU64::new(0);
static IS_TICKING: AtomicBool = AtomicBool::new(false);

const TICK: Duration = Duration::from_millis(1);
/// Ticks before the thread ends. Whoever is still busy then starts another.
const TICKS: u32 = 100;
/// A thread that asks so often within one tick is busy: a tick costs about as much as these questions.
const MANY: u32 = 128;

/// Publishes this moment as the last tick for good: no thread ticks after it.
#[cfg(feature = "conformance")]
pub(crate) fn hold() {
    IS_TICKING.store(true, Ordering::Relaxed);
    TICKED.store(now().0, Ordering::Relaxed);
}

#[inline(never)]
fn now_and_count() -> Moment {
    thread_local! {
        /// When this thread began to count its questions, and how many there were since.
        static ASKED: Cell<(Moment, u32)> = const { Cell::new((Moment(0), 0)) };
    }
    let now = now();
    let (since, times) = ASKED.get();
    let (since, times) = if now.since(since) < TICK { (since, times + 1) } else { (now, 1) };
    ASKED.set((since, times));
    // A clock that can be paused is never published: it differs between threads.
    if times == MANY && !can_be_paused() {
        start_ticking();
    }
    now
}

#[cold]
fn start_ticking() {
    if IS_TICKING.swap(true, Ordering::Relaxed) {
        return;
    }
    let ticks = || {
        for _ in 0..TICKS {
            TICKED.store(now().0, Ordering::Relaxed);
            thread::sleep(TICK);
        }
        TICKED.store(0, Ordering::Relaxed);
        IS_TICKING.store(false, Ordering::Relaxed);
    };
    if thread::Builder::new().name("larder-clock".to_owned()).spawn(ticks).is_err() {
        // Then everybody goes on asking for the exact time.
        IS_TICKING.store(false, Ordering::Relaxed);
    }
}

/// The time of day, for what other programs are told; it decides nothing here. Under a paused tokio runtime it stands still
/// with it.
#[must_use]
pub fn time_of_day() -> SystemTime {
    /// The time of day at [`ORIGIN`], by two clocks read at one moment.
    static OF_ORIGIN: LazyLock<SystemTime> = LazyLock::new(|| {
        let since = instant().saturating_duration_since(*ORIGIN);
        wall().checked_sub(since).unwrap_or(SystemTime::UNIX_EPOCH)
    });

    if can_be_paused() { *OF_ORIGIN + instant().saturating_duration_since(*ORIGIN) } else { wall() }
}

#[expect(clippy::disallowed_methods, reason = "the time of day is no other clock's")]
fn wall() -> SystemTime {
    SystemTime::now()
}

/// What tokio takes for the time.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
#[inline]
fn instant() -> SystemInstant {
    if can_be_paused() { tokio::time::Instant::now().into_std() } else { system_now() }
}

#[expect(clippy::disallowed_methods, reason = "and its other half")]
#[inline]
fn system_now() -> SystemInstant {
    SystemInstant::now()
}

/// Whether tokio's clock can be paused: whether its feature `test-util` is on in this build.
///
/// Then, and only then, a function `pause` comes with the names of tokio's module, and hides the one below.
#[inline]
fn can_be_paused() -> bool {
    let stand_in = pause;
    {
        use prelude::*;

        // Something is taken from there in either case.
        const _: Option<Instant> = None;
        pause.comes_from_tokio() || stand_in.comes_from_tokio()
    }
}

/// Whatever tokio's module has in this build.
mod prelude {
    pub(super) use tokio::time::*;
}

/// Stands in where tokio has no such function.
fn pause(_: StandIn) {}

struct StandIn;

/// Tells the two apart by what they take.
trait Pause<Taken> {
    fn comes_from_tokio(self) -> bool;
}

impl<F: Fn()> Pause<()> for F {
    #[inline]
    fn comes_from_tokio(self) -> bool {
        true
    }
}

impl<F: Fn(StandIn)> Pause<StandIn> for F {
    #[inline]
    fn comes_from_tokio(self) -> bool {
        false
    }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

impl Moment {
    pub(crate) fn nanos(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The time from `earlier` to this moment; zero if it is the other way round.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(nanos(later)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_taken_for_the_time_and_end_by_themselves() {
        assert!(coarse() <= now());
        let began = now();
        start_ticking();
        let mut ticked = TICKED.load(Ordering::Relaxed);
        while IS_TICKING.load(Ordering::Relaxed) {
            // Whatever was published was the time before this.
            assert!(coarse() <= now());
            ticked = ticked.max(TICKED.load(Ordering::Relaxed));
        }
        assert!(ticked > began.nanos(), "ticks were published");
        assert!(now().since(began) >= TICK * TICKS, "so many of them, then no more");
        assert_eq!(TICKED.load(Ordering::Relaxed), 0);
    }
}
