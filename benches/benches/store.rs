//! What the local store could be made of, side by side: `cargo bench -p benches --bench store`.
//!
//! First what each way to evict finds, of 100, with a plot: counted, so however busy the machine is; a map's random
//! seed shows in the loop alone. Then what a read costs by the maps that could be below: `-- --ratios` for the first
//! table and its plot alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::eviction::{Case, POLICIES, belady, cases, hit_ratio};
use benches::lock_free::{self, LockFree};
use benches::plot::{self, Bars, Group};
use benches::rounds::{self, Effort, in_turns};
use benches::subject::{Value, drive};
use benches::table::{Table, number, ratio};
use benches::{count, peers, trace};
use cache_core::store::{LocalStore as _, conformance};
use larder::{Cache, Memory};
use quick_cache::sync::Cache as Quick;

fn main() -> std::io::Result<()> {
    let asked = |option: &str| std::env::args().any(|argument| argument == option);
    let compared = ["larder", "by hand", "experiment"];
    let mut subjects = peers::hit();
    subjects.extend(lock_free::subjects());
    subjects.retain(|subject| compared.iter().any(|name| subject.name.starts_with(name)));
    if count::be_counted(&subjects) {
        return Ok(());
    }
    let found = found();
    println!("{}", ratios(&found));
    plot::write("hit_ratio.svg", &drawn(found))?;
    if asked("--ratios") {
        return Ok(());
    }
    let effort = Effort::asked();
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
    println!("{}", writes(effort));
    println!("{table}\nTwo threads: their throughput over that of one. —: the machine was too busy to tell.");
    Ok(())
}

/// What it costs to store a value in a full map, which has to let another go.
fn writes(effort: Effort) -> Table {
    const ROOM: u64 = 100_000;
    let calls = effort.block / 4;
    let room = usize::try_from(ROOM).unwrap_or(usize::MAX);
    let value = Arc::new(0_u64);
    let ours = Cache::builder().local(Memory::new(room)).build();
    let (memory, quick, papaya) =
        (Memory::new(room), Quick::<Box<str>, Arc<u64>>::new(room), LockFree::new(room));
    let text = |id: u64| format!("user:{id}");
    let (in_ours, in_memory, in_quick, in_papaya) = (
        |id: u64| drive(async { drop(ours.set(text(id), &value, Duration::from_secs(3600)).await) }),
        |id: u64| memory.insert(conformance::entry(text(id), Arc::clone(&value), 0)),
        |id: u64| quick.insert(text(id).into(), Arc::clone(&value)),
        |id: u64| papaya.insert(&text(id), Arc::clone(&value)),
    );
    let next = std::cell::Cell::new(0_u64);
    let run = |insert: &dyn Fn(u64)| {
        let first = next.replace(next.get() + calls as u64);
        let start = Instant::now();
        (first..first + calls as u64).for_each(insert);
        start.elapsed()
    };
    for id in 0..ROOM {
        let id = id + (1 << 40);
        in_ours(id);
        in_memory(id);
        in_quick(id);
        in_papaya(id);
    }
    let times = in_turns(
        effort.rounds,
        calls,
        &mut [&mut || run(&in_ours), &mut || run(&in_memory), &mut || run(&in_quick), &mut || {
            run(&in_papaya)
        }],
    );
    let mut table = Table::new(&["an insertion into a full map", "ns"]);
    let names = [
        "larder `set`: with its stamp and its turns",
        "larder Memory, with a stamp",
        "quick_cache 0.7",
        "experiment: papaya",
    ];
    for (name, time) in names.into_iter().zip(times) {
        table.row(vec![name.to_owned(), number(time)]);
    }
    table
}

/// For each trace what each policy finds, and the limit.
fn found() -> Vec<Group> {
    let group = |case: Case| Group {
        values: POLICIES.iter().map(|(_, make)| hit_ratio(&mut *make(case.room), &case.ids)).collect(),
        limit: Some(belady(&case.ids, case.room)),
        name: case.name.to_owned(),
    };
    cases().into_iter().map(group).collect()
}

fn ratios(found: &[Group]) -> Table {
    let headings: Vec<&str> =
        ["found, of 100"].into_iter().chain(found.iter().map(|case| case.name.as_str())).collect();
    let mut table = Table::new(&headings);
    for (policy, (name, _)) in POLICIES.iter().enumerate() {
        let found = found.iter().map(|case| format!("{:.1}", case.values[policy]));
        table.row([(*name).to_owned()].into_iter().chain(found).collect());
    }
    let limit = found.iter().filter_map(|case| case.limit).map(|limit| format!("{limit:.1}"));
    table.row([LIMIT.to_owned()].into_iter().chain(limit).collect());
    table
}

fn drawn(found: Vec<Group>) -> String {
    let bars = Bars {
        title: "Found, of 100 calls, by trace and by what is let go; room in percent of the ids",
        axis: "percent",
        series: &POLICIES.map(|(name, _)| name),
        groups: found,
        limit: Some(LIMIT),
        digits: 1,
    };
    bars.svg()
}

const LIMIT: &str = "Belady: the limit";
