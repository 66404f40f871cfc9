//! The rules of the house that no compiler knows, checked over the files under version control.
//! Each rule is a pure function of a file's path and text.

use std::path::Path;

/// The longest a source file may be, in lines.
const LONGEST: usize = 600;

/// Folders that only one machine has. Written in two halves so that this file keeps its own rule.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("C:", "\\"),
];

/// Everything that is wrong with one file, one sentence each.
pub(crate) fn faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if is_source(path) {
        faults.extend(opening(text));
        faults.extend(length(text));
    }
    faults.extend(machine(text));
    faults.iter().map(|fault| format!("{path}{fault}")).collect()
}

/// UI fixtures are programs of imaginary users: their text is the test.
fn is_source(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs") && !path.contains("/ui/")
}

fn opening(text: &str) -> Option<String> {
    let purpose = text.lines().find(|line| !line.is_empty()).is_some_and(|line| line.starts_with("//!"));
    let facade = text.starts_with("#![doc = include_str!");
    let fault = ": does not open with `//!` lines that say what lives here and what never does";
    (!purpose && !facade).then(|| fault.to_owned())
}

fn length(text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LONGEST).then(|| format!(": {lines} lines, and {LONGEST} are the limit; split it by concept"))
}

fn machine(text: &str) -> Vec<String> {
    let found = text.lines().enumerate().filter_map(|(line, text)| {
        let path = MACHINE_PATHS.iter().find(|path| text.contains(*path))?;
        Some(format!(":{}: names `{path}`, a folder of somebody's machine", line + 1))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_keeps_the_rules_has_no_faults() {
        assert!(faults("src/key.rs", "//! What a key is.\n\nstruct Key;\n").is_empty());
        assert!(faults("src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n").is_empty());
        assert!(faults("tests/ui/cached/fail/braces.rs", "fn main() {}\n").is_empty());
    }

    #[test]
    fn a_file_says_what_lives_in_it() {
        let found = faults("src/key.rs", "struct Key;\n");
        assert!(found[0].starts_with("src/key.rs: does not open with"), "{found:?}");
    }

    #[test]
    fn a_file_stays_short() {
        let text = format!("//! Long.\n{}", "// line\n".repeat(LONGEST));
        assert_eq!(faults("a.rs", &text), ["a.rs: 601 lines, and 600 are the limit; split it by concept"]);
    }

    #[test]
    fn no_file_names_a_machine() {
        let text = format!("all: \n\tcd {}me/larder\n", MACHINE_PATHS[0]);
        let found = faults("Makefile", &text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("Makefile:2: names"), "{found:?}");
    }
}
