//! Tags: names that entries are invalidated by, whatever their keys are.

use std::collections::HashMap;
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

/// Which tags go with which: an edge from `role` to `user` invalidates `user` with `role`.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    edges: RwLock<HashMap<Tag, Vec<Tag>>>,
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

    /// Everything that goes with `tag`, itself first, each once; cycles are allowed.
    pub(crate) fn closure(&self, tag: &Tag) -> Vec<Tag> {
        let edges = self.edges.read();
        let mut reached = vec![tag.clone()];
        let mut at = 0;
        while let Some(tag) = reached.get(at) {
            let next: Vec<_> =
                edges.get(tag).into_iter().flatten().filter(|tag| !reached.contains(tag)).cloned().collect();
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
}
