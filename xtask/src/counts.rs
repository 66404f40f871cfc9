//! How many tests ran, read from what test runners print.

use std::ops::AddAssign;

/// Tests of one or more test binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) ignored: usize,
}

impl Counts {
    /// Adds up every result line in `output`, of the standard harness and of nextest alike.
    pub(crate) fn read(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines().map(str::trim) {
            if line.starts_with("test result:") {
                sum += Self { passed: before(line, "passed"), ignored: before(line, "ignored") };
            } else if line.starts_with("Summary [") {
                sum += Self { passed: before(line, "passed"), ignored: before(line, "skipped") };
            }
        }
        sum
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.ignored += other.ignored;
    }
}

/// The number in front of `word`, or zero.
fn before(line: &str, word: &str) -> usize {
    let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_added_up() {
        let output = "\
running 3 tests
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s
";
        assert_eq!(Counts::read(output), Counts { passed: 42, ignored: 1 });
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        let output = "     Summary [   1.204s] 120 tests run: 120 passed (2 slow), 3 skipped\n";
        assert_eq!(Counts::read(output), Counts { passed: 120, ignored: 3 });
    }

    #[test]
    fn output_without_results_counts_nothing() {
        assert_eq!(Counts::read("error: could not compile"), Counts::default());
    }
}
