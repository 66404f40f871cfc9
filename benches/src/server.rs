//! A Redis server of a benchmark's own, on a free loopback port.
//! Saves nothing, and ends with the value that stands for it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running `redis-server`.
#[derive(Debug)]
pub struct Server {
    port: u16,
    process: Child,
}

const PATIENCE: Duration = Duration::from_secs(10);

impl Server {
    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server, version 7 or later");
        let server = Self { port, process };
        let start = Instant::now();
        while !server.answers() {
            assert!(start.elapsed() < PATIENCE, "redis-server does not answer");
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// How many values it has found for those who asked, since it was started.
    ///
    /// # Panics
    ///
    /// If it does not say so.
    #[must_use]
    pub fn hits(&self) -> u64 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the server");
        stream.write_all(b"INFO stats\r\nQUIT\r\n").expect("the server listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        let line = answer.lines().find_map(|line| line.strip_prefix("keyspace_hits:"));
        line.and_then(|number| number.parse().ok()).expect("a count of hits")
    }

    fn answers(&self) -> bool {
        let mut answer = [0; 7];
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok_and(|mut stream| {
            stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
