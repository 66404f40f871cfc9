//! What is asked for most stands in front of the store, for each thread: that must show in nothing but time. Whatever
//! lets an entry go, it is not found any more, and its value is dropped at once, in whichever thread it was hot.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use larder::{Cache, Memory};

const TTL: Duration = Duration::from_secs(60);

/// Makes `user:1` hot in this thread and in another one, which stays: the end of a thread must not be what drops it.
async fn heated(cache: &Cache, while_hot: impl AsyncFnOnce()) {
    let (ready, is_ready) = mpsc::channel();
    let (end, is_over) = mpsc::channel::<()>();
    let other = std::thread::spawn({
        let cache = cache.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(heat(&cache));
            ready.send(()).unwrap();
            is_over.recv().unwrap_err();
        }
    });
    heat(cache).await;
    is_ready.recv().unwrap();
    while_hot().await;
    drop(end);
    other.join().unwrap();
}

async fn heat(cache: &Cache) {
    let hits = cache.stats().hits;
    for _ in 0..200 {
        assert!(cache.get::<Arc<str>>("user:1").await.unwrap().is_some());
        let cloned: Result<String, ()> = cache.get_or_load("name:1", TTL, async || Err(())).await;
        assert_eq!(cloned, Ok("ada".to_owned()));
    }
    assert!(cache.stats().hits >= hits + 400, "every hit is counted");
}

/// Lets `user:1` go in some way, while it is hot; afterwards nobody holds its value.
async fn gone_after(memory: Memory, let_go: impl AsyncFnOnce(&Cache)) {
    let cache = Cache::builder().local(memory).build();
    let value: Arc<str> = "ada".into();
    cache.set("user:1", &value, TTL).await.unwrap();
    cache.set("name:1", &"ada".to_owned(), TTL).await.unwrap();
    assert_eq!(Arc::strong_count(&value), 2, "here and in the cache");
    heated(&cache, async || {
        assert_eq!(Arc::strong_count(&value), 2, "being hot is no copy");
        let_go(&cache).await;
        assert_eq!(Arc::strong_count(&value), 1, "nobody holds what the cache has let go");
    })
    .await;
}

#[tokio::test]
async fn what_was_deleted_replaced_or_cleared_is_gone_from_the_front() {
    let memory = || Memory::new(1_000);
    gone_after(memory(), async |cache| assert!(cache.delete("user:1").await.unwrap())).await;
    gone_after(memory(), async |cache| assert!(cache.clear().await.is_ok())).await;
    gone_after(memory(), async |cache| assert!(cache.invalidate("user:1").await.is_ok())).await;
    gone_after(memory(), async |cache| {
        let next: Arc<str> = "eve".into();
        cache.set("user:1", &next, TTL).await.unwrap();
        for _ in 0..200 {
            assert_eq!(cache.get::<Arc<str>>("user:1").await.unwrap(), Some(Arc::clone(&next)));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_evicted_or_reclaimed_is_gone_from_the_front() {
    let insert = async |cache: &Cache, entries: u64| {
        for id in 0..entries {
            cache.set(format!("other:{id}"), &id, TTL).await.unwrap();
            // What is never asked for again evicts nothing that is.
            for other in [id, id.saturating_sub(30)] {
                cache.get::<u64>(format!("other:{other}")).await.unwrap();
            }
        }
    };
    gone_after(Memory::new(100), async |cache| insert(cache, 10_000).await).await;
    gone_after(Memory::builder().max_bytes(100_000).build(), async |cache| insert(cache, 10_000).await).await;
    gone_after(Memory::new(100_000), async |cache| {
        cache.invalidate("user:*").await.unwrap();
        // Each looks at three.
        insert(cache, 10).await;
    })
    .await;
}
