//! A bare connection to an address, encrypted or not, with the settings that all connections have.
//! Who is greeted there, and how, is the business of `supervisor` and `sentinel`.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, RedisResult,
};

use crate::config::Config;

/// Connects to `address`. Nobody is logged in, and no time is limited.
pub(crate) async fn dial(config: &Config, address: ConnectionAddr) -> RedisResult<MultiplexedConnection> {
    let settings = AsyncConnectionConfig::new()
        // The client's own limits leave out what ours include.
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE)
        .set_write_backpressure_boundary(64 * 1024);
    #[cfg(feature = "tls")]
    if let (Some(tls), ConnectionAddr::Tcp(host, port)) = (&config.tls, &address) {
        return tls.connect(host, *port, settings).await;
    }
    #[cfg(not(feature = "tls"))]
    let _ = config;
    let info = address.into_connection_info()?;
    let info = info
        .set_redis_settings(RedisConnectionInfo::default().set_skip_set_lib_name())
        .set_tcp_settings(tcp_settings());
    Client::open(info)?.get_multiplexed_async_connection_with_config(&settings).await
}

/// How many requests may wait to be written; more wait outside, each for its deadline.
const QUEUE: usize = 1024;

/// How long a peer may leave what was sent unacknowledged.
pub(crate) const USER_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5))
}

/// The client library leaves all of this off: small requests would wait for one another, and a peer that
/// vanished without a word would never be noticed.
fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive());
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_requests_do_not_wait_and_a_peer_that_vanished_is_noticed() {
        let settings = tcp_settings();
        assert!(settings.nodelay() && settings.keepalive().is_some());
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        assert_eq!(settings.user_timeout(), Some(USER_TIMEOUT));
    }
}
