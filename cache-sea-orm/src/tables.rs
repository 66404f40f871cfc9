//! What is known of tables beforehand, from their entities: what identifies a row, and what goes with it.

use std::collections::HashMap;

use sea_orm::sea_query::{ForeignKeyAction, TableRef};
use sea_orm::{
    ColumnTrait as _, ColumnType, EntityTrait, IdenStatic as _, Iterable as _, PrimaryKeyToColumn as _,
    QueryResult, RelationDef, RelationTrait as _, Value,
};

use crate::change::{Part, Rows};

/// The tables of a database as far as they are known: what identifies their rows, and what goes with them when they are
/// deleted.
///
/// A table that is not here is tracked all the same, as a whole: each of its rows with every other.
///
/// # Cascades
///
/// Where a relation says `on_delete` or `on_update` (`Cascade`, `SetNull` or `SetDefault`), the database changes rows of the
/// table with the foreign key by itself, and what read those is invalidated with it. The relation is that of the entity with
/// the foreign key, which is why that entity is to be here, too. What only the schema knows of is not known here.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    keys: HashMap<String, Vec<KeyColumn>>,
    cascades: Vec<Cascade>,
}

/// A column of a primary key.
#[derive(Clone, Debug)]
pub(crate) struct KeyColumn {
    pub(crate) name: String,
    kind: Kind,
}

/// How values of a column are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Text,
    Uuid,
    /// In ways that are not known here: rows are not told apart.
    Other,
}

/// What the database does by itself.
#[derive(Clone, Debug)]
struct Cascade {
    parent: String,
    child: String,
    /// The columns of the parent that the foreign key refers to.
    referenced: Vec<String>,
    on_delete: bool,
    on_update: bool,
}

/// What a statement does to rows that others refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed<'c> {
    Insert,
    /// Of these columns; nothing, if they are not known.
    Update(Option<&'c [String]>),
    Delete,
}

impl Tables {
    /// None at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With the table of an entity: its primary key, and its relations.
    #[must_use]
    pub fn entity<E: EntityTrait>(mut self) -> Self {
        let key = E::PrimaryKey::iter().map(|part| {
            let column = part.into_column();
            KeyColumn { name: column.as_str().to_owned(), kind: Kind::of(column.def().get_column_type()) }
        });
        self.keys.insert(E::default().table_name().to_owned(), key.collect());
        self.cascades.extend(E::Relation::iter().filter_map(|relation| Cascade::of(relation.def())));
        self
    }

    /// The columns of the primary key; none, if it is not known, or does not tell rows apart.
    pub(crate) fn key(&self, table: &str) -> &[KeyColumn] {
        let key = self.keys.get(table).map_or(&[][..], Vec::as_slice);
        if key.iter().any(|column| column.kind == Kind::Other) { &[] } else { key }
    }

    /// What else the database changes by itself when `deed` is done to rows of `table`.
    pub(crate) fn cascades(&self, table: &str, deed: Deed<'_>) -> Vec<Part> {
        let goes_along = |cascade: &&Cascade| {
            cascade.parent == table
                && match deed {
                    Deed::Insert => false,
                    Deed::Delete => cascade.on_delete,
                    Deed::Update(columns) => {
                        let sets = |column| columns.is_none_or(|columns| columns.contains(column));
                        cascade.on_update && cascade.referenced.iter().any(sets)
                    }
                }
        };
        let mut reached: Vec<&str> = Vec::new();
        let first = self.cascades.iter().filter(goes_along).map(|cascade| cascade.child.as_str());
        let mut next: Vec<&str> = first.collect();
        while let Some(table) = next.pop() {
            if reached.contains(&table) {
                continue;
            }
            reached.push(table);
            // Of rows that go along it is not known whether they are deleted, or which of their columns change.
            let further = self.cascades.iter().filter(|cascade| cascade.parent == table);
            next.extend(further.map(|cascade| cascade.child.as_str()));
        }
        reached.into_iter().map(Part::any).collect()
    }

    /// `changes` by hand: whatever may have been done to those tables.
    pub(crate) fn with_cascades(&self, changes: Vec<Part>) -> Vec<Part> {
        let more: Vec<Part> = changes
            .iter()
            .flat_map(|part| {
                let deleted = self.cascades(&part.table, Deed::Delete);
                deleted.into_iter().chain(self.cascades(&part.table, Deed::Update(None)))
            })
            .collect();
        changes.into_iter().chain(more).collect()
    }

    /// The rows with one key of `columns`, each column of which has one of its values.
    pub(crate) fn rows(&self, table: &str, values: &[Vec<&Value>]) -> Option<Rows> {
        let key = self.key(table);
        let mut texts = vec![String::new()];
        for (at, (column, values)) in key.iter().zip(values).enumerate() {
            let values: Option<Vec<String>> = values.iter().map(|value| column.kind.text(value)).collect();
            let values = values?;
            let separator = if at == 0 { "" } else { "," };
            texts = texts
                .iter()
                .flat_map(|text| values.iter().map(move |value| [text, separator, value].concat()))
                .collect();
            if texts.len() > crate::change::MAX_ROWS {
                return None;
            }
        }
        (!key.is_empty() && key.len() == values.len()).then_some(Rows::Keys(texts))
    }

    /// The key of a row that a statement returned.
    pub(crate) fn returned(&self, table: &str, row: &QueryResult) -> Option<Vec<Value>> {
        let key = self.key(table);
        (!key.is_empty())
            .then(|| key.iter().map(|column| column.kind.returned(row, &column.name)).collect())?
    }
}

impl Kind {
    fn of(column: &ColumnType) -> Self {
        match column {
            ColumnType::TinyInteger
            | ColumnType::SmallInteger
            | ColumnType::Integer
            | ColumnType::BigInteger
            | ColumnType::TinyUnsigned
            | ColumnType::SmallUnsigned
            | ColumnType::Unsigned
            | ColumnType::BigUnsigned => Self::Integer,
            ColumnType::Char(_) | ColumnType::String(_) | ColumnType::Text => Self::Text,
            ColumnType::Uuid => Self::Uuid,
            _ => Self::Other,
        }
    }

    /// The text of a value of this kind, the same for all that a database may find equal.
    fn text(self, value: &Value) -> Option<String> {
        let text = match (self, value) {
            (Self::Integer, Value::TinyInt(Some(value))) => Some(value.to_string()),
            (Self::Integer, Value::SmallInt(Some(value))) => Some(value.to_string()),
            (Self::Integer, Value::Int(Some(value))) => Some(value.to_string()),
            (Self::Integer, Value::BigInt(Some(value))) => Some(value.to_string()),
            (Self::Integer, Value::TinyUnsigned(Some(value))) => Some(value.to_string()),
            (Self::Integer, Value::SmallUnsigned(Some(value))) => Some(value.to_string()),
            (Self::Integer, Value::Unsigned(Some(value))) => Some(value.to_string()),
            (Self::Integer, Value::BigUnsigned(Some(value))) => Some(value.to_string()),
            (Self::Text, Value::String(Some(value))) => {
                // Columns may ignore case, and spaces at the end. What else they may find equal is not plain.
                let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.: /@+".contains(byte);
                let text = value.trim_end_matches(' ').to_ascii_lowercase();
                (!text.is_empty() && value.as_bytes().iter().all(plain)).then_some(text)
            }
            (Self::Uuid, Value::Uuid(Some(value))) => Some(value.to_string()),
            _ => None,
        };
        // For a zero, MySQL makes a key of its own.
        text.filter(|text| text != "0")
    }

    fn returned(self, row: &QueryResult, column: &str) -> Option<Value> {
        match self {
            Self::Integer => {
                let wide = row.try_get::<i64>("", column).ok();
                let narrow = || row.try_get::<i32>("", column).ok().map(i64::from);
                let small = || row.try_get::<i16>("", column).ok().map(i64::from);
                wide.or_else(narrow).or_else(small).map(Value::from)
            }
            Self::Text => row.try_get::<String>("", column).ok().map(Value::from),
            Self::Uuid => row.try_get::<sea_orm::prelude::Uuid>("", column).ok().map(Value::from),
            Self::Other => None,
        }
    }
}

impl Cascade {
    /// Of a relation from the side of the foreign key, or from the other side.
    fn of(relation: RelationDef) -> Option<Self> {
        let acts = |action: Option<ForeignKeyAction>| {
            matches!(
                action,
                Some(ForeignKeyAction::Cascade | ForeignKeyAction::SetNull | ForeignKeyAction::SetDefault)
            )
        };
        let (on_delete, on_update) = (acts(relation.on_delete), acts(relation.on_update));
        if !(on_delete || on_update) {
            return None;
        }
        let (from, to) = (name(&relation.from_tbl)?, name(&relation.to_tbl)?);
        // An owner is referred to: `has_many` and `has_one` say so. The foreign key is where `belongs_to` stands.
        let (parent, child, referenced) =
            if relation.is_owner { (from, to, relation.from_col) } else { (to, from, relation.to_col) };
        let referenced = referenced.into_iter().map(|column| column.to_string()).collect();
        Some(Self { parent, child, referenced, on_delete, on_update })
    }
}

fn name(table: &TableRef) -> Option<String> {
    if let TableRef::Table(name, _) = table { Some(name.1.to_string()) } else { None }
}
