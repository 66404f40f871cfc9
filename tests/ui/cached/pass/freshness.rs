#![deny(warnings)]

use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, Memory, cached};

#[derive(Debug)]
struct DbError(std::cell::Cell<u8>);

impl DbError {
    fn is_temporary(&self) -> bool {
        self.0.get() == 0
    }
}

const WINDOW: Duration = Duration::from_secs(60);

#[cached(key = "a:<n>", ttl = 60, stale = "5m")]
async fn free(n: u64) -> u64 {
    n
}

#[cached(key = "b:<name>:<ids>", ttl = 60, stale = WINDOW, timeout = "50ms", stale_if = |error| error.is_temporary())]
async fn borrowed(name: &str, ids: &[u64]) -> Result<u64, DbError> {
    if ids.is_empty() { Err(DbError(name.len().min(9).try_into().unwrap_or(0).into())) } else { Ok(ids[0]) }
}

#[cached(key = "c:<n>", ttl = 60, early = true)]
async fn early(n: u64) -> Option<u64> {
    Some(n)
}

#[cached(key = "d:<n>", ttl = 60, early = 1.5, stale = |value| Duration::from_secs(*value + step), skip(step), unless = |value| *value > step)]
async fn decided_by_the_value(n: u64, step: u64) -> u64 {
    n + step
}

#[cached(key = "e:<name>", ttl = WINDOW, stale = 2 * WINDOW, timeout = WINDOW / 100, stale_if = |_error: &DbError| !name.is_empty())]
async fn computed(name: &str) -> Result<String, DbError> {
    Ok(name.to_owned())
}

#[cached(key = "f:<n>", ttl = 60, stale = 60)]
async fn with_a_pattern(Point { n, .. }: Point) -> u64 {
    n
}

#[derive(Clone, Copy)]
struct Point {
    n: u64,
    #[expect(dead_code, reason = "there is more than one field")]
    m: u64,
}

#[cached(key = "g:<n>", ttl = 60, stale = 60)]
async fn generic<T: larder::KeyPart + Clone + Send + Sync + 'static>(n: T) -> String {
    let _ = n;
    String::new()
}

#[derive(Clone)]
struct App {
    cache: Cache,
}

impl App {
    #[cached(key = "h:<n>", ttl = 60, stale = 60, skip(self), cache = self.cache)]
    async fn by_reference(&self, n: u64) -> u64 {
        n
    }

    #[cached(key = "i:<n>", ttl = 60, stale = 60, skip(self), cache = self.cache)]
    async fn by_pointer(self: Arc<Self>, n: u64) -> u64 {
        n
    }

    #[cached(key = "j:<n>", ttl = 60, stale = 60, when = n > 1)]
    async fn associated(n: u64) -> u64 {
        n
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main]
async fn main() {
    assert_eq!(is_send(free(1)).await, 1);
    assert_eq!(is_send(borrowed("a", &[1])).await.unwrap(), 1);
    assert!(borrowed("a", &[]).await.is_err());
    assert_eq!(early(1).await, Some(1));
    assert_eq!(decided_by_the_value(1, 2).await, 3);
    assert_eq!(computed("a").await.unwrap(), "a");
    assert_eq!(with_a_pattern(Point { n: 1, m: 2 }).await, 1);
    assert_eq!(generic("a".to_owned()).await, "");
    let app = Arc::new(App { cache: Cache::builder().local(Memory::new(10)).build() });
    assert_eq!(app.by_reference(1).await, 1);
    assert_eq!(Arc::clone(&app).by_pointer(1).await, 1);
    assert_eq!(App::associated(1).await, 1);
}
