//! §4: targets, and that they apply whenever the body may have taken effect.
#![cfg(feature = "memory")]

use std::sync::atomic::{AtomicU64, Ordering};

use larder::{Cache, Memory, cache_invalidate, cached};

static LOADS: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = 300, key = "user:<id>")]
async fn user(id: u64) -> u64 {
    id * 1000 + LOADS.fetch_add(1, Ordering::SeqCst) + 1
}

#[cached(ttl = 300, key = "user:<id>:posts:<page>")]
async fn posts(id: u64, page: u32) -> u64 {
    let _ = page;
    id * 1000 + LOADS.fetch_add(1, Ordering::SeqCst) + 1
}

struct Post {
    author: u64,
}

#[cache_invalidate("user:<id>", "user:<id>:*")]
async fn update(id: u64, how: How) -> Result<(), String> {
    match how {
        How::Ends => Ok(()),
        How::Fails => Err(format!("user {id}: the connection is gone, who knows whether it is committed")),
        How::Panics => panic!("the body's own panic"),
        How::NeverEnds => std::future::pending().await,
    }
}

#[derive(Clone, Copy, Debug)]
enum How {
    Ends,
    Fails,
    Panics,
    NeverEnds,
}

#[cache_invalidate("user:<result.author>:*")]
async fn publish(fail: bool) -> Result<Post, String> {
    if fail { Err("nothing is published".to_owned()) } else { Ok(Post { author: 1 }) }
}

fn cache() -> Cache {
    Cache::builder().local(Memory::new(100)).build()
}

#[tokio::test]
async fn targets_apply_whenever_the_body_may_have_taken_effect() {
    for how in [How::Ends, How::Fails, How::Panics, How::NeverEnds] {
        let cache = cache();
        let read = || cache.scope(async { (user(1).await, posts(1, 1).await, user(2).await, posts(2, 1).await) });
        let before = read().await;
        assert_eq!(read().await, before);

        let inner = cache.clone();
        let task = tokio::spawn(async move { inner.scope(update(1, how)).await });
        if let How::NeverEnds = how {
            tokio::task::yield_now().await;
            task.abort();
        }
        let _ = task.await;

        let after = read().await;
        assert_ne!(after.0, before.0, "{how:?}");
        assert_ne!(after.1, before.1, "{how:?}");
        assert_eq!((after.2, after.3), (before.2, before.3), "{how:?}: others stay");
    }
}

#[tokio::test]
async fn a_target_may_read_the_result() {
    cache()
        .scope(async {
            let before = (posts(1, 1).await, posts(2, 1).await);
            assert!(publish(true).await.is_err());
            assert_eq!(posts(1, 1).await, before.0, "there is no result to read");
            publish(false).await.unwrap();
            assert_ne!(posts(1, 1).await, before.0);
            assert_eq!(posts(2, 1).await, before.1);
        })
        .await;
}
