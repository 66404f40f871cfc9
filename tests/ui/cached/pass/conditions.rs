#![deny(warnings)]

use std::sync::atomic::{AtomicU64, Ordering};

use larder::cached;

static CALLS: AtomicU64 = AtomicU64::new(0);

#[cached(key = "when:<n>", when = n > 10 && n != 12, unless = |value| value.is_empty())]
async fn conditional(n: u64) -> String {
    CALLS.fetch_add(1, Ordering::Relaxed);
    if n == 11 { String::new() } else { n.to_string() }
}

#[tokio::main]
async fn main() {
    for (n, calls) in [(1, 2), (11, 2), (12, 2), (13, 1)] {
        CALLS.store(0, Ordering::Relaxed);
        conditional(n).await;
        conditional(n).await;
        assert_eq!(CALLS.load(Ordering::Relaxed), calls, "{n}");
    }
}
