//! Everything that is compared, in the order of the tables.

mod concurrent;
mod ideal;
mod kinds;
mod memoized;
mod ours;
mod shared;

pub use kinds::{Kind, kinds};

use crate::subject::Subject;

/// Whether this is what one would write by hand: the row that all are compared to.
#[must_use]
pub fn is_by_hand(subject: &Subject) -> bool {
    [ideal::SHARED, ideal::OWNED].contains(&subject.name)
}

/// The subjects of the hit, ours first.
#[must_use]
pub fn hit() -> Vec<Subject> {
    let mut subjects = Vec::new();
    subjects.extend(ours::subjects());
    subjects.extend(ideal::subjects());
    subjects.extend(memoized::subjects());
    subjects.extend(concurrent::subjects());
    subjects.extend(shared::subjects());
    subjects
}
