//! Runs a command with its output kept instead of shown.
//! Nothing here knows what is run.

use std::borrow::Cow;
use std::io::{self, Read};
use std::iter;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::suite::Failure;

/// A command that ran to its end: whether it succeeded, and both of its streams in the order written.
pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) output: String,
}

/// Runs `command` to its end.
pub(crate) fn run(mut command: Command) -> Result<Ran, Failure> {
    let line = shown(&command);
    let began = |error: io::Error| Failure(format!("$ {line}\ncannot run this command: {error}"));
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().map_err(began)?;
    // `command` holds our ends of the pipe, which would keep the reader waiting.
    drop(command);
    let kept = Arc::new(Mutex::new(Vec::new()));
    let reading = thread::spawn({
        let kept = Arc::clone(&kept);
        move || keep(reader, &kept)
    });
    let status = child.wait()?;
    // A process left behind by the command keeps the pipe open; it must not keep the suite waiting.
    for _ in 0..100 {
        if reading.is_finished() {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Ran { ok: status.success(), output: format!("$ {line}\n{}", String::from_utf8_lossy(&kept)) })
}

/// Runs `command` and returns its output; an unsuccessful end is a failure with all of the output.
pub(crate) fn check(command: Command) -> Result<String, Failure> {
    let ran = run(command)?;
    if ran.ok { Ok(ran.output) } else { Err(Failure(ran.output)) }
}

/// Whether `program` can be started at all, asked by running it with `arguments` and ignoring what it says.
pub(crate) fn exists(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments);
    run(command).is_ok_and(|ran| ran.ok)
}

fn keep(mut reader: io::PipeReader, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = reader.read(&mut buffer) {
        kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..read]);
    }
}

/// The command as it would be typed, without the folder that its program lies in.
fn shown(command: &Command) -> String {
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_string_lossy(), value?.to_string_lossy())));
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let words = iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy());
    let words = set.map(|(name, value)| Cow::Owned(format!("{name}={value}"))).chain(words);
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings").env_remove("REDIS_URL");
        assert_eq!(shown(&command), "RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps");
    }

    #[test]
    fn a_missing_program_is_a_failure_that_names_it() {
        let Err(Failure(account)) = run(Command::new("no-such-program-of-ours")) else { panic!("it ran") };
        assert!(account.starts_with("$ no-such-program-of-ours\ncannot run this command"), "{account}");
    }
}
