//! What a hit must not cost: allocations. Instructions are held to a limit in `tests/hits`, in the build that
//! users run; times nowhere, for they are never asserted.

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use larder::{Cache, KeyPart, Memory, cached};

#[derive(KeyPart)]
struct Page {
    feed: u64,
    number: u32,
}

#[cached(ttl = 300, key = "shared:<id>")]
async fn shared(id: u64) -> Arc<String> {
    Arc::new(format!("user {id}"))
}

#[cached(ttl = 300, key = "plain:<feed>:<number>")]
async fn plain(feed: u64, number: u32) -> u64 {
    feed + u64::from(number)
}

#[cached(ttl = 300, key = "page:<page>", tags = ["pages"])]
async fn of_struct(page: Page) -> Option<Arc<str>> {
    Some(format!("{}/{}", page.feed, page.number).into())
}

#[cached(ttl = 300, key = "named:<name>")]
async fn owned(name: &str) -> Result<String, std::io::Error> {
    Ok(name.to_uppercase())
}

/// The allocations of one call, after one that has loaded the value.
fn of_a_hit<T, F: Future<Output = T>>(call: impl Fn() -> F) -> u64 {
    let cache = Cache::builder().local(Memory::new(1_000)).build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(cache.scope(async {
        let cache = Cache::global();
        // Once to load, once for what a thread's first hit may build.
        drop(call().await);
        drop(call().await);
        let hits = cache.stats().local_hits;
        let mut call = std::pin::pin!(call());
        let mut output = None;
        let counted = measure(|| {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            if let std::task::Poll::Ready(value) = call.as_mut().poll(&mut context) {
                output = Some(value);
            }
        });
        assert!(output.is_some(), "a hit waits for nothing");
        assert_eq!(cache.stats().local_hits, hits + 1, "it was a hit");
        counted.count_total
    }))
}

#[test]
fn a_hit_allocates_nothing_but_what_the_clone_of_its_value_does() {
    assert_eq!(of_a_hit(|| shared(42)), 0, "a shared value");
    assert_eq!(of_a_hit(|| plain(7, u32::MAX)), 0, "a copied value under a key of two integers");
    assert_eq!(of_a_hit(|| of_struct(Page { feed: 1, number: 2 })), 0, "a shared text under a struct");
    assert_eq!(of_a_hit(|| owned("ada")), 1, "the clone of a String");
    assert_eq!(of_a_hit(|| owned("a name that is longer than the keys that are kept in place")), 1);
}

#[test]
fn a_hit_by_hand_allocates_nothing_either() {
    let call = || async {
        let cache = Cache::global();
        let loaded: Result<Arc<String>, ()> =
            cache.get_or_load("user:42", Duration::from_secs(300), || async { Ok(Arc::default()) }).await;
        loaded
    };
    assert_eq!(of_a_hit(call), 0);
}

#[test]
fn a_miss_without_a_remote_store_is_small() {
    let cache = Cache::builder().local(Memory::new(1_000)).build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let counted = runtime.block_on(cache.scope(async {
        // What a thread's first miss builds.
        drop(shared(1).await);
        let mut call = std::pin::pin!(shared(2));
        measure(|| {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_ready(), "its load waits for nothing");
        })
    }));
    // The future of the load, the entry, its cells, the seat; the value and its text.
    assert!(counted.count_total <= 12, "{} allocations", counted.count_total);
    assert!(counted.bytes_total <= 3_900, "{} bytes", counted.bytes_total);
}
