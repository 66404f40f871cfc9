//! The hit by its kinds of key and of value: `cargo bench -p benches --bench kinds`, with `-- --quick` to see that it
//! runs. The key of one integer with a shared or a small value is in `hit`, beside all peers.

use benches::peers::{self, Kind};
use benches::rounds::{self, Effort};
use benches::table::{Table, number, ratio};
use benches::{count, trace};

/// Few enough that large values fit into memory, for each way.
const IDS: u64 = 10_000;

fn main() {
    let effort = Effort::asked();
    let kinds = peers::kinds();
    let (names, subjects): (Vec<_>, Vec<_>) =
        kinds.into_iter().map(|Kind { name, subjects }| (name, subjects)).unzip();
    let subjects: Vec<_> = subjects.into_iter().flatten().collect();
    if count::be_counted(&subjects) {
        return;
    }
    let ids: Vec<u64> = (0..IDS).collect();
    for subject in &subjects {
        subject.run(&ids);
    }
    let zipf = trace::zipf(IDS, 0.99, effort.block * effort.rounds.min(10), 7);
    let one = rounds::times(&subjects, &trace::one(effort.block), effort);
    let zipf = rounds::times(&subjects, &zipf, effort);
    let mut table = Table::new(&[
        "a hit of ours, ns",
        "one key",
        "of by hand",
        "of concurrent_cached",
        "Zipf .99, 10 k",
        "of by hand",
        "of concurrent_cached",
        "instructions",
    ]);
    for (kind, name) in names.into_iter().enumerate() {
        let at = 3 * kind;
        table.row(vec![
            name.to_owned(),
            number(one[at]),
            ratio(one[at] / one[at + 1]),
            ratio(one[at] / one[at + 2]),
            number(zipf[at]),
            ratio(zipf[at] / zipf[at + 1]),
            ratio(zipf[at] / zipf[at + 2]),
            number(count::instructions(at).unwrap_or(f64::NAN)),
        ]);
    }
    print!("{table}");
}
