//! Tests that run beside each other in one process have a paused clock each, and values end on time on all of them.
//!
//! Alone in its file, since it is about what happens when a process asks for the time for the first time.

use std::time::Duration;

use larder::{Cache, Memory};
use tokio::runtime::{Builder, Runtime};
use tokio::time::advance;

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn a_clock_that_stopped_before_another_asked_first_is_not_late() {
    let ttl = Duration::from_secs(60);
    let (earlier, later) = (paused(), paused());
    let value_ends = async || {
        let cache = Cache::builder().local(Memory::new(10)).build();
        cache.set("key", &1, ttl).await.unwrap();
        advance(ttl).await;
        assert!(!cache.exists("key").await.unwrap());
    };
    later.block_on(value_ends());
    earlier.block_on(value_ends());
}
