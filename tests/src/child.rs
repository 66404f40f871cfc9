//! A process of its own: the test binary, run again for one of its ignored tests. It says what it has to say line by
//! line, is told line by line, and can be killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child as Process, ChildStdout, Command, ExitStatus, Stdio};

/// What a child is told when it begins, by an environment variable of this name.
const ORDERS: &str = "LARDER_CHILD";

/// A child, which is killed when this is dropped.
#[derive(Debug)]
pub struct Child {
    process: Process,
    said: BufReader<ChildStdout>,
}

impl Child {
    /// Runs the ignored test of this name.
    ///
    /// # Panics
    ///
    /// If there can be no process.
    #[must_use]
    pub fn start(test: &str, orders: &str) -> Self {
        let binary = std::env::current_exe().expect("this binary");
        let mut process = Command::new(binary)
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env(ORDERS, orders)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("another process");
        let said = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, said }
    }

    /// Waits until it has said `line`.
    ///
    /// # Panics
    ///
    /// If it ends before.
    pub fn await_line(&mut self, line: &str) {
        let mut said = String::new();
        // What the test runner says may stand before it on the same line.
        while !said.trim_end().ends_with(line) {
            said.clear();
            let read = self.said.read_line(&mut said).expect("a child that speaks");
            assert!(read > 0, "a child has ended before it said {line:?}");
        }
    }

    /// Tells it to go on.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn go(&mut self) {
        let told = self.process.stdin.as_mut().expect("a pipe").write_all(b"go\n");
        told.expect("a child that listens");
    }

    /// Kills it, with a signal that it does not hear of, and waits until it is gone.
    ///
    /// # Panics
    ///
    /// If it has ended by itself.
    pub fn kill(mut self) {
        assert_eq!(self.ended(), None, "there is nobody to kill");
        self.process.kill().expect("a signal");
        self.process.wait().expect("a child");
    }

    /// How it has ended, if it has.
    ///
    /// # Panics
    ///
    /// If the system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("a child")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What this process was told when it began; nothing if it is nobody's child.
#[must_use]
pub fn orders() -> Option<String> {
    std::env::var(ORDERS).ok()
}

/// Says `line`, and waits until this process may go on; false if nobody is there to let it.
pub async fn say_and_wait(line: &'static str) -> bool {
    println!("{line}");
    let told = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    matches!(told.await, Ok(Ok(1..)))
}
