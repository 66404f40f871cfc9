//! The instructions of a hit, and that they stay what they are: `cargo bench -p benches --bench instructions`.
//! Counts repeat on any machine of one kind, so unlike times they may be asserted, with a margin.

use std::process::ExitCode;

use benches::table::{Table, number};
use benches::{count, peers};

/// What a hit of ours may cost at most, by the value it gives: a tenth above what it did cost when this was written.
const LIMITS: [(&str, f64); 2] = [("Shared", 430.0), ("Owned", 715.0)];

fn main() -> ExitCode {
    let subjects = peers::hit();
    if count::be_counted(&subjects) {
        return ExitCode::SUCCESS;
    }
    let mut table = Table::new(&["a hit, one key", "value", "instructions", "at most"]);
    let mut within = true;
    for (row, subject) in subjects.iter().enumerate().take(LIMITS.len()) {
        let Some(counted) = count::instructions(row) else {
            eprintln!("SKIPPED: there is no valgrind, so nothing was counted");
            return ExitCode::SUCCESS;
        };
        let value = format!("{:?}", subject.value);
        let limit = LIMITS.iter().find(|(of, _)| *of == value).map_or(0.0, |(_, limit)| *limit);
        within &= counted <= limit;
        table.row(vec![subject.name.to_owned(), value, number(counted), number(limit)]);
    }
    print!("{table}");
    if within {
        ExitCode::SUCCESS
    } else {
        eprintln!("a hit runs more instructions than it did: see which function does, with callgrind");
        ExitCode::FAILURE
    }
}
