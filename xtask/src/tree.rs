//! Which crates a user of ours builds, read from `cargo tree`.

use std::collections::BTreeSet;

/// The crates of others in a dependency tree, each `name vX.Y.Z` once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    external: BTreeSet<String>,
}

impl Tree {
    /// Reads `cargo tree --prefix none`: one crate a line, repeated where several crates need it.
    /// A crate with a path after its version is part of this workspace.
    pub(crate) fn read(output: &str) -> Self {
        let external = output
            .lines()
            .map(|line| line.trim_end_matches(" (*)").trim_end_matches(" (proc-macro)"))
            .filter(|line| line.split(' ').nth(1).is_some_and(is_version) && !line.contains(" ("))
            .map(str::to_owned)
            .collect();
        Self { external }
    }

    pub(crate) fn len(&self) -> usize {
        self.external.len()
    }

    /// The versions in which the crate `name` is there.
    pub(crate) fn versions(&self, name: &str) -> Vec<&str> {
        self.external
            .iter()
            .filter_map(|one| one.split_once(" v"))
            .filter(|one| one.0 == name)
            .map(|one| one.1)
            .collect()
    }

    /// One crate a line.
    pub(crate) fn listed(&self) -> String {
        let lines: Vec<&str> = self.external.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}

fn is_version(word: &str) -> bool {
    word.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
$ cargo tree --prefix none
larder v0.1.0 (/src/larder)
cache-core v0.1.0 (/src/larder/cache-core)
async-trait v0.1.92 (proc-macro)
syn v3.0.9
unicode-ident v1.0.27
syn v3.0.9 (*)
cache-macros v0.1.0 (proc-macro) (/src/larder/cache-macros)
syn v3.0.9 (*)
syn v2.0.119
quick_cache v0.7.0

";

    #[test]
    fn every_crate_of_others_counts_once() {
        let tree = Tree::read(OUTPUT);
        assert_eq!(tree.len(), 5);
        let listed =
            "async-trait v0.1.92\nquick_cache v0.7.0\nsyn v2.0.119\nsyn v3.0.9\nunicode-ident v1.0.27";
        assert_eq!(tree.listed(), listed);
    }

    #[test]
    fn two_versions_of_one_crate_are_seen() {
        let tree = Tree::read(OUTPUT);
        assert_eq!(tree.versions("syn"), ["2.0.119", "3.0.9"]);
        assert_eq!(tree.versions("quick_cache"), ["0.7.0"]);
        assert!(tree.versions("quick").is_empty());
    }
}
