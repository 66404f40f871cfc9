//! Allocations of a hit, for each subject: `cargo bench -p benches --bench allocations`.
//! Nothing else is measured here, because a counting allocator slows down whatever allocates.

use benches::table::{Table, number};
use benches::{peers, trace};

fn main() {
    let mut table = Table::new(&["a hit, one key", "value", "allocations"]);
    for subject in peers::hit() {
        let ids = trace::one(1_000);
        subject.run(&ids);
        let allocations = allocation_counter::measure(|| subject.run(&ids)).count_total;
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let each = allocations as f64 / 1_000.0;
        table.row(vec![subject.name.to_owned(), format!("{:?}", subject.value), number(each)]);
    }
    print!("{table}");
}
