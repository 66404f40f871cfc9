//! What is said through `tracing` while a cache works: each miss, load and invalidation at the level DEBUG, nothing for a
//! hit, and a change of state once. Keys are shown as templates.

use larder::{Cache, Memory, cache_invalidate, cached};
use tests::held_store::HeldStore;
use tests::log::Log;

#[cached(ttl = 300, key = "parity:<of>")]
async fn parity(of: u64) -> Result<u64, String> {
    tracing::debug!(target: "larder", "inside");
    match of {
        13 => Err("not that one".to_owned()),
        _ => Ok(of % 2),
    }
}

#[cache_invalidate("parity:<of>")]
async fn forget(of: u64) {
    let _ = of;
}

#[tokio::test]
async fn a_miss_a_load_and_an_invalidation_are_told_and_a_hit_is_not() {
    let log = Log::of_this_thread();
    let cache = Cache::builder().local(Memory::new(1000)).build();
    cache
        .scope(async {
            parity(987_654).await.unwrap();
            let told = log.lines();
            assert_eq!(
                told,
                [
                    "DEBUG larder a miss",
                    "DEBUG larder ",
                    "DEBUG larder inside",
                    "DEBUG larder a load has ended"
                ],
                "the second is the span around the load"
            );
            for _ in 0..3_000 {
                parity(987_654).await.unwrap();
            }
            assert_eq!(log.lines(), told, "nothing of hits");
            parity(13).await.unwrap_err();
            forget(987_654).await;
            let told = log.lines().split_off(told.len());
            let failed = ["a miss", "", "inside", "a load has ended", "a load has failed", "an invalidation"];
            assert_eq!(told, failed.map(|line| format!("DEBUG larder {line}")));
        })
        .await;
    let text = log.text();
    assert!(text.contains("function=\"parity\" template=\"parity:<of>\""), "{text}");
    assert!(
        !text.contains("987654") && !text.contains("not that one"),
        "no value of an argument, no error: {text}"
    );
}

#[tokio::test]
async fn an_invalidation_that_is_not_delivered_is_said_aloud_once() {
    let log = Log::of_this_thread();
    let store = HeldStore::open();
    let cache = Cache::builder().remote(store.clone()).build();
    cache
        .scope(async {
            for of in [1, 3] {
                parity(of).await.unwrap();
            }
            store.leave(true);
            for of in 0..5 {
                forget(of).await;
            }
        })
        .await;
    let aloud = log.warnings().into_iter().filter(|line| line.contains("not delivered")).count();
    assert_eq!(aloud, 1, "{}", log.text());
}
