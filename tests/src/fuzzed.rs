//! What must hold of keys, patterns and stored entries whatever bytes they are made of: one function for each fuzz target of
//! `fuzz/`, which `tests/tests/fuzzed.rs` calls too. Where the bytes come from is not known here.
//!
//! The byte `0xFF`, which is in no text, ends one text and begins the next.

use std::collections::HashMap;
use std::time::Duration;

use larder::{Cache, Codec, Compression, Key, KeyPart, KeyWriter, Memory, Pattern, Scope};
use tokio::runtime::Builder;

use crate::map_store::MapStore;
use crate::still_store::StillStore;
use crate::wire_form::signed;

/// Ends one text in the bytes that a check is given.
pub const END: u8 = 0xFF;

/// What a key can be written from, in as many shapes as it takes to mistake one for another.
type Arguments = (String, Option<Option<String>>, Vec<Option<String>>, (String, [String; 2]));

/// Every text can be written into a key, and what is written is one segment, from which the text can be read
/// again; different arguments write different keys; a pattern that is written from them matches their key alone.
///
/// # Panics
///
/// If something of that does not hold.
pub fn key(data: &[u8]) {
    let texts = texts(data);
    for text in &texts {
        let written = Key::build(|key| text.write(key));
        assert!(is_one_segment(written.whole()), "{text:?} leaves its segment: {written:?}");
        assert_eq!(unescaped(written.whole()), *text, "{written:?}");

        let by_hand = Key::from(text.as_str());
        assert_eq!(by_hand.whole(), text);
        assert!(by_hand.as_str().len() <= 512, "{by_hand:?}");
    }

    let all = arguments(&texts);
    let mut seen: HashMap<Key, &Arguments> = HashMap::new();
    for one in &all {
        let key = Key::build(|key| write(one, key));
        assert!(!key.whole().contains(|c: char| c == '*' || c.is_control()), "{one:?}: {key:?}");
        assert_eq!(key.whole().matches(':').count(), 4, "{one:?}: {key:?}");
        let first = seen.entry(key.clone()).or_insert(one);
        assert_eq!(*first, one, "both are {key}");
    }
    let Some(one) = all.first() else { return };
    let pattern = Pattern::build(|pattern| write(one, pattern));
    for (key, other) in &seen {
        assert_eq!(pattern.matches(key.whole()), one == *other, "{pattern} and {key}");
    }
}

/// Any text is a pattern, and invalidating it takes away exactly the keys that it matches; no fewer where a shared
/// store holds them, which widens what it cannot name.
///
/// # Panics
///
/// If something of that does not hold.
pub fn pattern(data: &[u8]) {
    const TTL: Duration = Duration::from_secs(300);

    let texts = texts(data);
    let [text, keys @ ..] = &*texts else { return };
    let pattern = Pattern::from(text.as_str());
    assert_eq!((pattern.as_str(), pattern.to_string()), (&**text, text.clone()));
    let matched: Vec<_> = keys.iter().filter(|key| pattern.matches(key)).collect();

    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without io");
    runtime.block_on(async {
        let room = keys.len() + 100;
        for shared in [false, true] {
            let builder = Cache::builder();
            let cache =
                if shared { builder.remote(MapStore::default()) } else { builder.local(Memory::new(room)) };
            let cache = cache.build();
            for key in keys {
                cache.set(key, &1_u64, TTL).await.expect("neither store fails");
            }
            cache.invalidate(Scope::Pattern(pattern.clone())).await.expect("neither store fails");
            for key in keys {
                let left = cache.exists(key).await.expect("neither store fails");
                let inside = matched.contains(&key);
                assert!(!(left && inside), "{pattern} leaves {key:?}, shared: {shared}");
                assert!(left || inside || shared, "{pattern} takes {key:?}");
            }
        }
    });
}

/// A pattern matches what the definition says it does, in a number of steps that is bounded by the sum of both
/// lengths.
///
/// # Panics
///
/// If something of that does not hold.
pub fn glob(data: &[u8]) {
    let texts = texts(data);
    let [text, keys @ ..] = &*texts else { return };
    for key in keys {
        assert_eq!(matched_linearly(text, key), matches(text, key), "{text:?} and {key:?}");
    }
}

/// What a test stores, with something of most that the codecs know.
type Stored = HashMap<String, (u64, Option<String>, Vec<f64>)>;

/// Whatever a shared store has under a name is an entry or a miss: no error and no panic, and never an answer for
/// another key.
///
/// The first byte says what the others are: the whole of it, or what stands in a real entry from the place on that the
/// second names, in each case with the checksum they ought to have or without.
///
/// # Panics
///
/// If something of that does not hold.
pub fn envelope(data: &[u8]) {
    const FORMS: [(Codec, Compression); 4] = [
        (Codec::Json, Compression::None),
        (Codec::MessagePack, Compression::None),
        (Codec::Json, Compression::Lz4),
        (Codec::Json, Compression::Zstd),
    ];
    let [how, place, rest @ ..] = data else { return };
    let (codec, compression) = FORMS[usize::from(how >> 2) % FORMS.len()];
    let store = StillStore::default();
    let cache = Cache::builder().remote(store.clone()).codec(codec).compression(compression.above(0)).build();
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without io");
    runtime.block_on(async {
        let value: Stored = [("name".to_owned(), (7, Some("é".repeat(40)), vec![0.5]))].into();
        cache.set("stored", &value, Duration::from_secs(60)).await.expect("the store does not fail");
        let mut entry = if how & 1 == 0 { store.bytes().expect("an entry") } else { Vec::new() };
        entry.truncate(entry.len().saturating_sub(CHECKSUM));
        let place = usize::from(*place) % (entry.len() + 1);
        let end = entry.len().min(place + rest.len());
        entry.splice(place..end, rest.iter().copied());
        if how & 2 == 0 {
            entry = signed("stored", &entry);
        }
        store.set(entry);

        cache.get::<Stored>("stored").await.expect("a miss is no error");
        cache.get::<Vec<String>>("stored").await.expect("a miss is no error");
        cache.ttl("stored").await.expect("a miss is no error");
        let other = cache.get::<Stored>("other").await.expect("a miss is no error");
        assert_eq!(other, None, "an entry is an answer for one key");
    });
}

/// At the end of an entry.
const CHECKSUM: usize = 8;

/// Whether the pattern matches the key; how often it looked at a byte is bounded.
///
/// # Panics
///
/// If it took more steps than both have bytes.
#[must_use]
pub fn matched_linearly(pattern: &str, key: &str) -> bool {
    let subject = Pattern::from(pattern);
    let (steps, bound) = (subject.steps(key), pattern.len() + key.len());
    assert!(steps <= bound, "{steps} steps for {} and {} bytes", pattern.len(), key.len());
    subject.matches(key)
}

/// Whether runs of characters in place of every `*` make `pattern` the text: the definition, followed literally.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    // Which heads of the text the pattern so far can be.
    let mut heads = vec![false; text.len() + 1];
    heads[0] = true;
    for &symbol in pattern.as_bytes() {
        if symbol == b'*' {
            let shortest = heads.iter().position(|&head| head).unwrap_or(heads.len());
            heads[shortest..].fill(true);
        } else {
            for end in (1..heads.len()).rev() {
                heads[end] = heads[end - 1] && text.as_bytes()[end - 1] == symbol;
            }
            heads[0] = false;
        }
    }
    heads[text.len()]
}

fn texts(data: &[u8]) -> Vec<String> {
    data.split(|&byte| byte == END).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

/// Arguments that are easily mistaken for each other, made of these texts: the same characters in other places.
fn arguments(texts: &[String]) -> Vec<Arguments> {
    let text = |at: usize| texts.get(at).cloned().unwrap_or_default();
    let (a, b) = (text(0), text(1));
    let both = format!("{a}{b}");
    let nested = [None, Some(None), Some(Some(a.clone())), Some(Some(b.clone()))];
    let list = [vec![], vec![None], vec![Some(a.clone())], vec![Some(a.clone()), Some(b.clone())]];
    let list = list.into_iter().chain([vec![Some(both.clone())], vec![None, Some(a.clone())]]);
    let inner = [(a.clone(), [b.clone(), String::new()]), (both.clone(), Default::default())];
    let mut all: Vec<Arguments> = Vec::new();
    for list in list {
        for nested in &nested {
            for inner in &inner {
                for first in [&a, &b, &both] {
                    all.push((first.clone(), nested.clone(), list.clone(), inner.clone()));
                }
            }
        }
    }
    all
}

fn write(arguments: &Arguments, key: &mut KeyWriter) {
    let (text, nested, list, inner) = arguments;
    let parts: [&dyn KeyPart; 4] = [text, nested, list, inner];
    key.literal("key");
    for part in parts {
        key.literal(":");
        part.write(key);
    }
}

/// Whether nothing in it has a meaning in a key, a pattern or a terminal: what a value may write.
fn is_one_segment(text: &str) -> bool {
    !text.contains(|c: char| r":*?<>{}[]()\ ".contains(c) || c.is_control())
}

/// Reads `%` and two hex digits as the byte that they stand for.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [b'%', high, low, after @ ..] => {
                let [high, low] =
                    [high, low].map(|&digit| char::from(digit).to_digit(16).expect("a hex digit"));
                bytes.push(u8::try_from(16 * high + low).expect("two hex digits are a byte"));
                after
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
            [] => break,
        };
    }
    String::from_utf8(bytes).expect("a value is text")
}
