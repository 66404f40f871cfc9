//! Which tags a load will most likely meet, by those that loads of the same function met before.
//!
//! What goes to a remote store needs its tags before it is loaded: where they stood then is stored with it, and whoever
//! looks for it asks where they stand now. A function with `tags = auto` learns them while it loads. So this process
//! remembers them for the function. It is a guess: where it is wrong, a value is a miss, or stays in this process.

use std::collections::BTreeSet;

use parking_lot::RwLock;

use crate::key::Key;
use crate::tag::{ANY_ROW, Tag, row_of};

/// Tags that are foreseen for one function at most: with more, its values stay in this process.
const MAX_RULES: usize = 32;

/// What is foreseen of the tags of one function.
#[derive(Debug, Default)]
pub(crate) struct Foreseen {
    rules: RwLock<BTreeSet<Rule>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    /// This very tag.
    Tag(Tag),
    /// A row of this table, with these levels of the key as its own.
    Row(Box<str>, Vec<usize>),
}

impl Foreseen {
    /// The tags that a load of `key` will most likely meet. In the same order in each process that foresees the same.
    pub(crate) fn tags(&self, key: &Key) -> Vec<Tag> {
        let rules = self.rules.read();
        let levels: Vec<&str> = if rules.is_empty() { Vec::new() } else { key.as_str().split(':').collect() };
        rules.iter().filter_map(|rule| rule.tag(&levels)).collect()
    }

    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.read().is_empty()
    }

    /// Notes what a load of `key` has met. Of the tags `is_row` says which are rows of tables.
    pub(crate) fn learn(&self, key: &Key, met: &[Tag], is_row: impl Fn(&Tag) -> bool) {
        let levels: Vec<&str> = key.as_str().split(':').collect();
        let mut rules = self.rules.write();
        for tag in met {
            if rules.iter().any(|rule| rule.covers(tag, &levels)) || rules.len() >= MAX_RULES {
                continue;
            }
            let Some((table, row)) = row_of(tag).filter(|_| is_row(tag)) else {
                rules.insert(Rule::Tag(tag.clone()));
                continue;
            };
            let level = |part: &str| levels.iter().position(|level| *level == part);
            let places: Option<Vec<usize>> = row.split(',').map(level).collect();
            if let Some(places) = places.filter(|_| row != ANY_ROW) {
                rules.insert(Rule::Row(table.into(), places));
            } else {
                // Rows that the key does not tell are as good as any.
                rules.retain(|rule| !matches!(rule, Rule::Row(known, _) if **known == *table));
                rules.insert(Rule::Tag(any_row(table)));
            }
        }
    }
}

impl Rule {
    fn tag(&self, levels: &[&str]) -> Option<Tag> {
        match self {
            Self::Tag(tag) => Some(tag.clone()),
            Self::Row(table, places) => {
                let parts: Option<Vec<&str>> =
                    places.iter().map(|place| levels.get(*place).copied()).collect();
                Some(Tag::from(format!("{table}:{}", parts?.join(","))))
            }
        }
    }

    fn covers(&self, met: &Tag, levels: &[&str]) -> bool {
        match (self, row_of(met)) {
            (Self::Tag(known), Some((table, _))) if *known == any_row(table) => true,
            _ => self.tag(levels).is_some_and(|tag| tag == *met),
        }
    }
}

/// Whether everything that moves `met` moves one of `known` with it.
pub(crate) fn is_covered(met: &Tag, known: &[Tag], is_row: impl Fn(&Tag) -> bool) -> bool {
    known.contains(met)
        || (is_row(met) && row_of(met).is_some_and(|(table, _)| known.contains(&any_row(table))))
}

fn any_row(table: &str) -> Tag {
    Tag::from(format!("{table}:{ANY_ROW}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(foreseen: &Foreseen, key: &str, met: &[&str]) {
        let met: Vec<Tag> = met.iter().map(|tag| Tag::from(*tag)).collect();
        foreseen.learn(&Key::from(key), &met, |tag| !tag.as_str().starts_with("mine:"));
    }

    fn tags(foreseen: &Foreseen, key: &str) -> Vec<String> {
        foreseen.tags(&Key::from(key)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_that_the_key_tells_are_foreseen_for_other_keys() {
        let foreseen = Foreseen::default();
        assert_eq!(tags(&foreseen, "member:7:go"), [""; 0]);
        learn(&foreseen, "member:7:go", &["user", "user:7", "membership", "membership:7,go"]);
        assert_eq!(tags(&foreseen, "member:8:chess"), ["membership", "user", "membership:8,chess", "user:8"]);
    }

    #[test]
    fn rows_that_it_does_not_tell_are_foreseen_as_any() {
        let foreseen = Foreseen::default();
        learn(&foreseen, "user:7", &["role", "role:7"]);
        assert_eq!(tags(&foreseen, "user:8"), ["role", "role:8"], "a guess");
        learn(&foreseen, "user:8", &["role", "role:3"]);
        assert_eq!(tags(&foreseen, "user:8"), ["role", "role:*"]);
        let (known, met) = (foreseen.tags(&Key::from("user:8")), Tag::from("role:3"));
        assert!(is_covered(&met, &known, |_| true));
        assert!(!is_covered(&met, &known, |_| false), "no row of a table");
        assert!(!is_covered(&Tag::from("user:3"), &known, |_| true));
    }
}
