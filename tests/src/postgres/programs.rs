//! Where the programs of PostgreSQL lie. Here for the tests, and for `cargo xtask test`, which sees to it that they are there.
//! What is done with them is not known here.

use std::path::{Path, PathBuf};

/// Where packages put them that put them into no folder of the PATH: a folder, and how the names of its folders begin that
/// end with a version.
const ELSEWHERE: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", ""),
    ("/usr/libexec", "postgresql"),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// The programs that are used, from the first to the last.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "psql"];

/// The folder that all of them are in: one of the PATH, or else the newest of those that packages make.
pub(crate) fn folder() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for (parent, prefix) in ELSEWHERE {
        folders.extend(newest_first(Path::new(parent), prefix));
    }
    folders.into_iter().find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()))
}

/// The folders below `parent` which are called `prefix` and a version, and those called `bin` in them.
fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = parent.read_dir() else { return Vec::new() };
    let mut found: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.split('.').next()?.parse().ok()?;
            Some((version, entry.path()))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().flat_map(|(_, folder)| [folder.join("bin"), folder]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_versions_the_newest_is_taken() {
        let parent = std::env::temp_dir().join(format!("larder-versions-{}", std::process::id()));
        for name in ["pg-9.6", "pg-15", "pg-9", "pg-common", "18"] {
            std::fs::create_dir_all(parent.join(name)).unwrap();
        }
        let found = newest_first(&parent, "pg-");
        std::fs::remove_dir_all(&parent).unwrap();
        assert_eq!(found.len(), 6, "{found:?}");
        assert_eq!(found[..2], [parent.join("pg-15/bin"), parent.join("pg-15")]);
        assert!(newest_first(Path::new("/no/such/folder"), "").is_empty());
    }
}
