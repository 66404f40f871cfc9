//! What a statement reads and changes, found in the statement itself.

use sea_orm::StatementBuilder;
use sea_orm::sea_query::audit::AccessType;

use crate::change::{Access, Part};
use crate::tables::Tables;

/// What `statement` reads and changes; nothing, if it does not tell.
pub(crate) fn access<S: StatementBuilder>(statement: &S, _tables: &Tables) -> Option<Access> {
    if is_schema::<S>() {
        return None;
    }
    let audit = statement.audit().ok()?;
    let mut access = Access::default();
    for request in audit.requests {
        let part = Part::any(request.schema_table.1.to_string());
        let parts = match request.access_type {
            AccessType::Select => &mut access.reads,
            _ => &mut access.changes,
        };
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    Some(access)
}

/// Whether statements of this type are about tables, not about what is in them. Those cannot be asked what they touch.
fn is_schema<S>() -> bool {
    let name = std::any::type_name::<S>();
    let queries = ["InsertStatement", "SelectStatement", "UpdateStatement", "DeleteStatement", "WithQuery"];
    name.starts_with("sea_query::") && !queries.iter().any(|query| name.ends_with(query))
}
