//! Installs what a step needs with the package manager of the machine, where that is allowed without a password.
//! Whether it is needed, and whether it worked, is the step's business.

use std::process::Command;

use crate::process;

/// What a program is called in each of the package managers.
pub(crate) struct Package {
    pub(crate) apt: &'static str,
    pub(crate) dnf: &'static str,
    pub(crate) apk: &'static str,
    pub(crate) pacman: &'static str,
    pub(crate) brew: &'static [&'static str],
}

/// Why nothing was installed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Not {
    /// None of the package managers is here; their names.
    Managed(String),
    /// It would ask for a password; what a person would type.
    Allowed(String),
}

/// Installs `package`; what the package manager said. Whether it worked is seen by what is there afterwards: an index that
/// could not be refreshed may do.
pub(crate) fn install(package: &Package) -> Result<String, Not> {
    let Some(manager) = MANAGERS.iter().find(|manager| process::exists(manager.program, &["--version"]))
    else {
        return Err(Not::Managed(MANAGERS.map(|manager| manager.program).join(", ")));
    };
    let Some(prefix) = privilege(manager) else { return Err(Not::Allowed(manager.typed(package))) };
    let mut account = String::new();
    for step in manager.steps(package) {
        let words: Vec<&str> = prefix.iter().copied().chain([manager.program]).chain(step).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive");
        match process::run(command) {
            Ok(ran) => account.push_str(&ran.output),
            Err(failure) => account.push_str(&failure.0),
        }
    }
    Ok(account)
}

struct Manager {
    program: &'static str,
    needs_root: bool,
    /// What is done first.
    refresh: Option<&'static str>,
    install: &'static [&'static str],
    names: fn(&Package) -> Vec<&'static str>,
}

const MANAGERS: [Manager; 5] = [
    Manager {
        program: "apt-get",
        needs_root: true,
        refresh: Some("update"),
        install: &["install", "--yes"],
        names: |package| vec![package.apt],
    },
    Manager {
        program: "dnf",
        needs_root: true,
        refresh: None,
        install: &["install", "--assumeyes"],
        names: |package| vec![package.dnf],
    },
    Manager {
        program: "apk",
        needs_root: true,
        refresh: None,
        install: &["add"],
        names: |package| vec![package.apk],
    },
    Manager {
        program: "pacman",
        needs_root: true,
        refresh: None,
        install: &["--sync", "--refresh", "--noconfirm"],
        names: |package| vec![package.pacman],
    },
    Manager {
        program: "brew",
        needs_root: false,
        refresh: None,
        install: &["install"],
        names: |package| package.brew.to_vec(),
    },
];

impl Manager {
    fn steps(&self, package: &Package) -> Vec<Vec<&'static str>> {
        let install = self.install.iter().copied().chain((self.names)(package)).collect();
        self.refresh.map(|refresh| vec![refresh]).into_iter().chain([install]).collect()
    }

    /// What a person would type for it.
    fn typed(&self, package: &Package) -> String {
        let sudo = if self.needs_root { "sudo " } else { "" };
        let lines = self.steps(package).into_iter();
        let lines = lines.map(|step| format!("  {sudo}{} {}", self.program, step.join(" ")));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The words to put in front of an installation, or nothing if it would ask for a password.
fn privilege(manager: &Manager) -> Option<&'static [&'static str]> {
    let mut id = Command::new("id");
    id.arg("-u");
    let root = process::run(id).is_ok_and(|ran| ran.output.lines().last() == Some("0"));
    if root || !manager.needs_root {
        Some(&[])
    } else if process::exists("sudo", &["-n", "true"]) {
        Some(&["sudo", "-n"])
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_spelt_out_for_who_must_run_it() {
        let server =
            Package { apt: "redis-server", dnf: "redis", apk: "redis", pacman: "redis", brew: &["redis"] };
        assert_eq!(
            MANAGERS[0].typed(&server),
            "  sudo apt-get update\n  sudo apt-get install --yes redis-server"
        );
        assert_eq!(MANAGERS[4].typed(&server), "  brew install redis");
    }
}
