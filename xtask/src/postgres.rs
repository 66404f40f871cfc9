//! Gets PostgreSQL onto the machine. Only its programs are used: the tests start servers of their own.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::install::{Not, Package, install};
use crate::process;
use crate::suite::{Done, Failure, Outcome};
use crate::version::Version;

#[path = "../../tests/src/postgres/programs.rs"]
mod programs;

const OLDEST: Version = Version { major: 13, minor: 0, patch: 0 };

const SERVER: Package = Package {
    apt: "postgresql",
    dnf: "postgresql-server",
    apk: "postgresql",
    pacman: "postgresql",
    brew: &["postgresql@17"],
};

/// Makes sure that a server of a version we test with can be started, installing one where that is allowed.
pub(crate) fn ensure() -> Outcome {
    if let Some((version, folder)) = installed().filter(|(version, _)| *version >= OLDEST) {
        return Ok(Done::Passed(format!("PostgreSQL {version} in {}", folder.display())));
    }
    let oldest = OLDEST.major;
    let mut account = match install(&SERVER) {
        Ok(account) => account,
        Err(Not::Managed(managers)) => {
            return Err(Failure(format!(
                "no PostgreSQL {oldest} or newer, and none of these to install it with: {managers}\n\
                 put initdb, postgres and psql on the PATH and run this again"
            )));
        }
        Err(Not::Allowed(typed)) => {
            return Err(Failure(format!(
                "no PostgreSQL {oldest} or newer, and no right to install one; run this, then try again:\n{typed}"
            )));
        }
    };
    match installed() {
        Some((version, _)) if version >= OLDEST => {
            Ok(Done::Passed(format!("PostgreSQL {version}, installed now")))
        }
        found => {
            let found = found.map_or_else(|| "none".to_owned(), |(version, _)| version.to_string());
            let _ = write!(account, "\nthat gave us {found}, and {oldest} or newer is needed");
            Err(Failure(account))
        }
    }
}

fn installed() -> Option<(Version, PathBuf)> {
    let folder = programs::folder()?;
    let mut command = Command::new(folder.join("postgres"));
    command.arg("--version");
    let ran = process::run(command).ok().filter(|ran| ran.ok)?;
    Some((Version::find(&ran.output)?, folder))
}
