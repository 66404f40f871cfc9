//! What is looked after while a connection is in use: that it still answers when nobody asks, and that it leads to the
//! server that sentinels call the primary.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::config::Address;
use crate::error::Failure;
use crate::link::Link;
use crate::supervisor::Supervisor;

/// How often sentinels are asked whether the primary is still the same: a server that was replaced may not know it for
/// many seconds.
const ASK_SENTINELS: Duration = Duration::from_millis(500);

/// After how long without an answer one is asked for.
const IDLE: Duration = Duration::from_secs(2);

/// How long that answer may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Watches over `link` for as long as it is the one in use.
pub(crate) async fn watch(supervisor: Weak<Supervisor>, link: Arc<Link>) {
    let tick = if link.primary.is_some() { ASK_SENTINELS } else { IDLE };
    let (mut asked, mut quiet) = (link.serial, Duration::ZERO);
    loop {
        sleep(tick).await;
        let Some(supervisor) = supervisor.upgrade().filter(|supervisor| supervisor.uses(&link)) else {
            return;
        };
        quiet = if link.has_answered() { Duration::ZERO } else { quiet + tick };
        if quiet >= IDLE {
            quiet = Duration::ZERO;
            // A refusal is an answer, too.
            if !matches!(timeout(LIMIT, link.ping()).await, Ok(Ok(_))) {
                return supervisor.lose(&link, &Failure::silent());
            }
        }
        if let Address::Sentinel(sentinels) = &supervisor.config().address {
            asked += 1;
            if let Ok(now) = sentinels.primary(supervisor.config(), asked).await
                && link.primary.as_ref() != Some(&now)
            {
                return supervisor.lose(&link, &Failure::replaced());
            }
        }
    }
}
