//! The cache lines a hit misses, which is most of what it costs among many keys: `cargo bench -p benches --bench misses`.
//! Simulated, so that it does not matter what else the machine does. Takes some minutes.

use benches::table::{Table, ratio};
use benches::{count, peers};

fn main() {
    let subjects = peers::hit();
    if count::be_counted(&subjects) {
        return;
    }
    let mut table = Table::new(&["a hit, Zipf .99 over 100 k", "value", "misses of L1", "misses of L2"]);
    for (number, subject) in subjects.iter().enumerate() {
        let (first, second) = count::touched(number).map_or((f64::NAN, f64::NAN), |touched| {
            (touched.first_level_misses, touched.second_level_misses)
        });
        let value = format!("{:?}", subject.value);
        table.row(vec![subject.name.to_owned(), value, ratio(first), ratio(second)]);
    }
    print!("{table}");
    println!("\nL1: 48 KiB, L2: 2 MiB. —: there is no valgrind.");
}
