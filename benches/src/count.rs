//! What a hit costs as valgrind counts it: the same on every run, whatever else the machine does.

use std::process::{Command, Stdio};

use cache_core::store::conformance::hold_the_clock;

use crate::subject::Subject;
use crate::trace;

/// The argument by which a benchmark is told to be the program that is counted.
const CHILD: &str = "--count";

/// The ids that a counted program asks for.
#[derive(Clone, Copy, Debug)]
enum Ids {
    One,
    Zipf,
}

/// What one hit touches.
#[derive(Clone, Copy, Debug)]
pub struct Touched {
    /// Cache lines that are not in the first level: 48 KiB, 12-way.
    pub first_level_misses: f64,
    /// Of these the ones that are not in the second either: 2 MiB, 16-way.
    pub second_level_misses: f64,
}

/// Instructions of one hit of the subject with this number, always of the same key.
///
/// Nothing where there is no valgrind. Runs this program again, so its `main` begins with [`be_counted`].
#[must_use]
pub fn instructions(subject: usize) -> Option<f64> {
    let [instructions] =
        per_call(["Collected"], &["--tool=callgrind", "--callgrind-out-file=/dev/null"], subject, Ids::One)?;
    Some(instructions)
}

/// The cache lines one hit misses, when 100 000 keys are asked for by Zipf's law.
///
/// Nothing where there is no valgrind. Runs this program again, so its `main` begins with [`be_counted`].
#[must_use]
pub fn touched(subject: usize) -> Option<Touched> {
    let tool = [
        "--tool=cachegrind",
        "--cache-sim=yes",
        "--D1=49152,12,64",
        "--LL=2097152,16,64",
        "--cachegrind-out-file=/dev/null",
    ];
    let [first_level_misses, second_level_misses] =
        per_call(["D1  misses", "LLd misses"], &tool, subject, Ids::Zipf)?;
    Some(Touched { first_level_misses, second_level_misses })
}

/// If this process was started to be counted: runs the subject, and says so.
#[must_use]
pub fn be_counted(subjects: &[Subject]) -> bool {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(at) = arguments.iter().position(|argument| argument == CHILD) else { return false };
    let argument = |offset| arguments.get(at + offset).map_or("", String::as_str);
    let (Ok(subject), Ok(calls)) = (argument(1).parse::<usize>(), argument(3).parse()) else { return true };
    let Some(subject) = subjects.get(subject) else { return true };
    // So slowly as it runs now it would not be taken for busy, and its hits would ask the system for the time.
    hold_the_clock();
    if argument(2) == Ids::One.name() {
        // The first call loads; a thread's first hits may build what it keeps.
        subject.run(&trace::one(100));
        subject.run(&trace::one(calls));
    } else {
        subject.run(&(0..trace::IDS).collect::<Vec<_>>());
        subject.run(&trace::zipf(trace::IDS, 0.99, Ids::Zipf.calls()[1], 7)[..calls]);
    }
    true
}

impl Ids {
    fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Zipf => "zipf",
        }
    }

    /// Calls in the short and in the long run; what the program does besides them cancels out.
    fn calls(self) -> [usize; 2] {
        match self {
            Self::One => [2_000, 12_000],
            Self::Zipf => [50_000, 250_000],
        }
    }
}

/// What the tool's report says on the lines with these names, for each call.
fn per_call<const N: usize>(lines: [&str; N], tool: &[&str], subject: usize, ids: Ids) -> Option<[f64; N]> {
    let [short, long] = ids.calls();
    let (few, many) = (report(tool, subject, ids, short)?, report(tool, subject, ids, long)?);
    let mut each = [f64::NAN; N];
    for (each, line) in each.iter_mut().zip(lines) {
        let more = number_on(line, &many)?.saturating_sub(number_on(line, &few)?);
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let (more, calls) = (more as f64, (long - short) as f64);
        *each = more / calls;
    }
    Some(each)
}

/// What the tool reports of this program when it makes that many calls.
fn report(tool: &[&str], subject: usize, ids: Ids, calls: usize) -> Option<String> {
    let output = Command::new("valgrind")
        .args(tool)
        .arg(std::env::current_exe().ok()?)
        .args([CHILD, &subject.to_string(), ids.name(), &calls.to_string()])
        .stdout(Stdio::null())
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The first number after the colon of the line that has this name.
fn number_on(name: &str, report: &str) -> Option<u64> {
    let line = report.lines().find(|line| line.contains(name))?;
    let (_, numbers) = line.split_once(':')?;
    numbers.split_whitespace().next()?.replace(',', "").parse().ok()
}
