//! The clockwork: every subject gets a short block in every round, so that whatever disturbs the machine disturbs all
//! of them alike; what counts is the median of the rounds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::subject::{Subject, per_call};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds, of which the median is taken.
    pub rounds: usize,
    /// Calls in a block.
    pub block: usize,
}

impl Effort {
    /// Enough for a table. Blocks are short, so that most of them run without being interrupted.
    pub const FULL: Self = Self { rounds: 101, block: 20_000 };
    /// Enough to see that it runs.
    pub const QUICK: Self = Self { rounds: 3, block: 2_000 };

    /// What this program was asked for: `--quick`, or fewer rounds, on a machine that leaves few of them alone:
    /// `--rounds <number>`.
    #[must_use]
    pub fn asked() -> Self {
        let mut arguments = std::env::args();
        if arguments.any(|argument| argument == "--quick") {
            return Self::QUICK;
        }
        let rounds = std::env::args().skip_while(|argument| argument != "--rounds").nth(1);
        let rounds = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(Self::FULL.rounds);
        Self { rounds, ..Self::FULL }
    }
}

/// Nanoseconds for one call: for each subject the median over the rounds.
#[must_use]
pub fn times(subjects: &[Subject], ids: &[u64], effort: Effort) -> Vec<f64> {
    interleaved(subjects.len(), ids, effort, |subject, before, block| {
        let elapsed = calm(|| {
            // The block before it brings back into the processor's caches what the other subjects drove out.
            subjects[subject].run(before);
            measured(|| subjects[subject].elapsed(block))
        });
        elapsed.map(|elapsed| per_call(elapsed, block.len()))
    })
}

/// Throughput of two threads over that of one, on the same ids: for each subject the median over the rounds.
#[must_use]
pub fn two_over_one(subjects: &[Subject], ids: &[u64], effort: Effort) -> Vec<f64> {
    interleaved(subjects.len(), ids, effort, |subject, _, block| {
        let subject = &subjects[subject];
        let block = &block[..block.len().div_ceil(2)];
        let alone = calm(|| {
            // Both find what the block touches where it was left a moment ago.
            subject.run(block);
            measured(|| subject.elapsed(block))
        });
        let both = calm(|| together(subject, block));
        Some(2.0 * alone?.as_secs_f64() / both?.as_secs_f64())
    })
}

/// Nanoseconds for each of the `calls` that several ways make, which take turns: the medians over the rounds.
pub fn in_turns<const N: usize>(
    rounds: usize,
    calls: usize,
    ways: &mut [&mut dyn FnMut() -> Duration; N],
) -> [f64; N] {
    let mut samples = [const { Vec::new() }; N];
    for round in 0..rounds {
        for turn in 0..N {
            let way = (turn + round) % N;
            let elapsed = calm(|| measured(&mut *ways[way]));
            samples[way].extend(elapsed.map(|elapsed| per_call(elapsed, calls)));
        }
    }
    samples.map(median)
}

/// What passes from the start of the first to the end of the last of two threads.
fn together(subject: &Subject, ids: &[u64]) -> Measured {
    // The second thread starts elsewhere in the block: two callers are not in step.
    let (late, early) = ids.split_at(ids.len() / 2);
    let turned = [early, late].concat();
    let ready = AtomicUsize::new(0);
    let run = |ids: &[u64]| {
        // A thread's first calls may build what it keeps.
        subject.run(&ids[..ids.len().min(100)]);
        let waited = waited();
        // A thread that sleeps here would miss the start.
        ready.fetch_add(1, Ordering::AcqRel);
        while ready.load(Ordering::Acquire) < 2 {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        subject.run(ids);
        (start, Instant::now(), waited_since(waited))
    };
    let ((start, end, waited), other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| run(&turned));
        let own = run(ids);
        (own, other.join().unwrap_or(own))
    });
    let elapsed = end.max(other.1) - start.min(other.0);
    Measured { elapsed, waited: waited.max(other.2) }
}

/// How long something took, and how much of that a thread had to wait for a processor.
struct Measured {
    elapsed: Duration,
    waited: Duration,
}

fn measured(measure: impl FnOnce() -> Duration) -> Measured {
    let before = waited();
    let elapsed = measure();
    Measured { elapsed, waited: waited_since(before) }
}

/// The first of some attempts whose threads were hardly kept waiting for a processor, if there was one.
fn calm(mut measure: impl FnMut() -> Measured) -> Option<Duration> {
    let calm = |measured: &Measured| measured.waited < measured.elapsed / 20;
    (0..ATTEMPTS).map(|_| measure()).find(calm).map(|measured| measured.elapsed)
}

/// How often a disturbed measurement is tried again.
const ATTEMPTS: usize = 5;

/// How long this thread has waited for a processor so far. Linux says it; elsewhere nothing is known to disturb.
fn waited() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

fn waited_since(before: Duration) -> Duration {
    waited().saturating_sub(before)
}

/// The medians of `measure(subject, block before, block)`, the subjects taking turns.
fn interleaved(
    subjects: usize,
    ids: &[u64],
    effort: Effort,
    mut measure: impl FnMut(usize, &[u64], &[u64]) -> Option<f64>,
) -> Vec<f64> {
    let mut samples = vec![Vec::with_capacity(effort.rounds); subjects];
    let blocks: Vec<&[u64]> = ids.chunks_exact(effort.block.min(ids.len())).collect();
    for round in 0..effort.rounds {
        let (before, block) = (blocks[round % blocks.len()], blocks[(round + 1) % blocks.len()]);
        for turn in 0..subjects {
            // Nobody always runs after the same neighbour.
            let subject = (turn + round) % subjects;
            samples[subject].extend(measure(subject, before, block));
        }
    }
    samples.into_iter().map(median).collect()
}

/// The middle of `samples`; not a number if there are fewer than three, for then the machine was too busy.
fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    if samples.len() < 3 { f64::NAN } else { samples[samples.len() / 2] }
}
