//! What is known of tables beforehand, from their entities.

/// The tables of a database as far as they are known: what identifies their rows, and what goes with them when they are
/// deleted.
///
/// A table that is not here is tracked all the same, as a whole.
#[derive(Clone, Debug, Default)]
pub struct Tables {}

impl Tables {
    /// None at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With the table of an entity.
    #[must_use]
    pub fn entity<E: sea_orm::EntityTrait>(self) -> Self {
        self
    }
}
