//! What the local store could be made of, side by side: `cargo bench -p benches --bench store`.
//!
//! First what each way to evict finds, of 100: counted, so the same on every run. Then what a read costs by the maps
//! that could be below: `-- --ratios` for the first table alone.

use benches::eviction::{POLICIES, belady, cases, hit_ratio};
use benches::rounds::{self, Effort};
use benches::subject::Value;
use benches::table::{Table, number, ratio};
use benches::{count, lock_free, peers, trace};

fn main() {
    let asked = |option: &str| std::env::args().any(|argument| argument == option);
    let compared = ["larder", "by hand", "experiment"];
    let mut subjects = peers::hit();
    subjects.extend(lock_free::subjects());
    subjects.retain(|subject| compared.iter().any(|name| subject.name.starts_with(name)));
    if count::be_counted(&subjects) {
        return;
    }
    println!("{}", ratios());
    if asked("--ratios") {
        return;
    }
    let effort = if asked("--quick") { Effort::QUICK } else { Effort::FULL };
    let ids: Vec<u64> = (0..trace::IDS).collect();
    for subject in &subjects {
        subject.run(&ids);
    }
    let (one, zipf) =
        (trace::one(effort.block), trace::zipf(trace::IDS, 0.99, effort.block * effort.rounds.min(100), 7));
    let times = [rounds::times(&subjects, &one, effort), rounds::times(&subjects, &zipf, effort)];
    let two = [rounds::two_over_one(&subjects, &one, effort), rounds::two_over_one(&subjects, &zipf, effort)];
    let mut table = Table::new(&[
        "a hit",
        "value",
        "ns, one key",
        "ns, Zipf .99",
        "instructions",
        "two threads, one key",
        "two threads, Zipf",
    ]);
    for (row, subject) in subjects.iter().enumerate() {
        let value = if subject.value == Value::Shared { "Arc" } else { "cloned" };
        table.row(vec![
            subject.name.to_owned(),
            value.to_owned(),
            number(times[0][row]),
            number(times[1][row]),
            number(count::instructions(row).unwrap_or(f64::NAN)),
            ratio(two[0][row]),
            ratio(two[1][row]),
        ]);
    }
    println!("{table}\nTwo threads: their throughput over that of one. —: the machine was too busy to tell.");
}

fn ratios() -> Table {
    let cases = cases();
    let headings: Vec<&str> =
        ["found, of 100"].into_iter().chain(cases.iter().map(|case| case.name)).collect();
    let mut table = Table::new(&headings);
    for (name, make) in POLICIES {
        let found = cases.iter().map(|case| format!("{:.1}", hit_ratio(&mut *make(case.room), &case.ids)));
        table.row([name.to_owned()].into_iter().chain(found).collect());
    }
    let limit = cases.iter().map(|case| format!("{:.1}", belady(&case.ids, case.room)));
    table.row(["Belady: the limit".to_owned()].into_iter().chain(limit).collect());
    table
}
