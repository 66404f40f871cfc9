//! Reads what the quickstart prints, so that a run which ends well but caches nothing is a failure.

use crate::suite::{Done, Failure, Outcome};

/// The row of the report that asks for everything a second time.
const AGAIN: &str = "get_country, again";

/// The second pass must be answered by the cache alone.
pub(crate) fn cached(output: &str) -> Outcome {
    expect(
        output,
        |row| row.hits == row.calls && row.queries == 0,
        "every call must be a hit and no query made",
    )
}

/// The second pass must be answered by the database alone.
pub(crate) fn uncached(output: &str) -> Outcome {
    expect(output, |row| row.hits == 0 && row.queries == row.calls, "every call must make its query")
}

#[derive(Debug, PartialEq, Eq)]
struct Row {
    calls: usize,
    hits: usize,
    queries: usize,
}

impl Row {
    /// Calls, hits, joins and queries follow the words that name the row.
    fn find(output: &str) -> Option<Self> {
        let line = output.lines().find_map(|line| line.trim_start().strip_prefix(AGAIN))?;
        let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
        let (calls, hits, _joins, queries) =
            (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?);
        Some(Self { calls, hits, queries })
    }
}

fn expect(output: &str, holds: impl Fn(&Row) -> bool, rule: &str) -> Outcome {
    match Row::find(output) {
        Some(row) if holds(&row) => {
            Ok(Done::Passed(format!("{} calls again: {} hits, {} queries", row.calls, row.hits, row.queries)))
        }
        Some(_) => Err(Failure(format!("{output}\nin the row `{AGAIN}` {rule}"))),
        None => Err(Failure(format!("{output}\nthe report has no row `{AGAIN}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(numbers: &str) -> String {
        format!(
            "heading\n  get_country, first time  249 0 0 249 9 ms\n  {AGAIN}   {numbers}  0.4 ms  1.6 µs\n"
        )
    }

    #[test]
    fn a_cached_run_makes_no_query() {
        assert!(cached(&report("249    249      0       0")).is_ok());
        assert!(cached(&report("249    248      0       1")).is_err());
    }

    #[test]
    fn an_uncached_run_makes_every_query() {
        assert!(uncached(&report("249      0      0     249")).is_ok());
        assert!(uncached(&report("249    249      0       0")).is_err());
    }

    #[test]
    fn a_report_without_the_row_is_a_failure_that_shows_it() {
        let Err(Failure(account)) = cached("thread 'main' panicked") else { panic!("it passed") };
        assert!(account.starts_with("thread 'main' panicked"), "{account}");
    }
}
