//! The hit in process, beside its peers and what one would write by hand: `cargo bench -p benches --bench hit`.
//!
//! First criterion, for the history of each subject; then the table, whose rounds are interleaved, and its plot.
//! `-- --quick` runs both briefly, without the plot; `-- --table` the table and the plot alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::plot::{self, Bars, Group};
use benches::rounds::{self, Effort};
use benches::subject::{Subject, Value};
use benches::table::{Table, number, ratio};
use benches::{count, peers, trace};
use cache_core::store::conformance::{ask, hold_the_clock};
use criterion::{BenchmarkId, Criterion};
use larder::Cache;

fn main() -> std::io::Result<()> {
    let asked = |option: &str| std::env::args().any(|argument| argument == option);
    let quick = asked("--quick");
    let effort = Effort::asked();
    let subjects = peers::hit();
    if count::be_counted(&subjects) {
        return Ok(());
    }
    let traces = Traces::new(effort);
    if !asked("--table") {
        history(&subjects, &traces, quick);
    }
    let (tables, plot) = compared(&subjects, &traces, effort);
    print!("\n{tables}");
    println!("{}", asked_of(effort));
    if quick { Ok(()) } else { plot::write("hit_cost.svg", &plot) }
}

/// The ids that are asked for.
struct Traces {
    one: Vec<u64>,
    zipf: Vec<u64>,
}

impl Traces {
    fn new(effort: Effort) -> Self {
        let len = effort.block * effort.rounds.min(100);
        Self { one: trace::one(effort.block), zipf: trace::zipf(trace::IDS, 0.99, len, 7) }
    }
}

fn history(subjects: &[Subject], traces: &Traces, quick: bool) {
    let (warm, measured) = if quick { (50, 100) } else { (500, 1_500) };
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(if quick { 10 } else { 50 })
        .warm_up_time(Duration::from_millis(warm))
        .measurement_time(Duration::from_millis(measured));
    for (name, ids) in [("one key", &traces.one), ("zipf over 100 k", &traces.zipf)] {
        let mut group = criterion.benchmark_group(format!("hit, {name}"));
        for subject in subjects {
            let id = BenchmarkId::new(subject.name, format!("{:?}", subject.value));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|calls| {
                    let calls = usize::try_from(calls).unwrap_or(usize::MAX);
                    let mut elapsed = Duration::ZERO;
                    for block in 0..calls.div_ceil(ids.len()) {
                        let rest = (calls - block * ids.len()).min(ids.len());
                        elapsed += subject.elapsed(&ids[..rest]);
                    }
                    elapsed
                });
            });
        }
        group.finish();
    }
}

fn compared(subjects: &[Subject], traces: &Traces, effort: Effort) -> (String, String) {
    let ids: Vec<u64> = (0..trace::IDS).collect();
    for subject in subjects {
        subject.run(&ids);
    }
    let one = rounds::times(subjects, &traces.one, effort);
    let zipf = rounds::times(subjects, &traces.zipf, effort);
    let one_twice = rounds::two_over_one(subjects, &traces.one, effort);
    let zipf_twice = rounds::two_over_one(subjects, &traces.zipf, effort);
    let instructions: Vec<f64> =
        (0..subjects.len()).map(|subject| count::instructions(subject).unwrap_or(f64::NAN)).collect();
    let mut tables = Vec::new();
    for value in [Value::Shared, Value::Owned] {
        let by_hand =
            subjects.iter().position(|subject| peers::is_by_hand(subject) && subject.value == value);
        let of_ideal =
            |times: &[f64], row: usize| by_hand.map_or(f64::NAN, |ideal| times[row] / times[ideal]);
        let mut table = Table::new(&[
            &format!("a hit, {}", if value == Value::Shared { "Arc<User>" } else { "User, cloned" }),
            "ns, one key",
            "of by hand",
            "ns, Zipf .99",
            "of by hand",
            "instructions",
            "two threads, one key",
            "two threads, Zipf",
        ]);
        for (row, subject) in subjects.iter().enumerate().filter(|(_, subject)| subject.value == value) {
            table.row(vec![
                subject.name.to_owned(),
                number(one[row]),
                ratio(of_ideal(&one, row)),
                number(zipf[row]),
                ratio(of_ideal(&zipf, row)),
                number(instructions[row]),
                ratio(one_twice[row]),
                ratio(zipf_twice[row]),
            ]);
        }
        tables.push(table.to_string());
    }
    tables.push(
        "Two threads: their throughput over that of one. Instructions: one key.\n\
         —: the machine was too busy to tell, or there is no valgrind.\n"
            .to_owned(),
    );
    (tables.join("\n"), drawn(subjects, &one, &zipf))
}

/// What a hit asks of the rule, the clock and the counter, besides finding its entry and giving it away.
fn asked_of(effort: Effort) -> String {
    let (cache, calls) = (Cache::global(), u32::try_from(effort.block).unwrap_or(u32::MAX));
    // As in a busy process. The last thing that is measured: nothing expires after it.
    hold_the_clock();
    let timed = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let ask = || assert_eq!(ask(&cache, "user:42", calls), calls, "it is there, current and fresh");
    let nothing = || assert_eq!((0..calls).filter(|call| black_box(call) < &calls).count(), effort.block);
    let (mut asking, mut idling) = (ask, nothing);
    let [asked, idle] = rounds::in_turns(
        effort.rounds,
        effort.block,
        &mut [&mut || timed(&mut asking), &mut || timed(&mut idling)],
    );
    format!("The rule, the clock and the counter together: {:.1} ns; at most 8 is the target.", asked - idle)
}

fn drawn(subjects: &[Subject], one: &[f64], zipf: &[f64]) -> String {
    let group = |(row, subject): (usize, &Subject)| {
        let says_so = subject.value == Value::Shared || subject.name.contains("clone");
        let name = format!("{}{}", subject.name, if says_so { "" } else { ", cloned" });
        Group { name, values: vec![one[row], zipf[row]], limit: None }
    };
    let bars = Bars {
        title: "A hit, by peer: an Arc<User> unless it says cloned",
        axis: "nanoseconds; —: the machine was too busy to tell",
        series: &["one key", "100 000 keys, Zipf .99"],
        groups: subjects.iter().enumerate().map(group).collect(),
        limit: None,
        digits: 0,
    };
    bars.svg()
}
