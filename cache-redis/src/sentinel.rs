//! Asking sentinels which server is the primary. They are asked anew before every connection; whether they are right
//! is seen by the script that a connection begins with, which no replica runs.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, Value};
use tokio::time::timeout;

use crate::config::plain;
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
    pub(crate) async fn primary(&self, attempt: u64) -> Result<ConnectionAddr, Failure> {
        let count = self.hosts.len().max(1);
        let first = usize::try_from(attempt).unwrap_or_default() % count;
        let mut unknown = false;
        for (host, port) in self.hosts.iter().cycle().skip(first).take(self.hosts.len()) {
            match timeout(LIMIT, self.ask(host, *port)).await {
                Ok(Some(Answer::At(host, port))) => return Ok(ConnectionAddr::Tcp(host, port)),
                Ok(Some(Answer::Unknown)) => unknown = true,
                Ok(None) | Err(_) => {}
            }
        }
        Err(if unknown { Failure::unknown_primary(&self.primary) } else { Failure::no_sentinel() })
    }

    async fn ask(&self, host: &str, port: u16) -> Option<Answer> {
        let info = plain(ConnectionAddr::Tcp(host.to_owned(), port).into_connection_info().ok()?);
        let settings = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection: MultiplexedConnection =
            Client::open(info).ok()?.get_multiplexed_async_connection_with_config(&settings).await.ok()?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.primary);
        match connection.send_packed_command(&command).await.ok()? {
            Value::Nil => Some(Answer::Unknown),
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
}
