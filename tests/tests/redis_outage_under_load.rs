//! Ten seconds without a server under load: no call fails, nothing grows, and all is whole soon after. And in all that
//! was said meanwhile, by any crate of the process, there is no password, key or value.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use larder::{Cache, Memory, Redis, Result, cache_invalidate, cached};
use tests::log::Log;
use tests::redis::{Server, patient};
use tests::{secrets, until_async};

const OUTAGE: Duration = Duration::from_secs(10);

/// Within which all is whole after the server is back, and what a busy machine may add.
const SOON: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_millis(500);

/// What must be found in no log and no error.
const SECRETS: [&str; 3] = ["canary-password", "canary-argument", "canary-value"];

#[derive(Clone)]
struct Shop {
    cache: Cache,
    loads: Arc<AtomicU64>,
}

impl Shop {
    fn over(cache: Cache) -> Self {
        Self { cache, loads: Arc::default() }
    }

    #[cached(ttl = 300, key = "item:<id>:<name>", skip(self), cache = self.cache)]
    async fn item(&self, id: u64, name: &str) -> Result<String, String> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        Ok(format!("canary-value of {id}, {name}"))
    }

    #[cache_invalidate("item:<id>:*", cache = self.cache)]
    async fn change(&self, id: u64) {
        let _ = id;
    }
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    4096 * pages.unwrap_or(0_u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_seconds_without_a_server_are_noticed_by_nobody() {
    let log = Log::of_this_process();
    let mut server = Server::start_with(&["--requirepass", SECRETS[0], "--appendonly", "yes"]);
    let url = server.url_with(&format!(":{}", SECRETS[0]));
    let build = |redis: Redis| Cache::builder().namespace("shop").remote(redis);
    let shop = Shop::over(
        build(Redis::open(&url).unwrap())
            .local(Memory::new(500))
            .max_staleness(Duration::from_millis(200))
            .build(),
    );
    until_async(async || {
        shop.item(0, "canary-argument").await.unwrap();
        shop.cache.exists("item:0:canary-argument").await.is_ok_and(|is| is)
    })
    .await;

    // Callers that never pause, over far more items than there is room for, and now and then a change.
    let (over, calls, slowest) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..32_u64)
        .map(|caller| {
            let (shop, over, calls, slowest) =
                (shop.clone(), Arc::clone(&over), Arc::clone(&calls), Arc::clone(&slowest));
            tokio::spawn(async move {
                let mut id = caller;
                while !over.load(Ordering::SeqCst) {
                    id = (id * 7 + 13) % 5_000;
                    let asked = Instant::now();
                    let item = shop.item(id, "canary-argument").await.expect("no call fails");
                    let took = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
                    slowest.fetch_max(took, Ordering::SeqCst);
                    assert_eq!(item, format!("canary-value of {id}, canary-argument"));
                    if calls.fetch_add(1, Ordering::SeqCst) % 500 == 0 {
                        shop.change(id).await;
                        let said = shop.cache.invalidate(format!("canary-argument:{id}")).await;
                        assert!(!said.is_err_and(|error| holds_a_secret(&format!("{error} {error:?}"))));
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let progress = async |count| {
        let goal = calls.load(Ordering::SeqCst) + count;
        until_async(async || calls.load(Ordering::SeqCst) >= goal).await;
    };
    progress(2_000).await;

    server.kill();
    let away = Instant::now();
    progress(2_000).await;
    let (before, mut most) = (resident(), 0);
    while away.elapsed() < OUTAGE {
        progress(500).await;
        most = most.max(resident());
    }
    let health = shop.cache.health().await;
    let remote = health.remote.as_ref().expect("a remote store");
    assert!(remote.breaker_open && remote.server.is_err() && remote.in_flight < 100, "{health:?}");
    assert!(!holds_a_secret(&format!("{health:?} {shop:?}", shop = shop.cache)));
    // What is owed grows to a limit; some megabytes are what the allocator does.
    assert!(most < before + (32 << 20), "{} MiB became {} MiB", before >> 20, most >> 20);

    server.restart();
    let back = Instant::now();
    let other = Shop::over(build(patient(&url)).build());
    until_async(async || {
        let asked = shop.item(7_000, "canary-argument").await.unwrap();
        // What this process stored, the other finds.
        let loads = other.loads.load(Ordering::SeqCst);
        let shared = other.item(7_000, "canary-argument").await.unwrap() == asked
            && other.loads.load(Ordering::SeqCst) == loads;
        shared && shop.cache.health().await.is_well()
    })
    .await;
    let took = back.elapsed();
    assert!(took < SOON + SLACK, "it took {took:?} to be whole");

    progress(2_000).await;
    over.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.expect("no call fails");
    }
    let stats = shop.cache.stats();
    assert!(stats.breaker_openings >= 1 && stats.remote_skipped > stats.remote_errors, "{stats:?}");
    assert!(slowest.load(Ordering::SeqCst) < 2_000, "a call took {} ms", slowest.load(Ordering::SeqCst));

    let said = log.text();
    assert!(said.contains("left alone") && said.contains("answers again"), "{said}");
    let warnings = log.warnings().iter().filter(|line| line.contains("left alone")).count() as u64;
    assert_eq!(warnings, stats.breaker_openings, "one line for each change");
    // Of all levels.
    secrets::assert_kept();
}

fn holds_a_secret(text: &str) -> bool {
    SECRETS.iter().any(|secret| text.contains(secret))
}
