//! Real Redis servers on free loopback ports, each ended with the test that started it.
//! What is asked of them is the tests' business. `LARDER_REDIS_SERVER` names another program than `redis-server`, such as
//! `valkey-server`.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use larder::Redis;
use redis::{Client, Cmd, Connection, FromRedisValue};

use crate::secrets;

/// A `redis-server` of one test.
#[derive(Debug)]
pub struct Server {
    port: u16,
    /// Where the nodes of a cluster talk to each other, if it is one.
    bus: u16,
    folder: PathBuf,
    options: Vec<String>,
    /// What makes it a sentinel, if it is one.
    watches: Option<String>,
    running: Option<Running>,
}

/// The server's process, and the shell that ends it when this process is gone.
#[derive(Debug)]
struct Running {
    keeper: Child,
    process: u32,
}

// The server ends with its keeper, and the keeper with the pipe to it: no test leaves a server behind,
// not even one that is killed.
const KEEPER: &str = r#""$0" "$@" >/dev/null 2>&1 & echo $!; read -r _; kill -9 $! 2>/dev/null; wait"#;

const PATIENCE: Duration = Duration::from_secs(10);

impl Server {
    /// An empty server that saves nothing.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with further options, as on its command line.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed or does not start.
    #[must_use]
    pub fn start_with(options: &[&str]) -> Self {
        Self::start_as(options, None)
    }

    /// A sentinel that watches `primary` under the name `shop`, and replaces it if two sentinels miss it.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed or does not start.
    #[must_use]
    pub fn start_sentinel(primary: &Self) -> Self {
        Self::start_sentinel_with(primary.port, "", &[])
    }

    /// A sentinel that watches the server at `port` under the name `shop`, with further lines of configuration and
    /// further options.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed or does not start.
    #[must_use]
    pub fn start_sentinel_with(port: u16, lines: &str, options: &[&str]) -> Self {
        let watches = format!(
            "sentinel monitor shop 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds shop 500\n\
             sentinel failover-timeout shop 2000\n{lines}"
        );
        Self::start_as(options, Some(watches))
    }

    fn start_as(options: &[&str], watches: Option<String>) -> Self {
        secrets::watch();
        let version = Command::new(program()).arg("--version").stdout(Stdio::null()).status();
        assert!(version.is_ok_and(|status| status.success()), "install {}, version 7 or later", program());
        let folder = std::env::temp_dir().join(format!("larder-{:016x}", random()));
        fs::create_dir(&folder).expect("a folder for the server");
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { port: 0, bus: 0, folder, options, watches, running: None };
        for _ in 0..20 {
            (server.port, server.bus) = (free_port(), free_port());
            if server.run() {
                return server;
            }
        }
        panic!("redis-server found no free port");
    }

    /// A server that writes down everything it is told before it answers, so that a kill loses nothing.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed or does not start.
    #[must_use]
    pub fn start_durable() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port on 127.0.0.1 where the other nodes of its cluster reach it.
    #[must_use]
    pub fn bus(&self) -> u16 {
        self.bus
    }

    /// The URL, without user and password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The URL with `login`, which is `user:password` or `:password`.
    #[must_use]
    pub fn url_with(&self, login: &str) -> String {
        format!("redis://{login}@127.0.0.1:{}", self.port)
    }

    /// The path of the server's unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Kills the process, as `kill -9` does.
    ///
    /// # Panics
    ///
    /// If it cannot be killed.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.end();
        }
    }

    /// Starts the server again on its port, with what it had written down before it was killed.
    ///
    /// # Panics
    ///
    /// If something else has taken the port.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.run(), "port {} is taken", self.port);
    }

    /// Starts the server again on its port, with nothing.
    ///
    /// # Panics
    ///
    /// If something else has taken the port.
    pub fn restart_empty(&mut self) {
        self.kill();
        fs::remove_dir_all(&self.folder).expect("the server's folder");
        fs::create_dir(&self.folder).expect("the server's folder");
        self.restart();
    }

    /// Lets the process stand still: its connections stay open, and nothing is answered.
    ///
    /// # Panics
    ///
    /// If it is not running.
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets the process go on.
    ///
    /// # Panics
    ///
    /// If it is not running.
    pub fn cont(&self) {
        self.signal("-CONT");
    }

    /// Asks the server as an administrator does, past everything that is under test.
    ///
    /// # Panics
    ///
    /// If it refuses, or answers with something else.
    #[expect(clippy::must_use_candidate, reason = "what was done matters more often than the answer")]
    pub fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query(&mut self.connection().expect("a connection to the server")).expect("an answer")
    }

    /// As [`ask`](Self::ask), for commands made of words.
    ///
    /// # Panics
    ///
    /// If it refuses, or answers with something else.
    #[expect(clippy::must_use_candidate, reason = "what was done matters more often than the answer")]
    pub fn tell<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = Cmd::new();
        command.arg(words);
        self.ask(&command)
    }

    /// How often the server has answered with the error `code` since it started.
    ///
    /// # Panics
    ///
    /// If it is not running.
    #[must_use]
    pub fn errors(&self, code: &str) -> u64 {
        let errors: String = self.tell(&["INFO", "errorstats"]);
        let of_these = errors
            .lines()
            .find_map(|line| line.strip_prefix("errorstat_")?.strip_prefix(code)?.strip_prefix(":count="));
        of_these.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    fn connection(&self) -> redis::RedisResult<Connection> {
        let password = self.options.iter().skip_while(|option| *option != "--requirepass").nth(1);
        let url = password.map_or_else(|| self.url(), |password| self.url_with(&format!(":{password}")));
        let connection = Client::open(url)?.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    /// A sentinel writes what it learns into the file that it was started with.
    fn sentinel_arguments(&self) -> Vec<String> {
        let Some(watches) = &self.watches else { return Vec::new() };
        let file = self.folder.join("sentinel.conf");
        fs::write(&file, watches).expect("the server's folder");
        vec![file.to_str().expect("a path in UTF-8").to_owned(), "--sentinel".to_owned()]
    }

    /// Left to itself a primary lets a replica wait for five seconds, in case there is another.
    fn replication_arguments(&self) -> &'static [&'static str] {
        if self.watches.is_some() { &[] } else { &["--repl-diskless-sync-delay", "0"] }
    }

    /// Left to itself a node takes a port of those that the system gives to outgoing connections.
    fn bus_arguments(&self) -> Vec<String> {
        let in_cluster = self.options.iter().any(|option| option == "--cluster-enabled");
        if in_cluster { vec!["--cluster-port".to_owned(), self.bus.to_string()] } else { Vec::new() }
    }

    fn signal(&self, signal: &str) {
        let running = self.running.as_ref().expect("a running server");
        send_signal(signal, running.process);
    }

    /// Starts the process; false if its port is taken.
    fn run(&mut self) -> bool {
        let log = self.folder.join("log");
        let _ = fs::remove_file(&log);
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, &program()])
            .args(self.sentinel_arguments())
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""])
            .args(["--dir", &text(&self.folder), "--logfile", &text(&log), "--enable-debug-command", "yes"])
            .args(["--unixsocket", &text(&self.socket())])
            .args(self.replication_arguments())
            .args(&self.options)
            .args(self.bus_arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("a pipe")).read_line(&mut line).expect("a process id");
        let running = Running { keeper, process: line.trim().parse().expect("a process id") };
        let start = Instant::now();
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("Ready to accept connections") || said.contains("Sentinel ID is") {
                self.running = Some(running);
                return true;
            }
            if said.contains("Failed listening on port") {
                running.end();
                return false;
            }
            if start.elapsed() > PATIENCE {
                running.end();
                panic!("redis-server did not start; it said: {said}");
            }
            // Bounded polling: the server tells nobody that it is ready, but for its log.
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A store on the server at `url` that waits far longer than a busy machine needs: for tests that are not
/// about deadlines.
///
/// # Panics
///
/// If the URL is malformed.
#[must_use]
pub fn patient(url: impl AsRef<str>) -> Redis {
    let builder = Redis::builder().url(url);
    let builder = builder.read_deadline(PATIENCE).write_deadline(PATIENCE).invalidate_deadline(PATIENCE);
    builder.build().expect("a URL")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
        if !thread::panicking() {
            secrets::assert_kept();
        }
    }
}

impl Running {
    fn end(mut self) {
        send_signal("-KILL", self.process);
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// What is started as a server.
fn program() -> String {
    std::env::var("LARDER_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// Sends a signal to one process of ours.
fn send_signal(signal: &str, process: u32) {
    let _ = Command::new("kill").args([signal, &process.to_string()]).stderr(Stdio::null()).status();
}

/// A port below those that the system gives to outgoing connections: it stays free while a server restarts.
#[must_use]
pub fn free_port() -> u16 {
    loop {
        let port = 20_000 + u16::try_from(random() % 12_000).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}
