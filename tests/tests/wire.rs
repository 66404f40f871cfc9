//! What entries look like outside this process: the same as in every version released, smaller where that is asked
//! for, and a miss whenever they are not exactly what was asked for. No byte of them is believed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use larder::{Cache, Codec, Compression, Error, ErrorKind, Threshold, cached};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tests::still_store::StillStore;
use tests::wire_form::signed;

const TTL: Duration = Duration::from_secs(60);

/// Something of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    number: u64,
    balance: i64,
    price: f64,
    name: String,
    note: Option<String>,
    paid: bool,
    lines: Vec<(u32, String)>,
    labels: BTreeMap<String, Kind>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Of(u8),
    With { depth: i8 },
}

fn order() -> Order {
    Order {
        number: u64::MAX,
        balance: i64::MIN,
        price: 0.1,
        name: "Zoë — “quoted” \\ \u{0} 😀".to_owned(),
        note: None,
        paid: true,
        lines: (0..40).map(|line| (line, format!("line {line} of an order"))).collect(),
        labels: [("a", Kind::Plain), ("b", Kind::Of(7)), ("c", Kind::With { depth: -1 })]
            .map(|(name, kind)| (name.to_owned(), kind))
            .into(),
    }
}

/// Every form, with the name of the file that holds an entry of it.
const FORMS: [(&str, Codec, Threshold); 6] = [
    ("json", Codec::Json, Compression::None.above(0)),
    ("json-lz4", Codec::Json, Compression::Lz4.above(0)),
    ("json-zstd", Codec::Json, Compression::Zstd.above(0)),
    ("msgpack", Codec::MessagePack, Compression::None.above(0)),
    ("msgpack-lz4", Codec::MessagePack, Compression::Lz4.above(0)),
    ("msgpack-zstd", Codec::MessagePack, Compression::Zstd.above(0)),
];

fn cache(store: &StillStore, codec: Codec, compression: impl Into<Threshold>) -> Cache {
    Cache::builder().namespace("shop").remote(store.clone()).codec(codec).compression(compression).build()
}

fn reader(store: &StillStore) -> Cache {
    cache(store, Codec::Json, Compression::None)
}

/// The file with an entry as version 1 of the format wrote it.
fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("data/envelope-1-{name}.bin"))
}

/// An entry without what is new in each: the name of its load, and the checksum.
fn lasting(bytes: &[u8]) -> (&[u8], &[u8]) {
    (&bytes[..4], &bytes[20..bytes.len() - 8])
}

/// Set to write the golden files of a new version of the format. Those of a released one never change.
const BLESS: &str = "LARDER_BLESS";

#[tokio::test]
async fn entries_are_written_as_in_every_release() {
    for (name, codec, compression) in FORMS {
        let store = StillStore::default();
        cache(&store, codec, compression).set("order:1", &order(), TTL).await.unwrap();
        let written = store.bytes().unwrap();
        if std::env::var_os(BLESS).is_some() {
            std::fs::write(golden(name), &written).unwrap();
        }
        let kept = std::fs::read(golden(name)).unwrap();
        if name.ends_with("zstd") {
            // Another version of the compressor may find a shorter form; that it is read is what matters.
            assert_eq!(lasting(&written).1[..50], lasting(&kept).1[..50], "{name}");
        } else {
            assert_eq!(lasting(&written), lasting(&kept), "{name}");
        }
    }
}

#[tokio::test]
async fn entries_of_every_release_are_read_whatever_is_written_now() {
    for (name, ..) in FORMS {
        let store = StillStore::default();
        store.set(std::fs::read(golden(name)).unwrap());
        for (_, codec, compression) in FORMS {
            let found = cache(&store, codec, compression).get::<Order>("order:1").await.unwrap();
            assert_eq!(found, Some(order()), "{name}");
        }
        assert_eq!(reader(&store).get::<Order>("order:2").await.unwrap(), None, "{name}: another key");
        assert_eq!(reader(&store).get::<Kind>("order:1").await.unwrap(), None, "{name}: another type");
    }
}

#[tokio::test]
async fn compression_begins_above_its_threshold() {
    let text = "a".repeat(2_000);
    let size = async |compression: Threshold| {
        let store = StillStore::default();
        cache(&store, Codec::Json, compression).set("text", &text, TTL).await.unwrap();
        assert_eq!(reader(&store).get::<String>("text").await.unwrap().as_deref(), Some(text.as_str()));
        store.bytes().unwrap().len()
    };
    let whole = size(Compression::None.into()).await;
    for compression in [Compression::Lz4, Compression::Zstd] {
        // With its quotes it has 2002 bytes.
        assert_eq!(size(compression.above(2_002)).await, whole, "{compression:?}");
        assert!(size(compression.above(2_001)).await < whole / 2, "{compression:?}");
        assert!(size(compression.into()).await < whole / 2, "{compression:?}: a kilobyte by default");
    }
}

/// One function as two deployments know it.
struct Deployment {
    cache: Cache,
}

impl Deployment {
    #[cached(ttl = 60, key = "n", skip(self), cache = self.cache, version = 1, shared)]
    async fn one(&self) -> u64 {
        1
    }

    #[cached(ttl = 60, key = "n", skip(self), cache = self.cache, version = 2, shared)]
    async fn two(&self) -> u64 {
        2
    }

    #[cached(ttl = 60, key = "n", skip(self), cache = self.cache, version = 2, shared)]
    async fn of_another_type(&self) -> Vec<u64> {
        vec![3]
    }
}

#[tokio::test]
async fn another_version_or_type_is_a_miss_in_both_directions() {
    let store = StillStore::default();
    let (old, new) = (Deployment { cache: reader(&store) }, Deployment { cache: reader(&store) });
    for _ in 0..3 {
        assert_eq!(old.one().await, 1);
        assert_eq!(new.two().await, 2);
        assert_eq!(new.of_another_type().await, [3]);
        assert_eq!(old.one().await, 1);
        assert_eq!(new.of_another_type().await, [3]);
        assert_eq!(new.two().await, 2);
    }
    assert_eq!((old.cache.stats().hits, new.cache.stats().hits), (0, 0));
    assert!(old.cache.stats().remote_refusals >= 5 && new.cache.stats().remote_refusals >= 11);
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_with_the_limit() {
    let store = StillStore::default();
    let large = "x".repeat((64 << 20) - 1);
    let error = reader(&store).set("text", &large, TTL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().contains("67108864"), "{error}");
    assert_eq!(store.bytes(), None);
}

/// A change to an entry.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Length(prop::sample::Index, u32),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Set(place, byte) => *place.get_mut(bytes) = *byte,
            Self::Length(place, length) => {
                let place = place.index(bytes.len());
                for (byte, new) in bytes[place..].iter_mut().zip(length.to_le_bytes()) {
                    *byte = new;
                }
            }
            Self::Cut(place) => bytes.truncate(place.index(bytes.len())),
            Self::Insert(place, more) => {
                let place = place.index(bytes.len());
                bytes.splice(place..place, more.iter().copied());
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(place, byte)| Change::Set(place, byte)),
        (place(), prop_oneof![Just(u32::MAX), Just(64 << 20), Just(0), any::<u32>()])
            .prop_map(|(place, length)| Change::Length(place, length)),
        place().prop_map(Change::Cut),
        (place(), prop::collection::vec(any::<u8>(), 1..50))
            .prop_map(|(place, more)| Change::Insert(place, more)),
    ]
}

fn panicked() -> larder::Result<()> {
    Err(Error::new(ErrorKind::Unsupported, "it panicked"))
}

/// Reads `bytes` as an entry of some types; the most memory that took.
fn read(bytes: Vec<u8>) -> u64 {
    let store = StillStore::default();
    store.set(bytes);
    let cache = reader(&store);
    let mut outcome = Ok(());
    let used = allocation_counter::measure(|| {
        let asked = || {
            pollster::block_on(async {
                let whole = cache.get::<Order>("order:1").await.map(drop);
                let other = cache.get::<BTreeMap<String, Vec<Kind>>>("order:1").await.map(drop);
                whole.and(other).and(cache.ttl("order:1").await.map(drop))
            })
        };
        // What panics while it is measured is not measured.
        outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(asked)).unwrap_or_else(|_| panicked());
    });
    outcome.expect("a miss is no error");
    used.bytes_max
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_miss_without_panic_or_large_allocation(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        sign in any::<bool>(),
    ) {
        let bytes = if sign { signed("order:1", &[b"LDR\x01", &bytes[..]].concat()) } else { bytes };
        prop_assert!(read(bytes) < 1 << 20);
    }

    #[test]
    fn any_change_is_a_miss_without_panic_or_large_allocation(
        form in 0..FORMS.len(),
        changes in prop::collection::vec(change(), 1..5),
        sign in any::<bool>(),
    ) {
        let mut bytes = std::fs::read(golden(FORMS[form].0)).unwrap();
        bytes.truncate(bytes.len() - 8);
        for change in &changes {
            change.make(&mut bytes);
        }
        let bytes = if sign { signed("order:1", &bytes) } else { bytes };
        // A payload of a thousand bytes can become a few hundred thousand with LZ4, and 32 MiB with Zstandard.
        let most = if FORMS[form].0.ends_with("zstd") { 65 << 20 } else { 2 << 20 };
        prop_assert!(read(bytes) < most);
    }
}

#[test]
fn a_compression_bomb_is_a_miss_of_bounded_size() {
    for (name, compression) in [("json-lz4", Compression::Lz4), ("json-zstd", Compression::Zstd)] {
        let store = StillStore::default();
        let text = "x".repeat(8 << 20);
        pollster::block_on(cache(&store, Codec::Json, compression).set("order:1", &text, TTL)).unwrap();
        let bomb = store.bytes().unwrap();
        assert!(bomb.len() < 40_000, "{name}: {}", bomb.len());
        // Of another type it is not even unpacked; who asks for any type has it in memory once.
        assert!(read(bomb.clone()) < 10 << 20);

        // And what claims to become more than it can, or than anything may.
        let (sealed, short) = (StillStore::default(), "x".repeat(2_000));
        pollster::block_on(cache(&sealed, Codec::Json, compression).set("order:1", &short, TTL)).unwrap();
        let mut entry = sealed.bytes().unwrap();
        entry.truncate(entry.len() - 8);
        let scopes = 20 + 1 + 1 + 4 + 8 + 8;
        let length = scopes + 1 + 8 * usize::from(entry[scopes]) + 4;
        for claimed in [64 << 20, (64 << 20) + 1, u32::MAX] {
            entry[length..length + 4].copy_from_slice(&claimed.to_le_bytes());
            assert!(read(signed("order:1", &entry)) < 1 << 20, "{name}: {claimed}");
        }
    }
}
