//! The dashboard in a browser: gets a Chromium and what the tests need, and runs them against the example.
//! What cannot be got is no fault of the dashboard: then the step is skipped, and says what is missing.

use std::path::PathBuf;

use crate::install::{Not, Package, install};
use crate::process::{self, check};
use crate::suite::{Done, Failure, Outcome};
use crate::version::Version;
use crate::workspace::Workspace;

const CHROMIUM: Package = Package {
    apt: "chromium",
    dnf: "chromium",
    apk: "chromium",
    pacman: "chromium",
    brew: &["--cask", "chromium"],
};

/// The names under which a Chromium is on the PATH.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The Node that the tests need.
const OLDEST: Version = Version { major: 18, minor: 0, patch: 0 };

/// The folder of the tests.
const TESTS: &str = "tests/browser";

pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let mut node = workspace.command("node");
    node.arg("--version");
    let node = process::run(node).ok().filter(|ran| ran.ok).and_then(|ran| Version::find(&ran.output));
    if node.is_none_or(|version| version < OLDEST) || !process::exists("npm", &["--version"]) {
        return Ok(Done::skipped(format!(
            "node {} or newer and npm are needed; install them with your package manager",
            OLDEST.major
        )));
    }
    let chromium = match chromium().map_or_else(chromium_installed_now, Ok) {
        Ok(chromium) => chromium,
        Err(reason) => return Ok(Done::skipped(reason)),
    };
    let mut packages = workspace.command("npm");
    packages.args(["ci", "--prefix", TESTS, "--no-audit", "--no-fund"]);
    let packages = process::run(packages)?;
    if !packages.ok {
        let last = packages.output.lines().last().unwrap_or_default().to_owned();
        return Ok(Done::skipped(format!("npm could not install what {TESTS} needs: {last}")));
    }
    check(workspace.cargo(&["build", "--example", "dashboard", "--features", "full"]))?;
    let mut tests = workspace.command("node");
    tests
        .arg(format!("{TESTS}/node_modules/@playwright/test/cli.js"))
        .args(["test", "--config", TESTS])
        .env("LARDER_CHROMIUM", &chromium)
        .env("LARDER_DASHBOARD", workspace.target().join("debug/examples/dashboard"));
    let output = check(tests)?;
    match passed(&output) {
        Some(count) => Ok(Done::passed(format!("{count} tests"))),
        None => Err(Failure(format!("{output}\nno test ran"))),
    }
}

/// Where a Chromium is: the tests want to know it exactly.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places = PROGRAMS.iter().flat_map(|program| {
        std::env::split_paths(&path).map(|folder| folder.join(program)).collect::<Vec<_>>()
    });
    places
        .into_iter()
        .find(|place| place.to_str().is_some_and(|place| process::exists(place, &["--version"])))
}

fn chromium_installed_now() -> Result<PathBuf, String> {
    let account = match install(&CHROMIUM) {
        Ok(account) => account,
        Err(Not::Managed(managers)) => {
            return Err(format!("no Chromium is on the PATH, and none of {managers} to install it with"));
        }
        Err(Not::Allowed(typed)) => {
            return Err(format!("no Chromium is on the PATH, and no right to install it; run\n{typed}"));
        }
    };
    chromium().ok_or_else(|| {
        let last = account.lines().last().unwrap_or_default();
        format!("no Chromium is on the PATH, and it could not be installed: {last}")
    })
}

/// How many tests passed, by the last line that says so.
fn passed(output: &str) -> Option<u32> {
    output.lines().rev().find_map(|line| line.trim().split_once(" passed (")?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_passed_are_counted() {
        assert_eq!(passed("Running 12 tests\n[1/12] a test\n  12 passed (51.5s)\n"), Some(12));
        assert_eq!(passed("Error: No tests found\n"), None);
    }
}
