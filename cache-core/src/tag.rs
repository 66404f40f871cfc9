//! Tags: names that entries are invalidated by, whatever their keys are.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::key::KeyWriter;
use crate::sync::RwLock;

/// A name by which entries of any function can be invalidated together.
///
/// # Examples
///
/// ```
/// use cache_core::Tag;
///
/// assert_eq!(Tag::from("team:7").as_str(), "team:7");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    text: Arc<str>,
}

impl Tag {
    /// The tag that `write` writes.
    #[must_use]
    pub fn build(write: impl FnOnce(&mut KeyWriter)) -> Self {
        let mut writer = KeyWriter::new();
        write(&mut writer);
        Self { text: Arc::from(&*String::from_utf8_lossy(writer.as_bytes())) }
    }

    /// The text of the tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// What stands for all rows of a table that are not told apart.
pub(crate) const ANY_ROW: &str = "*";

/// The table and the row, if `tag` has the form of one.
pub(crate) fn row_of(tag: &Tag) -> Option<(&str, &str)> {
    tag.as_str().split_once(':')
}

/// Which tags go with which: an edge from `role` to `user` invalidates `user` with `role`.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    edges: RwLock<HashMap<Tag, Vec<Tag>>>,
    /// With a row of these, such as `role:7`, goes `role:*`, and what goes with `role`.
    tables: RwLock<HashSet<Box<str>>>,
}

impl Dependencies {
    pub(crate) fn add(&self, tag: Tag, dependents: impl IntoIterator<Item = Tag>) {
        let mut edges = self.edges.write();
        let known = edges.entry(tag).or_default();
        for dependent in dependents {
            if !known.contains(&dependent) {
                known.push(dependent);
            }
        }
    }

    /// From now on `table` is that of rows.
    pub(crate) fn add_table(&self, table: &str) {
        if !self.tables.read().contains(table) {
            self.tables.write().insert(table.into());
        }
    }

    /// Whether `tag` stands for a row, or for all that are not told apart.
    pub(crate) fn is_row(&self, tag: &Tag) -> bool {
        row_of(tag).is_some_and(|(table, _)| self.tables.read().contains(table))
    }

    /// Everything that goes with `tag`, itself first, each once; cycles are allowed.
    pub(crate) fn closure(&self, tag: &Tag) -> Vec<Tag> {
        let edges = self.edges.read();
        let mut reached = vec![tag.clone()];
        let mut at = 0;
        while let Some(tag) = reached.get(at) {
            let row = row_of(tag).filter(|_| self.is_row(tag));
            let of_table = row.and_then(|(table, _)| edges.get(&Tag::from(table)));
            let any = row.map(|(table, _)| Tag::from([table, ":", ANY_ROW].concat()));
            // Keys that are text are told apart without regard to case.
            let folded = row.map(|(table, row)| Tag::from([table, ":", &row.to_ascii_lowercase()].concat()));
            let known = edges.get(tag).into_iter().chain(of_table).flatten().cloned();
            let mut next: Vec<Tag> = Vec::new();
            for tag in any.into_iter().chain(folded).chain(known) {
                if !(reached.contains(&tag) || next.contains(&tag)) {
                    next.push(tag);
                }
            }
            reached.extend(next);
            at += 1;
        }
        reached
    }
}

impl From<&str> for Tag {
    fn from(text: &str) -> Self {
        Self { text: Arc::from(text) }
    }
}

impl From<String> for Tag {
    fn from(text: String) -> Self {
        Self { text: Arc::from(text) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({:?})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_transitive_and_may_have_cycles() {
        let dependencies = Dependencies::default();
        let tags = |names: &[&str]| names.iter().map(|name| Tag::from(*name)).collect::<Vec<_>>();
        dependencies.add("permission".into(), tags(&["role"]));
        dependencies.add("role".into(), tags(&["user", "activity"]));
        dependencies.add("user".into(), tags(&["activity", "role"]));
        assert_eq!(
            dependencies.closure(&"permission".into()),
            tags(&["permission", "role", "user", "activity"])
        );
        assert_eq!(dependencies.closure(&"user".into()), tags(&["user", "activity", "role"]));
        assert_eq!(dependencies.closure(&"alone".into()), tags(&["alone"]));
    }

    #[test]
    fn with_a_row_goes_what_read_any_row_and_what_depends_on_its_table() {
        let dependencies = Dependencies::default();
        dependencies.add("role".into(), ["user".into()]);
        assert_eq!(dependencies.closure(&"role:7".into()), ["role:7".into()], "no table, as far as is known");
        dependencies.add_table("role");
        assert_eq!(
            dependencies.closure(&"role:7".into()),
            ["role:7".into(), "role:*".into(), Tag::from("user")]
        );
        let named = dependencies.closure(&"role:Admin".into());
        assert!(named.contains(&"role:admin".into()), "by whatever case it is named: {named:?}");
    }
}
