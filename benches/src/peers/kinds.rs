//! The same hit with other keys and other values: by two integers, a text, a struct; of a number, a small value and a
//! large one. Beside ours what one would write by hand, and `cached`'s sharded map with the key as it is.

use std::hash::Hash;
use std::sync::{Arc, LazyLock};

use arrayvec::ArrayVec;
use cached::macros::concurrent_cached;
use larder::{KeyPart, cached};
use quick_cache::sync::Cache as Quick;

use crate::subject::{Subject, Value};
use crate::user::{User, load};

/// A page of a feed: a key of its own type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, KeyPart)]
struct Page {
    feed: u64,
    number: u32,
}

/// Four kibibytes on the heap.
type Large = Vec<u8>;

const BYTES: usize = 4096;

/// The names that are asked for by text: one for each id.
static NAMES: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..crate::trace::IDS).map(|id| format!("name-{id}")).collect());

fn name(id: u64) -> &'static str {
    usize::try_from(id).ok().and_then(|id| NAMES.get(id)).map_or("", String::as_str)
}

fn part(id: u64) -> u32 {
    u32::try_from(id % 7).unwrap_or_default()
}

mod ours {
    use super::{Arc, BYTES, Large, Page, User, cached, load};

    #[cached(ttl = 300, key = "two:<feed>:<number>")]
    pub(super) async fn two(feed: u64, number: u32) -> Arc<User> {
        Arc::new(load(feed + u64::from(number)).await)
    }

    #[cached(ttl = 300, key = "text:<name>")]
    pub(super) async fn text(name: &str) -> Arc<User> {
        Arc::new(load(name.len() as u64).await)
    }

    #[cached(ttl = 300, key = "page:<page>")]
    pub(super) async fn page(page: Page) -> Arc<User> {
        Arc::new(load(page.feed).await)
    }

    #[cached(ttl = 300, key = "copied:<id>")]
    pub(super) async fn copied(id: u64) -> u64 {
        load(id).await.id
    }

    #[cached(ttl = 300, key = "large:<id>")]
    pub(super) async fn large(id: u64) -> Large {
        vec![load(id).await.name.as_bytes()[0]; BYTES]
    }
}

/// Where a key is written.
type Room = ArrayVec<u8, 64>;

/// A key written on the stack, and a map.
struct ByHand<V>(Quick<Box<[u8]>, V>);

impl<V: Clone> ByHand<V> {
    fn new() -> Self {
        Self(Quick::new(1 << 18))
    }

    async fn get<F: Future<Output = V>>(&self, write: impl FnOnce(&mut Room), load: impl FnOnce() -> F) -> V {
        let mut key = Room::new();
        write(&mut key);
        if let Some(value) = self.0.get(&key[..]) {
            return value;
        }
        let value = load().await;
        self.0.insert(key[..].into(), value.clone());
        value
    }
}

static BY_HAND: LazyLock<ByHand<Arc<User>>> = LazyLock::new(ByHand::new);
static COPIED_BY_HAND: LazyLock<ByHand<u64>> = LazyLock::new(ByHand::new);
static LARGE_BY_HAND: LazyLock<ByHand<Large>> = LazyLock::new(ByHand::new);

/// All of them are shorter than the room for them.
fn push(room: &mut Room, bytes: &[u8]) {
    assert!(room.try_extend_from_slice(bytes).is_ok(), "a short key");
}

/// `prefix`, and numbers with a colon between.
fn numbers(room: &mut Room, prefix: &[u8], numbers: &[u64]) {
    push(room, prefix);
    for number in numbers {
        push(room, b":");
        push(room, itoa::Buffer::new().format(*number).as_bytes());
    }
}

mod sharded {
    use super::{Arc, BYTES, Large, Page, User, concurrent_cached, load};

    #[concurrent_cached]
    pub(super) async fn two(feed: u64, number: u32) -> Arc<User> {
        Arc::new(load(feed + u64::from(number)).await)
    }

    #[concurrent_cached(key = "String", convert = { name.to_owned() })]
    pub(super) async fn text(name: &str) -> Arc<User> {
        Arc::new(load(name.len() as u64).await)
    }

    #[concurrent_cached]
    pub(super) async fn page(page: Page) -> Arc<User> {
        Arc::new(load(page.feed).await)
    }

    #[concurrent_cached]
    pub(super) async fn copied(id: u64) -> u64 {
        load(id).await.id
    }

    #[concurrent_cached]
    pub(super) async fn large(id: u64) -> Large {
        vec![load(id).await.name.as_bytes()[0]; BYTES]
    }
}

/// What is cached, and who does it: ours, by hand, `cached`.
#[derive(Debug)]
pub struct Kind {
    /// As the table shows it.
    pub name: &'static str,
    /// Ours first, then what one would write by hand.
    pub subjects: [Subject; 3],
}

/// Every kind, beside that of the hit's own table.
#[must_use]
pub fn kinds() -> Vec<Kind> {
    super::ours::install();
    let user = |id| async move { Arc::new(load(id).await) };
    let first = |id| async move { load(id).await.id };
    let kind = |name, value, ours, by_hand, sharded| {
        let subjects: [Subject; 3] = [ours, by_hand, sharded];
        debug_assert!(subjects.iter().all(|subject| subject.value == value));
        Kind { name, subjects }
    };
    vec![
        kind(
            "two integers → Arc",
            Value::Shared,
            Subject::new("ours", Value::Shared, |id| ours::two(id, part(id))),
            Subject::new("by hand", Value::Shared, move |id| {
                BY_HAND.get(move |room| numbers(room, b"two", &[id, u64::from(part(id))]), move || user(id))
            }),
            Subject::new("cached", Value::Shared, |id| sharded::two(id, part(id))),
        ),
        kind(
            "&str → Arc",
            Value::Shared,
            Subject::new("ours", Value::Shared, |id| ours::text(name(id))),
            Subject::new("by hand", Value::Shared, move |id| {
                let write = move |room: &mut Room| {
                    push(room, b"text:");
                    push(room, name(id).as_bytes());
                };
                BY_HAND.get(write, move || user(id))
            }),
            Subject::new("cached", Value::Shared, |id| sharded::text(name(id))),
        ),
        kind(
            "struct of two → Arc",
            Value::Shared,
            Subject::new("ours", Value::Shared, |feed| ours::page(Page { feed, number: part(feed) })),
            Subject::new("by hand", Value::Shared, move |id| {
                BY_HAND.get(move |room| numbers(room, b"page", &[id, u64::from(part(id))]), move || user(id))
            }),
            Subject::new("cached", Value::Shared, |feed| sharded::page(Page { feed, number: part(feed) })),
        ),
        kind(
            "u64 → u64, copied",
            Value::Owned,
            Subject::new("ours", Value::Owned, ours::copied),
            Subject::new("by hand", Value::Owned, move |id| {
                COPIED_BY_HAND.get(move |room| numbers(room, b"copied", &[id]), move || first(id))
            }),
            Subject::new("cached", Value::Owned, sharded::copied),
        ),
        kind(
            "u64 → 4 KiB, cloned",
            Value::Owned,
            Subject::new("ours", Value::Owned, ours::large),
            Subject::new("by hand", Value::Owned, move |id| {
                LARGE_BY_HAND.get(
                    move |room| numbers(room, b"large", &[id]),
                    move || async move { vec![load(id).await.name.as_bytes()[0]; BYTES] },
                )
            }),
            Subject::new("cached", Value::Owned, sharded::large),
        ),
    ]
}
