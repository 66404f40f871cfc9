//! Gets a `redis-server` onto the machine and runs one for a step.
//! A server is its owner's alone: a free loopback port, nothing on disk, gone when dropped.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::install::{Not, Package, install};
use crate::process;
use crate::suite::{Done, Failure, Outcome};
use crate::version::Version;

const OLDEST: Version = Version { major: 7, minor: 0, patch: 0 };

const SERVER: Package =
    Package { apt: "redis-server", dnf: "redis", apk: "redis", pacman: "redis", brew: &["redis"] };

/// Makes sure that a server of a version we support can be started, installing one where that is allowed.
pub(crate) fn ensure() -> Outcome {
    if let Some(version) = installed().filter(|version| *version >= OLDEST) {
        return Ok(Done::Passed(format!("redis-server {version}")));
    }
    let oldest = OLDEST.major;
    let mut account = match install(&SERVER) {
        Ok(account) => account,
        Err(Not::Managed(managers)) => {
            return Err(Failure(format!(
                "no redis-server {oldest} or newer, and none of these to install it with: {managers}\n\
                 put redis-server on the PATH and run this again"
            )));
        }
        Err(Not::Allowed(typed)) => {
            return Err(Failure(format!(
                "no redis-server {oldest} or newer, and no right to install one; run this, then try again:\n{typed}"
            )));
        }
    };
    match installed() {
        Some(version) if version >= OLDEST => {
            Ok(Done::Passed(format!("redis-server {version}, installed now")))
        }
        found => {
            let found = found.map_or_else(|| "none".to_owned(), |version| version.to_string());
            let _ = write!(account, "\nthat gave us {found}, and {oldest} or newer is needed");
            Err(Failure(account))
        }
    }
}

fn installed() -> Option<Version> {
    let mut command = Command::new("redis-server");
    command.arg("--version");
    let ran = process::run(command).ok().filter(|ran| ran.ok)?;
    Version::find(&ran.output)
}

/// A server that is running and answers.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts a server and returns when it answers.
    pub(crate) fn start() -> Result<Self, Failure> {
        // Between asking for a free port and taking it, somebody else may take it.
        for _ in 0..5 {
            if let Some(server) = Self::start_on(free_port()?)? {
                return Ok(server);
            }
        }
        Err(Failure("redis-server did not come up on any of five free ports".to_owned()))
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn start_on(port: u16) -> io::Result<Option<Self>> {
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Self { process, port };
        for _ in 0..200 {
            if server.process.try_wait()?.is_some() {
                return Ok(None);
            }
            if server.answers() {
                return Ok(Some(server));
            }
            thread::sleep(Duration::from_millis(25));
        }
        Ok(None)
    }

    fn answers(&self) -> bool {
        let ask = || -> io::Result<bool> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"PING\r\n")?;
            let mut reply = [0; 7];
            stream.read_exact(&mut reply)?;
            Ok(&reply == b"+PONG\r\n")
        };
        ask().unwrap_or(false)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the server is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A loopback port that nobody listens on.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
