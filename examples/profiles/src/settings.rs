//! What the environment says about this program. What it says about the cache, larder reads: `CACHE_BACKEND`, `REDIS_URL` …

use std::env;
use std::time::Duration;

/// How long each family of keys lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ttls {
    /// `CACHE_USER_TTL`: everything under `user:<id>:`.
    pub(crate) user: Duration,
    /// `CACHE_ACHIEVEMENT_TTL`: one user's achievements.
    pub(crate) achievement: Duration,
    /// `CACHE_LEADERBOARD_TTL`: the boards.
    pub(crate) leaderboard: Duration,
    /// `CACHE_RECENT_TTL`: the latest awards of everybody.
    pub(crate) recent: Duration,
}

/// All settings of this program.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `ADDRESS`: where it listens.
    pub(crate) address: String,
    /// `DATABASE_URL`; without it the database is a file that goes with the program.
    pub(crate) database: Option<String>,
    pub(crate) ttl: Ttls,
    /// `CACHE_USERS_PERCENT`: for how many users in a hundred pages are cached.
    pub(crate) users_percent: u8,
    /// `CACHE_WARM_USERS`: how many pages are loaded before the first reader comes.
    pub(crate) warm_users: u32,
}

impl Settings {
    /// A value that makes no sense is a text that says which, and what would.
    pub(crate) fn from_env() -> Result<Self, String> {
        Ok(Self {
            address: variable("ADDRESS").unwrap_or_else(|| "127.0.0.1:3000".to_owned()),
            database: variable("DATABASE_URL"),
            ttl: Ttls {
                user: seconds("CACHE_USER_TTL", 3600)?,
                achievement: seconds("CACHE_ACHIEVEMENT_TTL", 1800)?,
                leaderboard: seconds("CACHE_LEADERBOARD_TTL", 900)?,
                recent: seconds("CACHE_RECENT_TTL", 300)?,
            },
            users_percent: up_to_hundred("CACHE_USERS_PERCENT", 100)?,
            warm_users: up_to_hundred("CACHE_WARM_USERS", 20)?.into(),
        })
    }
}

/// An empty variable is one that is not set.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn seconds(name: &str, usual: u64) -> Result<Duration, String> {
    let Some(value) = variable(name) else { return Ok(Duration::from_secs(usual)) };
    match value.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "`{name}={value}` is not allowed: set it to whole seconds above zero, such as `{usual}`"
        )),
    }
}

fn up_to_hundred(name: &str, usual: u8) -> Result<u8, String> {
    let Some(value) = variable(name) else { return Ok(usual) };
    match value.parse() {
        Ok(number) if number <= 100 => Ok(number),
        _ => Err(format!("`{name}={value}` is not allowed: set it to a whole number from `0` to `100`")),
    }
}
