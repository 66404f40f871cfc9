//! What a statement reads and changes, found in the statement itself.
//!
//! Its builder tells the tables; its text tells those that the builder leaves out (sub-queries in an `ORDER BY` or in the
//! condition of a join, text by hand), and in its plainest forms the rows. In doubt it is more, never less.

use sea_orm::sea_query::audit::AccessType;
use sea_orm::{DbBackend, QueryResult, StatementBuilder, Value};

use crate::change::{Access, Generated, Part, Rows};
use crate::sql::{self, Inserted, Token};
use crate::tables::{Deed, Tables};

/// What a type of statements is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Rows,
    Tables,
    /// Indexes, keys, types: no row changes.
    Neither,
}

/// What `statement` changes, and what it reads if that `is_observed`; nothing, if it does not tell.
pub(crate) fn access<S: StatementBuilder>(
    statement: &S,
    tables: &Tables,
    backend: DbBackend,
    is_observed: bool,
) -> Option<Access> {
    match about(std::any::type_name::<S>()) {
        About::Neither => Some(Access::default()),
        About::Tables => {
            let named = sql::tables_named(&sql::tokens(&statement.build(&backend).sql, backend)?);
            let changes = tables.with_cascades(named.into_iter().map(Part::any).collect());
            Some(Access { changes, ..Access::default() })
        }
        About::Rows => {
            let audit = statement.audit().ok()?;
            let (mut reads, mut writes) = (Vec::new(), Vec::new());
            for request in audit.requests {
                let table = request.schema_table.1.to_string();
                match request.access_type {
                    AccessType::Select => reads.push(table),
                    deed => writes.push((table, deed)),
                }
            }
            if writes.is_empty() && !is_observed {
                return Some(Access::default());
            }
            let built = statement.build(&backend);
            let values = built.values.map(|values| values.0).unwrap_or_default();
            // A text that cannot be read says nothing of rows.
            let tokens = sql::tokens(&built.sql, backend).unwrap_or_default();
            Some(Text { tokens: &tokens, values: &values, tables }.access(reads, &writes))
        }
    }
}

/// By the name of the type: those about tables must not be asked what they touch, since they panic.
fn about(type_name: &str) -> About {
    let name = type_name.rsplit("::").next().unwrap_or_default();
    let queries = ["InsertStatement", "SelectStatement", "UpdateStatement", "DeleteStatement", "WithQuery"];
    if !type_name.starts_with("sea_query::") || queries.contains(&name) {
        About::Rows
    } else if name.starts_with("Table") {
        About::Tables
    } else {
        About::Neither
    }
}

/// A statement about rows.
struct Text<'t> {
    tokens: &'t [Token],
    values: &'t [Value],
    tables: &'t Tables,
}

impl Text<'_> {
    fn access(&self, mut reads: Vec<String>, writes: &[(String, AccessType)]) -> Access {
        reads.extend(sql::sources(self.tokens));
        reads.sort_unstable();
        reads.dedup();
        let reads = match &reads[..] {
            [table] if writes.is_empty() => {
                let rows = self.fixed(table).unwrap_or(Rows::Any);
                vec![Part { table: table.clone(), rows }]
            }
            _ => reads.into_iter().map(Part::any).collect(),
        };
        let mut access = Access { reads, ..Access::default() };
        if let [(table, deed)] = writes {
            let rows = match deed {
                AccessType::Insert => self.inserted(table, &mut access.generates),
                AccessType::Update if self.leaves_key_alone(table) => self.fixed(table),
                AccessType::Delete => self.fixed(table),
                _ => None,
            };
            access.changes.push(Part { table: table.clone(), rows: rows.unwrap_or(Rows::Any) });
        } else {
            access.changes.extend(writes.iter().map(|(table, _)| Part::any(table)));
        }
        let columns = sql::columns_set(self.tokens);
        let along = writes.iter().flat_map(|(table, deed)| {
            let deeds = match deed {
                // What is in the way is replaced, or updated.
                AccessType::Insert if self.has("REPLACE") => vec![Deed::Delete, Deed::Update(None)],
                AccessType::Insert if self.has("CONFLICT") || self.has("DUPLICATE") => {
                    vec![Deed::Update(None)]
                }
                AccessType::Insert => vec![Deed::Insert],
                AccessType::Update => vec![Deed::Update(columns.as_deref())],
                _ => vec![Deed::Delete],
            };
            deeds.into_iter().flat_map(|deed| self.tables.cascades(table, deed))
        });
        let along: Vec<Part> = along.collect();
        access.changes.extend(along);
        access
    }

    fn has(&self, word: &str) -> bool {
        self.tokens.contains(&Token::Word(word.to_owned())) || self.tokens.is_empty()
    }

    fn key(&self, table: &str) -> Vec<String> {
        self.tables.key(table).iter().map(|column| column.name.clone()).collect()
    }

    /// The rows of its one table that the statement is about.
    fn fixed(&self, table: &str) -> Option<Rows> {
        let fixed = sql::fixed(self.tokens, &self.key(table))?;
        let values: Option<Vec<Vec<&Value>>> =
            fixed.iter().map(|marks| marks.iter().map(|mark| self.values.get(*mark)).collect()).collect();
        self.tables.rows(table, &values?)
    }

    fn leaves_key_alone(&self, table: &str) -> bool {
        let key = self.key(table);
        sql::columns_set(self.tokens)
            .is_some_and(|columns| columns.iter().all(|column| !key.contains(column)))
    }

    /// The rows that are inserted, unless the database makes their keys.
    fn inserted(&self, table: &str, generates: &mut Option<Generated>) -> Option<Rows> {
        match sql::inserted(self.tokens, &self.key(table))? {
            Inserted::Generated(rows) => {
                *generates = Some(Generated { table: table.to_owned(), rows });
                None
            }
            Inserted::Keys(rows) => {
                let keys = rows.iter().map(|marks| {
                    let values: Option<Vec<_>> =
                        marks.iter().map(|mark| self.values.get(*mark).map(|value| vec![value])).collect();
                    self.tables.rows(table, &values?)
                });
                joined(keys)
            }
        }
    }
}

/// What an `INSERT` has changed that returned these rows, if its keys were made by the database: all its `changes`, but of
/// that table only these rows.
pub(crate) fn generated(
    generated: &Generated,
    changes: &[Part],
    rows: &[QueryResult],
    tables: &Tables,
) -> Option<Vec<Part>> {
    if rows.len() != generated.rows {
        return None;
    }
    let keys = rows.iter().map(|row| {
        let values = tables.returned(&generated.table, row)?;
        let values: Vec<_> = values.iter().map(|value| vec![value]).collect();
        tables.rows(&generated.table, &values)
    });
    let rows = joined(keys)?;
    let known = |part: &Part| {
        let rows = if part.table == generated.table { rows.clone() } else { part.rows.clone() };
        Part { table: part.table.clone(), rows }
    };
    Some(changes.iter().map(known).collect())
}

/// All rows together, as long as they are known and not too many.
fn joined(rows: impl Iterator<Item = Option<Rows>>) -> Option<Rows> {
    let mut all = Vec::new();
    for rows in rows {
        let Rows::Keys(keys) = rows? else { return None };
        all.extend(keys);
    }
    (all.len() <= crate::change::MAX_ROWS).then_some(Rows::Keys(all))
}
