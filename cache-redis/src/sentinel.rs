//! Asking sentinels which server is the primary. They are asked anew before every connection; whether they are right
//! is seen by the script that a connection begins with, which no replica runs.

use std::time::Duration;

use redis::{ConnectionAddr, Value};
use tokio::time::timeout;

use crate::config::Config;
use crate::dial::dial;
use crate::error::Failure;

/// How long a sentinel may take; there are others.
const LIMIT: Duration = Duration::from_millis(250);

/// A primary that sentinels know by name, and where these are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sentinels {
    pub(crate) hosts: Vec<(String, u16)>,
    pub(crate) primary: String,
}

impl Sentinels {
    /// The address of the primary: what the first sentinel says that answers. Each attempt begins with another.
    pub(crate) async fn primary(&self, config: &Config, attempt: u64) -> Result<ConnectionAddr, Failure> {
        let count = self.hosts.len().max(1);
        let first = usize::try_from(attempt).unwrap_or_default() % count;
        let mut failure = None;
        for (host, port) in self.hosts.iter().cycle().skip(first).take(self.hosts.len()) {
            match timeout(LIMIT, self.ask(config, host, *port)).await {
                Ok(Some(Answer::At(host, port))) => return Ok(ConnectionAddr::Tcp(host, port)),
                Ok(Some(Answer::Unknown)) => failure = Some(Failure::unknown_primary(&self.primary)),
                Ok(Some(Answer::Denied)) => failure = failure.or_else(|| Some(Failure::sentinel_denied())),
                Ok(None) | Err(_) => {}
            }
        }
        Err(failure.unwrap_or_else(Failure::no_sentinel))
    }

    async fn ask(&self, config: &Config, host: &str, port: u16) -> Option<Answer> {
        let mut connection = dial(config, ConnectionAddr::Tcp(host.to_owned(), port)).await.ok()?;
        if let Some(login) = &config.login_of_sentinels
            && let Value::ServerError(_) = connection.send_packed_command(&login.command()).await.ok()?
        {
            return Some(Answer::Denied);
        }
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.primary);
        match connection.send_packed_command(&command).await.ok()? {
            Value::Nil => Some(Answer::Unknown),
            Value::ServerError(error) if matches!(error.code(), "NOAUTH" | "NOPERM") => Some(Answer::Denied),
            Value::Array(parts) => match <[Value; 2]>::try_from(parts).ok()? {
                [Value::BulkString(host), Value::BulkString(port)] => Some(Answer::At(
                    String::from_utf8(host).ok()?,
                    std::str::from_utf8(&port).ok()?.parse().ok()?,
                )),
                _ => None,
            },
            _ => None,
        }
    }
}

enum Answer {
    At(String, u16),
    /// It watches no primary of this name.
    Unknown,
    /// It wants another user or password.
    Denied,
}
