//! Ways to wait for exactly what a test is about. Nothing here sleeps for a guessed time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// A place where tasks stop until a test lets them pass, and that knows how many have come.
#[derive(Clone, Debug)]
pub struct Gate {
    arrivals: Arc<watch::Sender<u64>>,
    open: Arc<watch::Sender<bool>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { arrivals: Arc::new(watch::Sender::new(0)), open: Arc::new(watch::Sender::new(false)) }
    }
}

impl Gate {
    /// Arrives, and waits until the gate is open.
    pub async fn pass(&self) {
        self.arrivals.send_modify(|arrivals| *arrivals += 1);
        // The sender is held here: it cannot be gone.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    /// Lets everybody pass, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until `count` tasks have arrived since the start.
    ///
    /// # Panics
    ///
    /// If they have not within ten seconds.
    pub async fn arrived(&self, count: u64) {
        until(|| *self.arrivals.borrow() >= count).await;
    }
}

/// Waits until `condition` holds, for ten seconds of real time at most, whatever tokio's clock does.
///
/// # Panics
///
/// If it does not hold by then.
pub async fn until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "what the test waits for did not happen within 10 s"
        );
        tokio::task::yield_now().await;
    }
}

/// As [`until`], for a condition that has to ask somebody.
///
/// # Panics
///
/// If it does not hold within ten seconds.
pub async fn until_async(mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "what the test waits for did not happen within 10 s"
        );
        tokio::task::yield_now().await;
    }
}

/// As [`until_async`], for what other programs have to agree on among themselves: they ask each other every few seconds,
/// and several times.
///
/// # Panics
///
/// If a minute is not enough.
pub async fn eventually(mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < Duration::from_secs(60), "they did not come to agree within a minute");
        // They need the processor to get there: who asks all the time keeps them from it.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
