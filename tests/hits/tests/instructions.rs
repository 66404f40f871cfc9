//! What a hit costs in instructions, held to a limit. Counts hardly differ from run to run, nor with what else the
//! machine does; times do, and are asserted nowhere.

use std::process::{Command, Stdio};

/// What a hit may cost at most, by what it gives its caller: a tenth above what it did cost when this was written, 393 and
/// 649, for compilers and libraries of the system differ.
const LIMITS: [(&str, u64); 2] = [("shared", 430), ("owned", 730)];

/// Calls in the short and in the long run; what the program does besides them cancels out.
const CALLS: [u64; 2] = [2_000, 12_000];

#[test]
fn a_hit_runs_no_more_instructions_than_it_may() {
    if cfg!(debug_assertions) || !cfg!(target_arch = "x86_64") {
        eprintln!("SKIPPED: the limits are those of a release build for x86-64");
        return;
    }
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: there is no valgrind, so nothing was counted");
        return;
    }
    for (value, limit) in LIMITS {
        let [few, many] = CALLS.map(|calls| instructions(value, calls));
        let each = (many - few) / (CALLS[1] - CALLS[0]);
        println!("{value}: {each} instructions, {limit} at most");
        assert!(each > 100, "{each} is no hit: was anything counted?");
        assert!(each <= limit, "a hit ({value}) runs {each} instructions: see where, with callgrind");
    }
}

/// The instructions of a whole run, the thread of the clock included: there is none while the clock is held.
fn instructions(value: &str, calls: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_hits"), value])
        .arg(calls.to_string())
        .output()
        .expect("valgrind runs");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}");
    let line = report.lines().find(|line| line.contains("Collected")).expect(&report);
    line.rsplit(' ').next().and_then(|number| number.parse().ok()).expect(&report)
}
