//! The project's own commands, run as `cargo xtask <command>`.
//! Here: the command line. What is checked is in `steps`, how it is run and reported in `suite`.

mod browser;
mod claims;
mod counts;
mod house;
mod install;
mod postgres;
mod process;
mod redis;
mod report;
mod steps;
mod suite;
mod tree;
mod version;
mod workspace;

use std::process::ExitCode;

use crate::suite::Choice;
use crate::workspace::Workspace;

const HELP: &str = "\
cargo xtask test [--only <step>[,<step>…]] [--keep-going] [--list]

  runs every check of the project, the same on any machine

  --only <step>   run only these steps, in the suite's order
  --keep-going    go on after a failed step
  --list          print the steps and what each one checks
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Request::parse(&arguments) {
        Ok(Request::Help) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Request::List) => {
            suite::list(steps::ALL);
            ExitCode::SUCCESS
        }
        Ok(Request::Test(choice)) => {
            if suite::run(steps::ALL, &choice, &Workspace::here()) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(mistake) => {
            eprintln!("{mistake}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Help,
    List,
    Test(Choice),
}

impl Request {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut arguments = arguments.iter().map(String::as_str);
        match arguments.next() {
            None | Some("help" | "--help" | "-h") => return Ok(Self::Help),
            Some("test") => {}
            Some(other) => return Err(format!("unknown command `{other}`: the only one is `test`")),
        }
        let mut choice = Choice::default();
        while let Some(argument) = arguments.next() {
            match argument {
                "--list" => return Ok(Self::List),
                "--help" | "-h" => return Ok(Self::Help),
                "--keep-going" => choice.keep_going = true,
                "--only" => {
                    let names = arguments.next().ok_or("`--only` needs the name of a step")?;
                    for name in names.split(',') {
                        let step = steps::ALL.iter().find(|step| step.name == name);
                        let step = step.ok_or(format!("unknown step `{name}`: see `--list`"))?;
                        choice.only.push(step.name);
                    }
                }
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        Ok(Self::Test(choice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Request::parse(&arguments)
    }

    #[test]
    fn a_bare_call_asks_for_help() {
        assert_eq!(parse(""), Ok(Request::Help));
        assert_eq!(parse("test --help"), Ok(Request::Help));
    }

    #[test]
    fn steps_are_chosen_by_name() {
        let expected = Choice { only: vec!["fmt", "docs", "clippy"], keep_going: true };
        assert_eq!(parse("test --only fmt,docs --keep-going --only clippy"), Ok(Request::Test(expected)));
        assert_eq!(parse("test --list"), Ok(Request::List));
    }

    #[test]
    fn a_mistake_quotes_what_was_typed() {
        assert_eq!(parse("tset").unwrap_err(), "unknown command `tset`: the only one is `test`");
        assert_eq!(parse("test --only fnt").unwrap_err(), "unknown step `fnt`: see `--list`");
        assert_eq!(parse("test --only").unwrap_err(), "`--only` needs the name of a step");
        assert_eq!(parse("test --fast").unwrap_err(), "unknown option `--fast`");
    }
}
