//! What the environment says beside what larder reads of it: this program's own variables, and the names that the original
//! had for what larder calls otherwise.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Result};

/// What the program is told.
#[derive(Debug)]
pub(crate) struct Settings {
    pub address: String,
    pub database: String,
    /// Whether the database is one of this run alone.
    pub is_new: bool,
    pub files: PathBuf,
    /// The weather service, if it is not our own.
    pub weather: Option<String>,
    /// What nobody asked to keep.
    temporary: Option<TempDir>,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        for note in notes(variable)? {
            println!("{note}");
        }
        let (database, files) = (variable("DATABASE_URL"), variable("FILES").map(PathBuf::from));
        // What is not given a place is made for this run.
        let temporary = match (&database, &files) {
            (Some(_), Some(_)) => None,
            _ => Some(tempfile::Builder::new().prefix("clipizy-").tempdir()?),
        };
        let here = temporary.as_ref().map_or(Path::new("."), TempDir::path);
        Ok(Self {
            address: variable("ADDRESS").unwrap_or_else(|| "127.0.0.1:3000".to_owned()),
            is_new: database.is_none(),
            database: database
                .unwrap_or_else(|| format!("sqlite://{}?mode=rwc", here.join("clipizy.db").display())),
            files: files.unwrap_or_else(|| here.join("files")),
            weather: variable("WEATHER_URL"),
            temporary,
        })
    }

    /// Removes what nobody asked to keep.
    pub(crate) fn clean_up(self) -> Result<()> {
        Ok(self.temporary.map_or(Ok(()), TempDir::close)?)
    }
}

/// What to say of the original's variables. One that would be ignored where it mattered is an error.
fn notes(variable: impl Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    if let Some(prefix) = variable("CACHE_KEY_PREFIX") {
        let namespace = prefix.trim_end_matches(':');
        return Err(Error::bad_request(format!(
            "`CACHE_KEY_PREFIX` is called `CACHE_NAMESPACE` here, without a colon at its end: set `CACHE_NAMESPACE={namespace}`"
        )));
    }
    if let Some(compression) = variable("CACHE_ENABLE_COMPRESSION") {
        let on = matches!(compression.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on");
        let instead = if on { "lz4" } else { "none" };
        return Err(Error::bad_request(format!(
            "`CACHE_ENABLE_COMPRESSION` is called `CACHE_COMPRESSION` here, and says how: set `CACHE_COMPRESSION={instead}`; \
             `none`, `lz4` and `zstd` are there"
        )));
    }
    let connections = variable("REDIS_MAX_CONNECTIONS").map(|number| {
        format!(
            "REDIS_MAX_CONNECTIONS={number} is not needed: one connection carries all requests at once, \
             and how many are under way is bounded by itself"
        )
    });
    Ok(connections.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &'static str, value: &'static str) -> Result<Vec<String>> {
        notes(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn each_old_name_is_answered_with_the_new_one() {
        for (name, value, instead) in [
            ("CACHE_KEY_PREFIX", "clipizy:", "CACHE_NAMESPACE=clipizy`"),
            ("CACHE_ENABLE_COMPRESSION", "true", "CACHE_COMPRESSION=lz4`"),
            ("CACHE_ENABLE_COMPRESSION", "false", "CACHE_COMPRESSION=none`"),
        ] {
            match said(name, value) {
                Err(Error::Refused(_, text)) => assert!(text.contains(instead), "{text}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_size_of_a_pool_is_no_mistake_and_not_needed() {
        let notes = said("REDIS_MAX_CONNECTIONS", "20").unwrap();
        assert!(
            notes.iter().any(|note| note.contains("REDIS_MAX_CONNECTIONS=20 is not needed")),
            "{notes:?}"
        );
    }

    #[test]
    fn a_new_environment_needs_no_word() {
        assert!(said("CACHE_NAMESPACE", "clipizy").unwrap().is_empty());
    }
}
