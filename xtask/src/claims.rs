//! What `docs/features.md` claims: the last cell of each row of its tables names the tests that prove it.
//! Whether a test passes is seen where it runs; here, that it is there and does run.

/// How many rows there are and how many tests they name, or everything that is wrong, one sentence each.
/// `read` gives the text of a file of the project.
pub(crate) fn check(text: &str, read: impl Fn(&str) -> Option<String>) -> Result<Claims, Vec<String>> {
    let mut claims = Claims::default();
    let mut faults = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let next = lines.get(number + 1).copied().unwrap_or_default();
        if !line.starts_with('|') || is_rule(line) || is_rule(next) {
            continue;
        }
        claims.rows += 1;
        let proofs = proofs(line);
        claims.tests += proofs.len();
        if proofs.is_empty() {
            faults.push(format!("line {}: no test in the last cell of `{line}`", number + 1));
        }
        let wrong = proofs.iter().filter_map(|proof| fault(proof, &read));
        faults.extend(wrong.map(|fault| format!("line {}: {fault}", number + 1)));
    }
    if claims.rows == 0 {
        faults.push("no row of any table".to_owned());
    }
    if faults.is_empty() { Ok(claims) } else { Err(faults) }
}

/// What is claimed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) rows: usize,
    pub(crate) tests: usize,
}

/// The line under the head of a table.
fn is_rule(line: &str) -> bool {
    line.starts_with('|') && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

/// What stands between backticks in the last cell.
fn proofs(row: &str) -> Vec<&str> {
    let cell = row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    cell.split('`').skip(1).step_by(2).collect()
}

fn fault(proof: &str, read: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let (path, name) = match proof.split_once("::") {
        Some((path, name)) => (path, Some(name)),
        None => (proof, None),
    };
    let Some(text) = read(path) else { return Some(format!("`{path}` is not there")) };
    match name {
        // The programs that must compile, or must not, are tests as whole files.
        None if path.starts_with("tests/ui/") => None,
        None => Some(format!("`{proof}` names no test: write `{path}::<test>`")),
        Some(name) if is_made(&text, name) => None,
        Some(name) => match attributes(&text, name) {
            None => Some(format!("`{path}` has no function `{name}`")),
            Some(found) if !found.contains("test") => Some(format!("`{name}` in `{path}` is no test")),
            Some(found) if found.contains("ignore") => Some(format!("`{name}` in `{path}` is ignored")),
            Some(_) => None,
        },
    }
}

/// Whether `name` is an argument of a macro of the file that makes tests: a story for several stores.
fn is_made(text: &str, name: &str) -> bool {
    let makers = text.split("macro_rules! ").skip(1).filter(|rest| {
        let lines: Vec<&str> = rest.lines().take_while(|line| *line != "}").collect();
        lines
            .windows(2)
            .any(|two| two[0].contains("#[") && two[0].contains("test") && two[1].contains("fn $"))
    });
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    makers.filter_map(|rest| rest.split_once(' ')).any(|(maker, _)| {
        let call = format!("\n{maker}! {{");
        let mut arguments = text.split(&call).skip(1).filter_map(|call| call.split("\n}").next());
        arguments.any(|arguments| arguments.split(|c| !is_word(c)).any(|word| word == name))
    })
}

/// The attributes of the function `name`, one after the other.
fn attributes(text: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let is_it = |line: &&str| {
        let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        rest.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    let place = lines.iter().position(is_it)?;
    let above = lines.get(..place)?.iter().rev();
    let above = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    Some(above.filter(|line| line.starts_with("#[")).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "#[test]\nfn it_wins() {}\n\n#[tokio::test(start_paused = true)]\n// why\nasync fn it_waits() {}\n\n\
                        fn it() {}\n\n#[test]\n#[ignore = \"a child\"]\nfn it_dies() {}\n";

    fn checked(rows: &str) -> Result<Claims, Vec<String>> {
        check(&format!("# All\n\n| a | proof |\n|---|---|\n{rows}\n"), |path| {
            ["a.rs", "tests/ui/pass/b.rs"].contains(&path).then(|| FILE.to_owned())
        })
    }

    #[test]
    fn tests_that_are_there_are_proof() {
        let rows = "| wins | `a.rs::it_wins`, `a.rs::it_waits` |\n| compiles \\| | `tests/ui/pass/b.rs` |";
        assert_eq!(checked(rows), Ok(Claims { rows: 2, tests: 3 }));
    }

    #[test]
    fn a_story_that_a_macro_makes_tests_of_is_proof() {
        let text = "async fn told(on: Backend) { other(on) }\n\nmacro_rules! on_all {\n    ($($story:ident),*) => {\n        \
                    $(#[tokio::test]\n        async fn $story() {})*\n    };\n}\n\non_all! {\n    told,\n    short\n}\n";
        let claim = |name| {
            let row = format!("| a | proof |\n|---|---|\n| told | `a.rs::{name}` |");
            check(&row, |_| Some(text.to_owned())).is_ok()
        };
        assert!(claim("told") && claim("short"));
        assert!(!claim("other") && !claim("story") && !claim("tol") && !claim("on_all") && !claim("Backend"));
    }

    #[test]
    fn what_is_not_there_or_does_not_run_is_none() {
        let faults = |row| checked(row).unwrap_err();
        assert_eq!(faults("| wins | soon |"), ["line 5: no test in the last cell of `| wins | soon |`"]);
        assert_eq!(faults("| wins | `b.rs::it_wins` |"), ["line 5: `b.rs` is not there"]);
        assert_eq!(faults("| wins | `a.rs::it_win` |"), ["line 5: `a.rs` has no function `it_win`"]);
        assert_eq!(faults("| wins | `a.rs::it` |"), ["line 5: `it` in `a.rs` is no test"]);
        assert_eq!(faults("| wins | `a.rs::it_dies` |"), ["line 5: `it_dies` in `a.rs` is ignored"]);
        assert_eq!(faults("| wins | `a.rs` |"), ["line 5: `a.rs` names no test: write `a.rs::<test>`"]);
        assert_eq!(check("no table", |_| None), Err(vec!["no row of any table".to_owned()]));
    }
}
