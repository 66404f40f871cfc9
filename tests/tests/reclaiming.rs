//! What nobody can be given any more makes room by itself: with later insertions, a few entries at a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder::store::Removal;
use larder::{Cache, Memory};

const MINUTE: Duration = Duration::from_secs(60);

async fn fill(cache: &Cache, name: &str, ttl: Duration) {
    for id in 0..1_000_u64 {
        cache.set(format!("{name}:{id}"), &id, ttl).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn expired_entries_are_reclaimed_and_counted() {
    let cache = Cache::builder().local(Memory::new(100_000)).build();
    fill(&cache, "short", MINUTE).await;
    fill(&cache, "long", 60 * MINUTE).await;
    tokio::time::advance(2 * MINUTE).await;
    assert_eq!(cache.stats().entries, 2_000, "time alone does nothing");
    fill(&cache, "new", MINUTE).await;
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.expirations, stats.evictions), (2_000, 1_000, 0));
    assert_eq!(cache.get::<u64>("long:7").await.unwrap(), Some(7));
}

#[tokio::test(start_paused = true)]
async fn invalidated_entries_are_reclaimed_and_are_not_expired() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let memory = Memory::builder().max_entries(100_000);
    let memory = memory.on_removal(move |_, removal| log.lock().unwrap().push(removal)).build();
    let cache = Cache::builder().local(memory).build();
    fill(&cache, "user", MINUTE).await;
    fill(&cache, "team", MINUTE).await;
    cache.invalidate("user:*").await.unwrap();
    fill(&cache, "new", MINUTE).await;
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.expirations), (2_000, 0));
    assert_eq!(*heard.lock().unwrap(), [Removal::Invalidated; 1_000]);
    assert_eq!(cache.get::<u64>("team:7").await.unwrap(), Some(7));
}
