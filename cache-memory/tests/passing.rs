//! Memory stays within its bound however many keys pass through a cache: all of it, not only what the store counts.
//!
//! 250,000 keys pass; `LARDER_LONG=1` makes them ten million.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cache_core::{Cache, Stats};
use cache_memory::Memory;

/// How many distinct keys pass through.
fn keys() -> u64 {
    if std::env::var_os("LARDER_LONG").is_some_and(|long| long != "0") { 10_000_000 } else { 250_000 }
}

/// What a value owns.
const VALUE: &str = "a text of forty bytes, owned by its entry";

/// The most bytes that were allocated at a time while the keys passed through `memory`, and what it then held.
fn peak(memory: impl FnOnce() -> Memory) -> (u64, Stats) {
    let mut stats = Stats::default();
    let taken = allocation_counter::measure(|| {
        let cache = Cache::builder().local(memory()).build();
        for id in 0..keys() {
            let kept = now(cache.set(format!("user:{id}"), &VALUE.to_owned(), Duration::from_secs(3600)));
            assert!(kept.is_ok());
        }
        stats = cache.stats();
    });
    println!("{} keys, {} bytes at most, {} entries left", keys(), taken.bytes_max, stats.entries);
    (taken.bytes_max, stats)
}

#[test]
fn a_bound_by_bytes_holds_all_that_is_allocated() {
    let bound = 8 << 20;
    let (bytes, stats) = peak(|| Memory::builder().max_bytes(bound).build());
    assert!(stats.evictions > keys() / 2, "the store is full: {stats:?}");
    assert!(bytes <= bound as u64, "{bytes} bytes of {bound}");
    assert!(bytes > bound as u64 / 2, "it is made use of: {bytes} bytes of {bound}");
}

#[test]
fn a_bound_by_entries_holds_so_many_and_what_each_takes() {
    let bound = 25_000;
    let (bytes, stats) = peak(|| Memory::new(bound));
    assert!(stats.evictions > keys() / 2, "the store is full: {stats:?}");
    assert!(stats.entries <= bound as u64);
    let each = bytes / bound as u64;
    assert!((200..400).contains(&each), "{each} bytes for each entry that is allowed");
}

/// The output of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    match pin!(future).poll(&mut Context::from_waker(&Waker::from(Arc::new(Nobody)))) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("there is nothing to wait for"),
    }
}
