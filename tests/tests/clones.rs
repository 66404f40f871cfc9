//! A value's own `Clone` may use the cache: no lock of the store is held while it runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use larder::{Cache, Memory, cached};

/// Clones of it store into every shard of the cache, from a thread that they wait for.
struct Busy {
    cache: Cache,
    name: String,
}

static CLONES: AtomicUsize = AtomicUsize::new(0);

impl Clone for Busy {
    fn clone(&self) -> Self {
        let (done, all_done) = channel();
        let cache = self.cache.clone();
        thread::spawn(move || {
            let stores = async {
                for id in 0..200_u64 {
                    cache.set(format!("other:{id}"), &id, Duration::from_secs(60)).await.unwrap();
                }
                if CLONES.load(Ordering::Relaxed) % 4 == 3 {
                    // It is this one, perhaps, that is being cloned.
                    cache.delete("plain:1").await.unwrap();
                    cache.delete("aging:1").await.unwrap();
                }
            };
            pollster::block_on(stores);
            let _ = done.send(());
        });
        // Only a failure takes that long.
        all_done.recv_timeout(Duration::from_secs(20)).expect("the cache is locked while a value is cloned");
        CLONES.fetch_add(1, Ordering::Relaxed);
        Self { cache: self.cache.clone(), name: self.name.clone() }
    }
}

#[cached(ttl = 60, key = "plain:<id>", local)]
async fn plain(id: u64) -> Busy {
    Busy { cache: Cache::global(), name: format!("plain {id}") }
}

#[cached(ttl = 60, stale = 60, key = "aging:<id>", local)]
async fn aging(id: u64) -> Busy {
    Busy { cache: Cache::global(), name: format!("aging {id}") }
}

#[tokio::test]
async fn a_value_may_use_the_cache_while_it_is_cloned() {
    let cache = Cache::builder().local(Memory::new(10_000)).build();
    cache
        .scope(async {
            for id in [1, 1, 1, 1, 1, 1, 2, 2, 2, 2] {
                assert_eq!(plain(id).await.name, format!("plain {id}"));
                assert_eq!(aging(id).await.name, format!("aging {id}"));
            }
        })
        .await;
    let hits = cache.stats().local_hits;
    assert!(hits >= 8, "{hits} hits");
    assert!(CLONES.load(Ordering::Relaxed) as u64 >= hits, "each hit is a clone");
}
