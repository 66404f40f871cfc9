//! Invalidation wins for pages, too: none whose handler began before an acknowledged invalidation is served after it, on
//! every road by which a page can reach a client. And each of these stories fails when the step that it is about is left out.

use std::time::Duration;

use cache_core::sabotage::{Fault, plant};
use http::{Method, Request};
use http_body_util::Full;
use larder::http::CacheLayer;
use larder::{Cache, Memory, Tag};
use tests::http_site::{Site, ask, get};
use tokio::time::advance;

/// How an invalidation is made.
#[derive(Clone, Copy, Debug)]
enum By {
    Tag,
    Pattern,
    Write,
}

const WAYS: [By; 3] = [By::Tag, By::Pattern, By::Write];

/// A site behind a layer, and its cache.
struct World {
    site: Site,
    cache: Cache,
    layer: CacheLayer,
}

impl World {
    fn new() -> Self {
        let cache = Cache::builder().local(Memory::new(1000)).build();
        let layer = CacheLayer::new(cache.clone())
            .tags(|request| [format!("page:{}", request.uri.path().trim_matches('/'))]);
        Self { site: Site::new(), cache, layer }
    }

    /// Changes the data, and invalidates what shows it.
    async fn change(&self, by: By) {
        match by {
            By::Tag => {
                self.site.write();
                self.cache.invalidate(Tag::from("page:a")).await.unwrap();
            }
            By::Pattern => {
                self.site.write();
                self.cache.invalidate("http::/a:*").await.unwrap();
            }
            By::Write => {
                let request = Request::builder().method(Method::POST).uri("/a");
                let request = request.body(Full::default()).unwrap();
                ask(&self.site.behind(&self.layer), request).await;
            }
        }
    }

    /// A request of a client of its own, to a site that is held or not.
    fn client(&self, site: &Site) -> tokio::task::JoinHandle<String> {
        let service = site.behind(&self.layer);
        tokio::spawn(async move { ask(&service, get("/a")).await.into_body() })
    }

    async fn read(&self) -> String {
        self.client(&self.site).await.unwrap()
    }
}

/// A page that is kept is not served after the invalidation.
async fn kept() -> bool {
    let mut holds = true;
    for by in WAYS {
        let world = World::new();
        let first = world.read().await;
        assert_eq!((&*first, &*world.read().await, world.site.calls()), ("0", "0", 1), "it is kept");
        world.change(by).await;
        holds &= world.read().await == "1";
    }
    holds
}

/// A page whose handler began before is not kept when it ends afterwards.
async fn late() -> bool {
    let mut holds = true;
    for by in WAYS {
        let world = World::new();
        let held = world.site.held();
        let early = world.client(&held);
        held.gate.arrived(1).await;
        world.change(by).await;
        held.gate.open();
        assert_eq!(early.await.unwrap(), "0", "who asked before has what was there before");
        holds &= world.read().await == "1";
    }
    holds
}

/// A client that comes afterwards does not wait for that handler.
async fn joined() -> bool {
    let mut holds = true;
    for by in WAYS {
        let world = World::new();
        let held = world.site.held();
        let early = world.client(&held);
        held.gate.arrived(1).await;
        world.change(by).await;
        let after = world.client(&world.site);
        tokio::task::yield_now().await;
        held.gate.open();
        early.await.unwrap();
        holds &= after.await.unwrap() == "1";
    }
    holds
}

/// A tag that only the response names counts from the beginning of its handler.
async fn learned() -> bool {
    let world = World::new();
    world.site.says(&[("cache-control", "max-age=60"), ("cache-tag", "team, page")]);
    let held = world.site.held();
    let early = world.client(&held);
    held.gate.arrived(1).await;
    world.site.write();
    world.cache.invalidate(Tag::from("team")).await.unwrap();
    held.gate.open();
    early.await.unwrap();
    world.read().await == "1"
}

/// A stale page is not the answer after the invalidation.
async fn stale() -> bool {
    let mut holds = true;
    for by in WAYS {
        let world = World::new();
        world.site.says(&[("cache-control", "max-age=60, stale-while-revalidate=600")]);
        world.read().await;
        advance(Duration::from_secs(61)).await;
        world.change(by).await;
        holds &= world.read().await == "1";
    }
    holds
}

/// The refresh of a stale page that began before is not kept.
async fn refreshed() -> bool {
    let mut holds = true;
    for by in WAYS {
        let world = World::new();
        world.site.says(&[("cache-control", "max-age=60, stale-while-revalidate=600")]);
        world.read().await;
        advance(Duration::from_secs(61)).await;
        let held = world.site.held();
        assert_eq!(world.client(&held).await.unwrap(), "0", "at once");
        held.gate.arrived(1).await;
        world.change(by).await;
        held.gate.open();
        tests::until(|| format!("{:?}", world.cache).contains("aloft: 0")).await;
        holds &= world.read().await == "1";
    }
    holds
}

/// A variant goes with its page.
async fn variant() -> bool {
    let mut holds = true;
    for by in WAYS {
        let world = World::new();
        world.site.says(&[("cache-control", "max-age=60"), ("vary", "x-a")]);
        let service = world.site.behind(&world.layer);
        let ask_as = async |value: &'static str| {
            let mut request = get("/a");
            request.headers_mut().insert("x-a", value.parse().unwrap());
            ask(&service, request).await.into_body()
        };
        ask_as("1").await;
        ask_as("2").await;
        world.change(by).await;
        holds &= ask_as("1").await == "1" && ask_as("2").await == "1";
    }
    holds
}

/// The stories that do not hold.
async fn violated() -> Vec<&'static str> {
    let told = [
        ("kept", kept().await),
        ("late", late().await),
        ("joined", joined().await),
        ("learned", learned().await),
        ("stale", stale().await),
        ("refreshed", refreshed().await),
        ("variant", variant().await),
    ];
    told.iter().filter(|(_, holds)| !holds).map(|(story, _)| *story).collect()
}

// One test: a fault is planted in the whole process.
#[tokio::test(start_paused = true)]
async fn invalidation_wins_and_no_step_of_it_is_idle() {
    assert_eq!(violated().await, [""; 0]);
    for (fault, story) in [
        (Fault::HitUnasked, "kept"),
        (Fault::HitUnasked, "variant"),
        (Fault::StoreUnasked, "late"),
        (Fault::StampAfterLoad, "late"),
        (Fault::JoinAnyFlight, "joined"),
        (Fault::LearnedTagsUnchecked, "learned"),
        (Fault::StampAfterLoad, "refreshed"),
        (Fault::StaleUnasked, "stale"),
    ] {
        plant(Some(fault));
        let violated = violated().await;
        plant(None);
        assert!(violated.contains(&story), "{fault:?} goes unnoticed by `{story}`: {violated:?}");
        println!("{fault:?} is noticed by {violated:?}");
    }
    assert_eq!(violated().await, [""; 0], "healed");
}
