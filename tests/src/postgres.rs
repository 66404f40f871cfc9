//! Real PostgreSQL servers on free loopback ports, each with a folder of its own, ended with the test that started it.
//! What is asked of them is the tests' business.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::redis::{free_port, random};

mod programs;

/// A PostgreSQL of one test, with nothing in it.
///
/// It takes about a second to make: a test that needs several databases makes them on one server, with
/// [`database`](Self::database).
#[derive(Debug)]
pub struct Server {
    port: u16,
    programs: PathBuf,
    keeper: Child,
}

// The server ends with its keeper, and the keeper with the pipe to it: no test leaves a server or its files behind, not even
// a test that is killed. SIGQUIT does not wait for clients, and unlike SIGKILL it leaves no shared memory; a server
// that has just begun does not hear it yet.
// Nothing here has to survive a loss of power, and many servers share a machine.
const KEEPER: &str = r#"
trap '' HUP INT TERM
if "$0/initdb" --pgdata "$1/data" --username "$3" --auth trust --encoding UTF8 --locale C --wal-segsize 1 --no-sync
then "$0/postgres" -D "$1/data" -h 127.0.0.1 -p "$2" -k "$1" -F \
    -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=16MB &
fi >"$1/log" 2>&1
read -r _
while kill -QUIT $! 2>/dev/null; do sleep 0.02; done
rm -rf "$1""#;

const PATIENCE: Duration = Duration::from_secs(30);

/// Who administers the server; it asks for no password.
const USER: &str = "postgres";

impl Server {
    /// An empty server.
    ///
    /// # Panics
    ///
    /// If PostgreSQL is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        let programs = programs::folder().expect("install PostgreSQL: initdb, postgres and psql");
        for _ in 0..5 {
            if let Some(server) = Self::start_on(free_port(), &programs) {
                return server;
            }
        }
        panic!("PostgreSQL found no free port");
    }

    /// The URL of the database that every server has.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database; its URL.
    ///
    /// # Panics
    ///
    /// If there is one of that name.
    #[must_use]
    pub fn database(&self, name: &str) -> String {
        self.tell(&format!("CREATE DATABASE {name}"));
        self.url_of(name)
    }

    /// What the administrator is answered, past everything that is under test: a line for each row, with `|` between the
    /// columns.
    ///
    /// # Panics
    ///
    /// If the server refuses.
    #[expect(clippy::must_use_candidate, reason = "what was done matters more often than the answer")]
    pub fn tell(&self, sql: &str) -> String {
        let asked = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set", "ON_ERROR_STOP=1"])
            .args(["--dbname", &self.url(), "--command", sql])
            .output()
            .expect("psql runs");
        assert!(asked.status.success(), "{sql}: {}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8(asked.stdout).expect("text").trim_end().to_owned()
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes a server; nothing if the port is taken.
    fn start_on(port: u16, programs: &Path) -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("larder-postgres-{:016x}", random()));
        fs::create_dir(&folder).expect("a folder for the server");
        let mut keeper = Owner::of(&folder).command("sh");
        keeper.args(["-c", KEEPER]).arg(programs).arg(&folder).args([&port.to_string(), USER]);
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a shell");
        let server = Self { port, programs: programs.to_owned(), keeper };
        let start = Instant::now();
        loop {
            let said = fs::read_to_string(folder.join("log")).unwrap_or_default();
            if said.contains("database system is ready to accept connections") {
                return Some(server);
            }
            if said.contains("could not create any TCP/IP sockets") {
                return None;
            }
            assert!(!said.contains("initdb: error"), "{said}");
            assert!(start.elapsed() < PATIENCE, "PostgreSQL did not start; it said: {said}");
            // Bounded polling: the server tells nobody that it is ready, but for its log.
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Who a server runs as: whoever runs the test, or where that is root, as whom PostgreSQL refuses to run, somebody who may
/// do nothing.
#[derive(Clone, Copy, Debug)]
struct Owner(Option<(u32, u32)>);

impl Owner {
    /// Gives `folder` to whom the server will run as.
    fn of(folder: &Path) -> Self {
        if fs::metadata(folder).expect("the server's folder").uid() != 0 {
            return Self(None);
        }
        let users = fs::read_to_string("/etc/passwd").expect("the users of this machine");
        let ids = ids_of("postgres", &users).or_else(|| ids_of("nobody", &users));
        let (user, group) = ids.expect("a user `postgres` or `nobody`: PostgreSQL does not run as root");
        chown(folder, Some(user), Some(group)).expect("root may give a folder away");
        Self(Some((user, group)))
    }

    fn command(self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Self(Some((user, group))) = self {
            // The folder that root is in may be closed to others.
            command.uid(user).gid(group).current_dir("/");
        }
        // The words that are looked for in the log.
        command.env("LC_ALL", "C");
        command
    }
}

/// The numbers of the user `name` and its group, in the lines of `/etc/passwd`.
fn ids_of(name: &str, users: &str) -> Option<(u32, u32)> {
    let mut user = users.lines().map(|line| line.split(':')).find_map(|mut fields| {
        // After the name comes what used to be the password.
        (fields.next() == Some(name)).then(|| fields.skip(1))
    })?;
    Some((user.next()?.parse().ok()?, user.next()?.parse().ok()?))
}
