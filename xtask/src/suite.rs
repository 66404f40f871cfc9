//! Runs steps in order and reports them: a line each, the whole output of a failed one, a table at the end.
//! What a step does is not known here.

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::workspace::Workspace;

/// One check of the suite.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Workspace) -> Outcome,
}

/// What a step that ran comes back with; an error is everything its reader needs to see.
pub(crate) type Outcome = Result<Done, Failure>;

/// How a step ended that did not fail.
pub(crate) enum Done {
    /// The check holds; a few words for the table.
    Passed(String),
    /// The check could not be made here; why, and what would make it possible.
    Skipped(String),
}

impl Done {
    pub(crate) fn passed(note: impl Into<String>) -> Self {
        Self::Passed(note.into())
    }

    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped(reason.into())
    }
}

/// The full account of a failed step.
pub(crate) struct Failure(pub(crate) String);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Which steps to run, and whether a failed one ends the run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) only: Vec<&'static str>,
    pub(crate) keep_going: bool,
}

/// Prints the steps and what each one checks.
pub(crate) fn list(steps: &[Step]) {
    for step in steps {
        println!("{:WIDTH$} {}", step.name, step.about);
    }
}

/// Runs the chosen steps; true if none of them failed.
pub(crate) fn run(steps: &[Step], choice: &Choice, workspace: &Workspace) -> bool {
    let began = Instant::now();
    let mut rows = Vec::new();
    let mut stopped = false;
    for step in steps {
        if !choice.only.is_empty() && !choice.only.contains(&step.name) {
            continue;
        }
        if stopped {
            rows.push(Row { name: step.name, end: End::NotRun, took: None, note: String::new() });
            continue;
        }
        print!("{:WIDTH$} ", step.name);
        let _ = io::stdout().flush();
        let step_began = Instant::now();
        let outcome = (step.run)(workspace);
        let row = Row::new(step.name, &outcome, step_began.elapsed());
        println!("{}", row.ending());
        if let Err(Failure(account)) = &outcome {
            println!("\n{}\n", account.trim_end());
            stopped = !choice.keep_going;
        }
        rows.push(row);
    }
    let summary = Summary { rows: &rows, took: began.elapsed() };
    println!("\n{summary}");
    !rows.iter().any(|row| row.end == End::Failed)
}

const WIDTH: usize = 18;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Passed,
    Skipped,
    Failed,
    NotRun,
}

impl End {
    const fn word(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Skipped => "SKIPPED",
            Self::Failed => "FAILED",
            Self::NotRun => "not run",
        }
    }
}

struct Row {
    name: &'static str,
    end: End,
    took: Option<Duration>,
    note: String,
}

impl Row {
    fn new(name: &'static str, outcome: &Outcome, took: Duration) -> Self {
        let (end, note) = match outcome {
            Ok(Done::Passed(note)) => (End::Passed, note.clone()),
            Ok(Done::Skipped(reason)) => (End::Skipped, reason.clone()),
            Err(_) => (End::Failed, String::new()),
        };
        Self { name, end, took: Some(took), note }
    }

    fn ending(&self) -> String {
        let took = self.took.map(|took| format!("{:.1} s", took.as_secs_f64())).unwrap_or_default();
        format!("{:8} {took:>8}   {}", self.end.word(), self.note).trim_end().to_owned()
    }
}

struct Summary<'a> {
    rows: &'a [Row],
    took: Duration,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.rows {
            writeln!(f, "{:WIDTH$} {}", row.name, row.ending())?;
        }
        let count = |end| self.rows.iter().filter(|row| row.end == end).count();
        let (skipped, not_run) = (count(End::Skipped), count(End::NotRun));
        writeln!(f, "\n{:WIDTH$} {:>17.1} s", "all", self.took.as_secs_f64())?;
        if skipped + not_run > 0 {
            writeln!(f, "{skipped} skipped, {not_run} not run")?;
        }
        // The last line is for programs that read the run: these two numbers and nothing else.
        write!(f, "{} passed, {} failed", count(End::Passed), count(End::Failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, outcome: &Outcome) -> Row {
        Row::new(name, outcome, Duration::from_millis(1_540))
    }

    #[test]
    fn the_last_line_counts_what_ran() {
        let rows = [
            row("fmt", &Ok(Done::Passed(String::new()))),
            row("test", &Ok(Done::Passed("12 tests".to_owned()))),
            row("deny", &Ok(Done::Skipped("not installed".to_owned()))),
            row("docs", &Err(Failure("all of it".to_owned()))),
            Row { name: "ui", end: End::NotRun, took: None, note: String::new() },
        ];
        let text = Summary { rows: &rows, took: Duration::from_secs(3) }.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "test               ok          1.5 s   12 tests");
        assert_eq!(lines[4], "ui                 not run");
        assert_eq!(lines[lines.len() - 2], "1 skipped, 1 not run");
        assert_eq!(lines[lines.len() - 1], "2 passed, 1 failed");
    }
}
