//! What is published through the `metrics` facade: the names that are documented and no others, with the labels that are
//! documented, and never the value of an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use larder::{Cache, KeyPart, Memory, cache_invalidate, cached};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use tests::log::Log;
use tests::redis::{Server, patient};
use tests::secrets::MARK;

/// Everything that was published, by name and labels.
#[derive(Clone, Default)]
struct Board {
    numbers: Arc<Mutex<BTreeMap<String, Number>>>,
    described: Arc<Mutex<BTreeMap<String, Option<Unit>>>>,
}

/// A counter or a gauge (its bits), or how many durations a histogram was told of and their sum in nanoseconds.
#[derive(Clone, Default)]
struct Number(Arc<AtomicU64>, Arc<AtomicU64>);

impl CounterFn for Number {
    fn increment(&self, _: u64) {
        panic!("counters are published as they stand");
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl HistogramFn for Number {
    fn record(&self, seconds: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
        let nanos = Duration::from_secs_f64(seconds).as_nanos();
        self.1.fetch_add(u64::try_from(nanos).unwrap(), Ordering::Relaxed);
    }
}

impl Board {
    fn number(&self, key: &Key) -> Number {
        let mut labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        self.numbers.lock().unwrap().entry(name).or_default().clone()
    }

    fn describe(&self, key: &KeyName, unit: Option<Unit>) {
        self.described.lock().unwrap().insert(key.as_str().to_owned(), unit);
    }

    fn told(&self, cache: &Cache) -> BTreeMap<String, Number> {
        with_local_recorder(self, || cache.publish_metrics());
        self.numbers.lock().unwrap().clone()
    }
}

impl Recorder for Board {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(self.number(key)))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(key).0)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(self.number(key)))
    }
}

#[derive(Clone, KeyPart)]
struct Name(String);

#[cached(ttl = 300, key = "name:<name>", tags = ["team:<name>"])]
async fn length(name: Name) -> Result<u64, String> {
    if name.0.contains("fails") { Err(name.0) } else { Ok(name.0.len() as u64) }
}

#[cache_invalidate("name:<name>")]
async fn rename(name: Name) {
    let _ = name;
}

/// Loads, hits, misses, an error, an invalidation and a call by hand, all with arguments that are secret.
async fn traffic() {
    let secret = |text: &str| Name(format!("{MARK}{text}"));
    for _ in 0..3 {
        length(secret("ada")).await.unwrap();
        length(secret("fails")).await.unwrap_err();
    }
    rename(secret("ada")).await;
    let cache = Cache::global();
    let by_hand =
        cache.get_or_load(format!("{MARK}key"), Duration::from_secs(9), || async { Ok::<_, ()>(7) });
    by_hand.await.unwrap();
}

/// The first two columns of the table in the documentation.
fn documented() -> BTreeMap<String, Vec<String>> {
    let source = include_str!("../../cache-core/src/metrics.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | `larder_"));
    let row = |row: &str| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let mut labels: Vec<_> =
            cells[3].split(", ").map(|label| label.trim_matches('`').to_owned()).collect();
        labels.sort();
        (format!("larder_{}", cells[0].trim_end_matches('`')), labels)
    };
    rows.map(row).collect()
}

#[tokio::test]
async fn what_is_published_is_what_is_documented_and_tells_no_secret() {
    let _said = Log::of_this_process();
    let server = Server::start();
    let cache =
        Cache::builder().namespace("shop").local(Memory::new(1000)).remote(patient(server.url())).build();
    cache.scope(traffic()).await;
    let board = Board::default();
    let told = board.told(&cache);
    let mut published = BTreeMap::<String, Vec<String>>::new();
    for series in told.keys() {
        assert!(!series.contains(MARK), "{series}");
        let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap();
        published.insert(
            name.to_owned(),
            labels.split(',').map(|label| label.split('=').next().unwrap().to_owned()).collect(),
        );
        assert!(labels.starts_with("cache=shop"), "{series}");
    }
    assert_eq!(published, documented());
    let described = board.described.lock().unwrap();
    assert_eq!(described.keys().collect::<BTreeSet<_>>(), published.keys().collect());
    for (name, unit) in &*described {
        assert_eq!(*unit == Some(Unit::Seconds), name.ends_with("_seconds"), "{name}");
        assert_eq!(*unit == Some(Unit::Bytes), name.ends_with("_bytes"), "{name}");
    }
}

#[tokio::test]
async fn the_numbers_are_those_of_the_cache() {
    let cache = Cache::builder().namespace("shop").local(Memory::new(1000)).build();
    cache.scope(traffic()).await;
    let board = Board::default();
    for round in 1..=2 {
        // A second time changes nothing: counts stand, and durations are told once.
        let told = board.told(&cache);
        let number = |series: &str| {
            told.get(series)
                .map_or_else(|| panic!("{series} of {:?}", told.keys()), |it| it.0.load(Ordering::Relaxed))
        };
        let of =
            |name: &str, more: &str| number(&format!("{name}{{cache=shop,function=metrics::length{more}}}"));
        assert_eq!(of("larder_hits_total", ",tier=local"), 2, "round {round}");
        assert_eq!(of("larder_hits_total", ",tier=remote"), 0);
        assert_eq!(of("larder_misses_total", ""), 4);
        assert_eq!(of("larder_loads_total", ",outcome=loaded"), 1);
        assert_eq!(of("larder_loads_total", ",outcome=failed"), 3);
        assert_eq!(of("larder_load_duration_seconds", ""), 4);
        assert_eq!(of("larder_hit_duration_seconds", ",tier=local"), 1, "the first is timed");
        assert_eq!(number("larder_invalidations_total{cache=shop}"), 1);
        assert_eq!(number("larder_loads_total{cache=shop,function=by_hand,outcome=loaded}"), 1);
        assert!((f64::from_bits(number("larder_enabled{cache=shop}")) - 1.0).abs() < f64::EPSILON);
        assert!(!told.keys().any(|series| series.starts_with("larder_remote")), "there is no such store");
    }
    cache.scope(traffic()).await;
    let told = board.told(&cache);
    let loads = &told["larder_load_duration_seconds{cache=shop,function=metrics::length}"];
    assert_eq!(loads.0.load(Ordering::Relaxed), 8, "and what came since is told as well");
    let stats = cache.stats();
    let (told, is) = (u128::from(loads.1.load(Ordering::Relaxed)), stats.functions()[0].load_time.as_nanos());
    assert!((is..=is + is / 8 + 8).contains(&told), "{is} ns, to an eighth: {told}");
}

#[tokio::test(start_paused = true)]
async fn publishing_by_itself_ends_with_the_cache() {
    let board = Board::default();
    let cache = Cache::builder().namespace("ends").local(Memory::new(1000)).build();
    // A recorder of the thread is one for its tasks, too, if they are polled inside.
    let hits = |board: &Board| {
        let numbers = board.numbers.lock().unwrap();
        numbers
            .get("larder_hits_total{cache=ends,function=by_hand,tier=local}")
            .map(|hits| hits.0.load(Ordering::Relaxed))
    };
    let _guard = metrics::set_default_local_recorder(&board);
    cache.publish_metrics_every(Duration::from_secs(10));
    assert_eq!(hits(&board), Some(0), "at once");
    for _ in 0..3 {
        cache.get_or_load("a", Duration::from_secs(99), || async { Ok::<_, ()>(7) }).await.unwrap();
    }
    assert_eq!(hits(&board), Some(0), "nothing is published while callers are answered");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(hits(&board), Some(2));
    drop(cache);
    tests::until(|| tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0).await;
}
