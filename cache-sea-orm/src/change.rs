//! What a statement reads and changes, as tags: tables by their names, rows by the table and the key.
//!
//! Whatever reads the table `user` carries the tag `user`. Beside it stands either the tag of each row that it can have read,
//! such as `user:42`, or `user:*` for rows that are not known. So a change of the row 42 reaches everybody by `user:42` and
//! `user:*`, and a change of rows that are not known by `user`.

use cache_core::private::Invalidation;
use cache_core::{Cache, Tag, observe};

/// Rows that one statement can fix, before it counts as reaching any.
pub(crate) const MAX_ROWS: usize = 16;

/// Rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Those with these keys, as texts.
    Keys(Vec<String>),
    /// Any.
    Any,
}

/// Rows of one table that a statement reads, or changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) table: String,
    pub(crate) rows: Rows,
}

impl Part {
    pub(crate) fn any(table: impl Into<String>) -> Self {
        Self { table: table.into(), rows: Rows::Any }
    }

    fn table_tag(&self) -> Tag {
        Tag::from(self.table.as_str())
    }

    fn row_tag(&self, key: &str) -> Tag {
        Tag::from([&self.table, ":", key].concat())
    }

    /// The tags of an entry that has read this.
    pub(crate) fn tags_of_reader(&self) -> Vec<Tag> {
        let mut tags = vec![self.table_tag()];
        match &self.rows {
            Rows::Keys(keys) => tags.extend(keys.iter().map(|key| self.row_tag(key))),
            Rows::Any => tags.push(self.row_tag("*")),
        }
        tags
    }

    /// Has everything invalidated that may have read this.
    pub(crate) fn invalidate_by(&self, invalidation: &mut Invalidation) {
        match &self.rows {
            Rows::Any => invalidation.target(self.table_tag()),
            Rows::Keys(keys) => {
                // With each of them goes `user:*`, and what depends on the table.
                for key in keys {
                    invalidation.target(self.row_tag(key));
                }
            }
        }
    }
}

/// What a statement reads and changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) reads: Vec<Part>,
    pub(crate) changes: Vec<Part>,
    /// What its answer will tell.
    pub(crate) generates: Option<Generated>,
}

/// Rows that are inserted with keys which the database makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generated {
    pub(crate) table: String,
    /// How many.
    pub(crate) rows: usize,
}

impl Access {
    /// Tells the load that runs in this task what the statement reads.
    pub(crate) fn observe(&self, cache: &Cache) {
        for part in &self.reads {
            observe::table(cache, &part.table);
        }
        observe::reads(cache, self.reads.iter().flat_map(Part::tags_of_reader));
    }
}
