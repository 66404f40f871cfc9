//! What nobody can be given any more makes room by itself: with later insertions, a few entries at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder::store::Removal;
use larder::{Cache, Memory, cached};

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

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_goes_however_long_it_would_be_fresh() {
    let memory = Memory::builder().max_entries(100_000).time_to_idle(MINUTE).build();
    let cache = Cache::builder().local(memory).build();
    for key in ["asked", "unasked", "short"] {
        let ttl = if key == "short" { 2 * MINUTE } else { 60 * MINUTE };
        cache.set(key, &1_u64, ttl).await.unwrap();
    }
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(cache.get::<u64>("asked").await.unwrap(), Some(1), "asked for in time, again and again");
        cache.get::<u64>("short").await.unwrap();
    }
    assert_eq!(cache.get::<u64>("short").await.unwrap(), None, "its time to live ends all the same");
    assert_eq!(cache.get::<u64>("unasked").await.unwrap(), None);
    assert_eq!(cache.stats().expirations, 2, "each is counted once");
    tokio::time::advance(MINUTE).await;
    assert_eq!(cache.get::<u64>("asked").await.unwrap(), None, "not asked for in a minute");
    fill(&cache, "new", MINUTE).await;
    assert_eq!(cache.stats().entries, 1_000, "the room of all three is reclaimed");
}

static LOADS: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = 3_600, stale = 3_600, key = "aging", local)]
async fn aging() -> u64 {
    LOADS.fetch_add(1, Ordering::Relaxed) + 1
}

#[tokio::test(start_paused = true)]
async fn a_stale_window_does_not_keep_what_nobody_asks_for() {
    let memory = Memory::builder().time_to_idle(MINUTE).build();
    let cache = Cache::builder().local(memory).build();
    cache
        .scope(async {
            for _ in 0..3 {
                assert_eq!(aging().await, 1);
                tokio::time::advance(MINUTE / 2).await;
            }
            tokio::time::advance(MINUTE / 2).await;
            assert_eq!(aging().await, 2);
        })
        .await;
}

#[tokio::test]
async fn values_are_weighed_by_who_knows_them() {
    struct Picture(Vec<u8>);

    impl Clone for Picture {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    #[cached(key = "picture:<id>", local)]
    async fn picture(id: u64) -> Arc<Picture> {
        let _ = id;
        Arc::new(Picture(vec![0; 100_000]))
    }

    let weighed = |picture: &Arc<Picture>| picture.0.capacity();
    let memory =
        Memory::builder().max_bytes(10 << 20).weigher(weighed).weigher(|text: &String| text.len() * 2);
    let cache = Cache::builder().local(memory.build()).build();
    cache
        .scope(async {
            for id in 0..50 {
                picture(id).await;
            }
        })
        .await;
    let pictures = cache.stats().bytes;
    assert!((5_000_000..5_100_000).contains(&pictures), "50 pictures of 100 kB are {pictures} bytes");
    cache.set("text", &"x".repeat(10_000), MINUTE).await.unwrap();
    let text = cache.stats().bytes - pictures;
    assert!((20_000..21_000).contains(&text), "a text that counts twice is {text} bytes");
    cache.set("list", &vec![1_u64; 10_000], MINUTE).await.unwrap();
    let list = cache.stats().bytes - pictures - text;
    assert!((20_000..21_000).contains(&list), "by its JSON, for nobody says more: {list} bytes");
}
