//! A Redis of the report's own: started, stopped and started again, with what it keeps in a temporary folder.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Stdio, id};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::error::{Error, Result};

const PATIENCE: Duration = Duration::from_secs(10);

/// It ends with this.
#[derive(Debug)]
pub(crate) struct RedisServer {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl RedisServer {
    /// An empty server, on a port of its own.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("clipizy-redis-").tempdir()?;
        let mut server = Self { port: 0, folder, process: None };
        // Below the ports that the system gives to outgoing connections, so that it stays free while the server is away.
        let first = u16::try_from(id() % 12_000).unwrap_or_default();
        for step in 0..100 {
            server.port = 20_000 + (first + step * 37) % 12_000;
            server.process = server.run(server.port).await?;
            if server.process.is_some() {
                return Ok(server);
            }
        }
        Err(ends_at_once())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it with what it had when it was stopped.
    pub(crate) async fn start_again(&mut self) -> Result<()> {
        self.process = self.run(self.port).await?;
        match self.process {
            Some(_) => Ok(()),
            None => Err(Error::Cache(format!("something else has taken port {} meanwhile", self.port))),
        }
    }

    /// Stops it as `kill -9` does.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    /// Lets it stand still: its connections stay open, and nothing is answered.
    pub(crate) async fn stand_still(&self) -> Result<()> {
        self.signal("-STOP").await
    }

    /// Lets it go on.
    pub(crate) async fn go_on(&self) -> Result<()> {
        self.signal("-CONT").await
    }

    async fn signal(&self, signal: &str) -> Result<()> {
        let Some(process) = self.process.as_ref().and_then(Child::id) else { return Ok(()) };
        let status = Command::new("kill").args([signal, &process.to_string()]).status().await?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::Cache(format!("`kill {signal}` ended with {status}")))
        }
    }

    /// Whether a stopped server still has `name` on its disk: looked up by starting it where nobody else knows of it.
    pub(crate) async fn has_on_disk(&self, name: &str) -> Result<bool> {
        // On no port, but for our socket.
        let mut process = self.run(0).await?.ok_or_else(ends_at_once)?;
        let there = redis::cmd("EXISTS").arg(name).query_async(&mut self.connection().await?).await;
        process.kill().await?;
        Ok(there?)
    }

    /// The length of the value under `name`, in bytes.
    pub(crate) async fn length(&self, name: &str) -> Result<usize> {
        let mut connection = self.connection().await?;
        Ok(redis::cmd("STRLEN").arg(name).query_async(&mut connection).await?)
    }

    /// Runs a process on `port`, and waits until it answers; nothing if it ended at once, as it does if the port is taken.
    async fn run(&self, port: u16) -> Result<Option<Child>> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
        // It writes down everything that it is told, so that it comes back with what it had.
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(self.folder.path());
        command.arg("--unixsocket").arg(self.socket());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::Cache(
                "this report stops and starts a redis-server of its own, and there is none: install it with \
                 `apt install redis-server`, `dnf install redis` or `brew install redis`"
                    .to_owned(),
            ),
            _ => error.into(),
        })?;
        let began = Instant::now();
        loop {
            // Asked over its own socket: on the port there may be somebody else's server.
            let answer = self.connection().await;
            if process.try_wait()?.is_some() {
                return Ok(None);
            }
            match answer {
                Ok(_) => return Ok(Some(process)),
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                // It tells nobody that it is ready.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn connection(&self) -> Result<MultiplexedConnection> {
        let client = redis::Client::open(format!("redis+unix://{}", self.socket().display()))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        // It may listen and still be loading.
        redis::cmd("PING").query_async::<String>(&mut connection).await?;
        Ok(connection)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

fn ends_at_once() -> Error {
    Error::Cache("redis-server ends as soon as it is started; run it by hand to see why".to_owned())
}
