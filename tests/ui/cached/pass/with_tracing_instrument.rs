#![deny(warnings)]

use std::sync::atomic::{AtomicU64, Ordering};

use larder::{cache_invalidate, cache_put, cached};
use tracing::instrument;
use tracing::span::{Attributes, Id, Record};

/// Counts the spans that are opened, but for those of larder itself.
struct Spans;

static OPENED: AtomicU64 = AtomicU64::new(0);

impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target() != "larder"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(OPENED.fetch_add(1, Ordering::Relaxed) + 1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

// Below the cache's attribute: a span for each call.
#[cached(key = "call:<id>")]
#[instrument(err)]
async fn call(id: u64) -> Result<u64, String> {
    if id == 0 { Err("zero".to_owned()) } else { Ok(id) }
}

// Above it: a span for each load.
#[instrument(skip(db), fields(id = id))]
#[cached(key = "load:<id>", skip(db), ttl = 60)]
async fn load(db: &str, id: u64) -> Option<String> {
    let name = db.get(..1)?;
    Some(format!("{name}{id}"))
}

struct Repo {
    tenant: u64,
}

impl Repo {
    #[instrument(skip(self))]
    #[cached(key = "above:<self.tenant>:<id>")]
    async fn above(&self, id: u64) -> u64 {
        self.tenant + id
    }

    #[cached(key = "below:<self.tenant>:<id>")]
    #[instrument(skip_all)]
    async fn below(&self, id: u64) -> u64 {
        self.tenant + id
    }
}

#[async_trait::async_trait]
trait Store {
    async fn find(&self, id: u64) -> u64;
}

#[async_trait::async_trait]
impl Store for Repo {
    #[cached(key = "find:<self.tenant>:<id>")]
    #[instrument(skip(self))]
    async fn find(&self, id: u64) -> u64 {
        self.tenant + id
    }
}

#[cache_invalidate(call(id))]
#[instrument]
async fn remove(id: u64) -> Result<(), String> {
    Ok(())
}

#[instrument(ret)]
#[cache_put(key = "load:<id>")]
async fn save(id: u64) -> Option<String> {
    Some(id.to_string())
}

fn opened() -> u64 {
    OPENED.swap(0, Ordering::Relaxed)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    tracing::subscriber::set_global_default(Spans).unwrap();

    assert_eq!((call(1).await, call(1).await, call(0).await), (Ok(1), Ok(1), Err("zero".to_owned())));
    assert_eq!(opened(), 3);
    assert_eq!((load("db", 1).await, load("db", 1).await), (Some("d1".to_owned()), Some("d1".to_owned())));
    assert_eq!(opened(), 1);

    let repo = Repo { tenant: 1 };
    assert_eq!((repo.above(1).await, repo.above(1).await), (2, 2));
    assert_eq!(opened(), 1);
    assert_eq!((repo.below(1).await, repo.below(1).await), (2, 2));
    assert_eq!(opened(), 2);
    assert_eq!((repo.find(1).await, repo.find(1).await), (2, 2));
    let _ = opened();

    assert_eq!(remove(1).await, Ok(()));
    assert_eq!(save(1).await.as_deref(), Some("1"));
    assert_eq!(load("db", 1).await.as_deref(), Some("1"));
    assert_eq!(call::key(1).as_str(), "call:1");
}
