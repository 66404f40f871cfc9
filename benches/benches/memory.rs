//! What an entry takes besides the text of its key and its value: `cargo bench -p benches --bench memory`.
//!
//! Every cache is bounded to so many entries, and twice as many keys pass through it. All values are one shared
//! `Arc`, so what is left is the cache's own. Each is measured in a process of its own.

use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use benches::lock_free::LockFree;
use benches::table::{Table, number};
use benches::user::{User, load};
use larder::{Cache, Memory, cached};

/// The argument that makes this program fill one cache and say what that took.
const CHILD: &str = "--fill";

fn main() {
    let asked = |option: &str| std::env::args().any(|argument| argument == option);
    let (entries, text) = if asked("--quick") { (10_000, "10 000") } else { (1_000_000, "1 000 000") };
    if asked(CHILD) {
        return fill(&std::env::args().next_back().unwrap_or_default(), entries);
    }
    let heading = format!("{text} entries, String key → shared Arc");
    let mut table = Table::new(&[&heading, "bytes each, asked for", "bytes each, resident"]);
    for (name, _) in FILLS {
        let numbers = filled(name, asked("--quick")).unwrap_or([f64::NAN; 2]);
        table.row([name.to_owned()].into_iter().chain(numbers.map(number)).collect());
    }
    println!("{table}\nThe text of the key is not counted, `Arc<User>` neither.");
}

type Fill = fn(u64);

/// Each holds at most so many entries, and sees twice as many.
const FILLS: [(&str, Fill); 6] = [
    ("larder #[cached(ttl)], Memory::new", larder),
    ("larder #[cached(ttl)], Memory by bytes", larder_by_bytes),
    ("moka 0.12 future, ttl", moka),
    ("quick_cache 0.7", quick),
    ("cached 4.1 LruTtlCache", lru),
    ("experiment: papaya, a mark on what was read", lock_free),
];

static USER: LazyLock<Arc<User>> = LazyLock::new(|| Arc::new(now(load(1))));

#[cached(ttl = 3600, key = "user:<id>")]
async fn user(id: u64) -> Arc<User> {
    let _ = id;
    std::future::ready(Arc::clone(&USER)).await
}

fn larder(entries: u64) {
    larder_with(Memory::new(size(entries)), entries);
}

fn larder_by_bytes(entries: u64) {
    // So many bytes hold about as many entries, by the store's own reckoning.
    larder_with(Memory::builder().max_bytes(size(entries) * 310).build(), entries);
}

fn larder_with(memory: Memory, entries: u64) {
    let cache = Cache::builder().local(memory).build();
    let kept = cache.install();
    assert!(kept.is_ok(), "the only cache");
    (0..2 * entries).for_each(|id| drop(now(user(id))));
    println!("{}", Cache::global().stats().entries);
}

fn moka(entries: u64) {
    let cache: moka::future::Cache<String, Arc<User>> =
        moka::future::Cache::builder().max_capacity(entries).time_to_live(Duration::from_secs(3600)).build();
    (0..2 * entries).for_each(|id| now(cache.insert(key(id), Arc::clone(&USER))));
    now(cache.run_pending_tasks());
    println!("{}", cache.entry_count());
    std::mem::forget(cache);
}

fn quick(entries: u64) {
    let cache = quick_cache::sync::Cache::new(size(entries));
    (0..2 * entries).for_each(|id| cache.insert(key(id), Arc::clone(&USER)));
    println!("{}", cache.len());
    std::mem::forget(cache);
}

fn lru(entries: u64) {
    use cached::Cached as _;

    let built = cached::LruTtlCache::builder().max_size(size(entries)).ttl(Duration::from_secs(3600)).build();
    let mut cache = built.expect("a size and a time to live");
    (0..2 * entries).for_each(|id| drop(cache.cache_set(key(id), Arc::clone(&USER))));
    println!("{}", cache.cache_size());
    std::mem::forget(cache);
}

fn lock_free(entries: u64) {
    let cache = LockFree::new(size(entries));
    (0..2 * entries).for_each(|id| cache.insert(&key(id), Arc::clone(&USER)));
    println!("{}", cache.len());
    std::mem::forget(cache);
}

/// Fills the cache of that name, then prints how many entries it holds, and the bytes that took.
fn fill(name: &str, entries: u64) {
    let Some((_, fill)) = FILLS.iter().find(|(known, _)| *known == name) else { return };
    LazyLock::force(&USER);
    let before = resident();
    let counted = allocation_counter::measure(|| fill(entries));
    println!("{}\n{}", counted.bytes_current, resident() - before);
}

/// What a process that fills the cache of that name says: bytes per entry, asked for and resident.
fn filled(name: &str, quick: bool) -> Option<[f64; 2]> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    let output = command.args(quick.then_some("--quick")).args([CHILD, name]).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let numbers: Vec<f64> = said.lines().filter_map(|line| line.parse().ok()).collect();
    let [entries, asked, resident] = numbers[..] else { return None };
    let text = f64::from(u32::try_from(key(1_500_000).len()).ok()?);
    Some([asked / entries - text, resident / entries - text])
}

/// Bytes of memory this process occupies. Linux says it.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) * 1024.0
}

fn key(id: u64) -> String {
    format!("user:{id}")
}

fn size(entries: u64) -> usize {
    usize::try_from(entries).unwrap_or(usize::MAX)
}

/// The output of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut output = None;
    benches::subject::drive(async { output = Some(future.await) });
    output.expect("driven to its end")
}
