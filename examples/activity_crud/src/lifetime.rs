//! How long answers live: four settings, in seconds, from the environment.

use std::sync::OnceLock;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    short: Duration,
    medium: Duration,
    long: Duration,
    very_long: Duration,
}

static CHOSEN: OnceLock<Lifetimes> = OnceLock::new();

impl Lifetimes {
    const USUAL: Self = Self {
        short: Duration::from_mins(5),
        medium: Duration::from_mins(30),
        long: Duration::from_hours(1),
        very_long: Duration::from_hours(24),
    };

    /// Reads `CACHE_TTL_SHORT`, `CACHE_TTL_MEDIUM`, `CACHE_TTL_LONG` and `CACHE_TTL_VERY_LONG`, and lets them be used.
    pub(crate) fn from_env() -> Result<(), String> {
        let chosen = Self {
            short: setting("CACHE_TTL_SHORT", Self::USUAL.short)?,
            medium: setting("CACHE_TTL_MEDIUM", Self::USUAL.medium)?,
            long: setting("CACHE_TTL_LONG", Self::USUAL.long)?,
            very_long: setting("CACHE_TTL_VERY_LONG", Self::USUAL.very_long)?,
        };
        CHOSEN.set(chosen).map_err(|_| "the lifetimes are read once".to_owned())
    }

    fn chosen() -> Self {
        CHOSEN.get().copied().unwrap_or(Self::USUAL)
    }
}

fn setting(name: &str, usual: Duration) -> Result<Duration, String> {
    let Ok(text) = std::env::var(name) else { return Ok(usual) };
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(|| {
        format!("{name} is {text:?}, and must be a number of seconds above 0, such as {}", usual.as_secs())
    })
}

/// For what changes all the time: lists, the activity.
pub(crate) fn short() -> Duration {
    Lifetimes::chosen().short
}

/// For a user.
pub(crate) fn medium() -> Duration {
    Lifetimes::chosen().medium
}

/// For a role.
pub(crate) fn long() -> Duration {
    Lifetimes::chosen().long
}

/// For what hardly ever changes: permissions.
pub(crate) fn very_long() -> Duration {
    Lifetimes::chosen().very_long
}
