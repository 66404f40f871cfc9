//! Passwords, key arguments and values are in no log, no error and no `Debug`, whatever the server does. The other tests
//! of Redis use marked ones too (`tests::secrets`); here every verb meets every kind of trouble.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_core::store::{Append, Claim, Expect, Position, Put, Reader, RemoteStore, Token};
use larder::{Cache, Error, Memory, Redis, Tag, cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use tests::proxy::{Fault, Proxy};
use tests::redis::Server;
use tests::secrets::{MARK, assert_kept, clean, seen};

const TTL: Duration = Duration::from_secs(60);
const PASSWORD: &str = "canary-password";

/// A store that waits for nothing long.
fn hasty(url: &str, password: &str) -> Redis {
    let deadline = Duration::from_millis(60);
    let builder = Redis::builder().url(url).password(password);
    builder.read_deadline(deadline).write_deadline(deadline).invalidate_deadline(deadline).build().unwrap()
}

/// Uses every verb of `store`, and looks through every error. How many there were.
async fn use_all(store: &Redis) -> usize {
    let (name, scopes) = ("shop:canary-name", ["{larder:shop}:g:p:canary-scope:".to_owned()]);
    let (names, token) = ([name.to_owned()], Token(*b"canary-token-16b"));
    let asked = [(name.to_owned(), scopes.to_vec())];
    let put = Put { name, scopes: &scopes, value: b"canary-value", ttl: TTL };
    let claim = Claim { reject: Some(b"canary-beginning"), ..Claim::new(token, TTL) };
    let same = Expect::Same(b"canary-value");
    let records = [b"canary-record".to_vec()];
    let append = Append { log: "{larder:shop}:canary-log", records: &records, replicas: 0 };
    let reader = Reader { name: token, trusts_for: TTL };
    let position = Position { epoch: [1; 16], sequence: 1 };
    let outcomes: [Result<(), Error>; 15] = [
        store.fetch(name, &scopes, None).await.map(drop),
        store.fetch(name, &scopes, Some(claim)).await.map(drop),
        store.fetch_many(&asked).await.map(drop),
        store.publish(put, Expect::Lease(token)).await.map(drop),
        store.publish(put, same).await.map(drop),
        store.put_many(&[put]).await,
        store.invalidate(&names, &scopes, Some(append)).await.map(drop),
        store.news("{larder:shop}:canary-log", None, reader).await.map(drop),
        store.is_heard("{larder:shop}:canary-log", position, Duration::ZERO).await.map(drop),
        store.abandon(name, token).await,
        store.expire(name, TTL).await.map(drop),
        store.lock(name, token, TTL).await.map(drop),
        store.extend_lock(name, token, TTL).await.map(drop),
        store.unlock(name, token).await.map(drop),
        store.health().await.map(drop),
    ];
    assert!(!format!("{store:?} {store:#?}").contains(MARK));
    outcomes.into_iter().filter_map(Result::err).map(clean).count()
}

/// What a server, or whoever sits in between, may answer to anything.
fn troubles() -> Vec<(&'static str, Fault)> {
    let said = "canary-name canary-value canary-password";
    let refusal = |code: &str| Fault::Replace(format!("-{code} {said}\r\n").repeat(4).into_bytes());
    vec![
        ("silence", Fault::Swallow),
        ("half an answer", Fault::CutAfter(3)),
        ("a flipped bit", Fault::Flip(0)),
        ("ERR", refusal("ERR unknown command 'canary', with args beginning with:")),
        ("NOPERM", refusal("NOPERM No permissions to access a key")),
        ("WRONGTYPE", refusal("WRONGTYPE")),
        ("OOM", refusal("OOM")),
        ("READONLY", refusal("READONLY")),
        ("MOVED", refusal("MOVED 1234 canary-host:1")),
        ("a code that is none", refusal("canary-code")),
        ("text", Fault::Replace(format!("{said}\r\n").into_bytes())),
        ("a number that is none", Fault::Replace(format!(":{said}\r\n").into_bytes())),
        ("a status", Fault::Replace(format!("+{said}\r\n").repeat(4).into_bytes())),
        ("bytes", Fault::Replace(format!("${}\r\n{said}\r\n", said.len()).repeat(4).into_bytes())),
        ("a list", Fault::Replace(format!("*1\r\n+{said}\r\n").repeat(4).into_bytes())),
    ]
}

#[tokio::test]
async fn no_verb_shows_a_secret_whatever_is_answered() {
    let server = Server::start_with(&["--requirepass", PASSWORD]);
    for (what, fault) in troubles() {
        let proxy = Proxy::before(server.port()).await;
        let store = hasty(&proxy.url(), PASSWORD);
        use_all(&store).await;
        proxy.replies(fault);
        let failed = use_all(&store).await;
        // What ends with its connection is asked again on another.
        assert!(failed > 0 || what == "half an answer", "{what} is no trouble");
        proxy.cut();
        use_all(&store).await;
    }
    for (what, url, password) in [
        ("a wrong password", server.url(), "canary-wrong"),
        ("nobody there", format!("redis://127.0.0.1:{}", tests::redis::free_port()), PASSWORD),
        ("a database that is not there", format!("{}/77", server.url()), PASSWORD),
        ("a user that is not there", server.url_with("canary-user:canary-wrong"), "canary-wrong"),
    ] {
        assert_eq!(use_all(&hasty(&url, password)).await, 15, "{what}");
        drop(clean(Redis::builder().url(&url).password(password).connect().await.expect_err(what)));
    }
    for url in ["canary-password@host", "redis://canary-password@host", "redis://u:canary@pass@host:x"] {
        drop(clean(Redis::open(url).expect_err(url)));
    }
    assert!(seen() > 20, "the log was looked through");
    assert_kept();
}

/// A value that decodes or not as the test likes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Item(String);

#[derive(Clone)]
struct Shop {
    cache: Cache,
    fails: Arc<AtomicBool>,
}

impl Shop {
    #[cached(ttl = 300, stale = 300, key = "item:<name>", tags = ["shelf:<name>"], skip(self), cache = self.cache)]
    async fn item(&self, name: &str) -> Result<Item, String> {
        if self.fails.load(Ordering::SeqCst) {
            Err("down".to_owned())
        } else {
            Ok(Item("canary-value".into()))
        }
    }

    #[cached(ttl = 300, key = "items:<name>", each(name in names), skip(self), cache = self.cache)]
    async fn items(&self, names: &[String]) -> std::collections::HashMap<String, Item> {
        names.iter().map(|name| (name.clone(), Item("canary-value".into()))).collect()
    }

    #[cache_invalidate("item:<name>", tags = ["shelf:<name>"], cache = self.cache)]
    async fn change(&self, name: &str) {
        let _ = name;
    }
}

/// Uses all of a cache, and looks through all that it shows.
async fn use_cache(shop: &Shop) {
    let cache = &shop.cache;
    let _ = shop.item("canary-argument").await;
    shop.items(&["canary-argument".to_owned(), "canary-other".to_owned()]).await;
    shop.change("canary-argument").await;
    let key = "manual:canary-key";
    let item = Item("canary-value".to_owned());
    let outcomes = [
        cache.set(key, &item, TTL).await.map(drop),
        cache.get::<Item>(key).await.map(drop),
        cache.get::<u64>(key).await.map(drop),
        cache.increment(key, 1).await.map(drop),
        cache.set_if_absent(key, &item, TTL).await.map(drop),
        cache.get_many::<Item>([key]).await.map(drop),
        cache.expire(key, TTL).await.map(drop),
        cache.ttl(key).await.map(drop),
        cache.exists(key).await.map(drop),
        cache.try_lock("canary-lock", TTL).await.map(|lock| assert!(!format!("{lock:?}").contains(MARK))),
        cache.invalidate(Tag::from("shelf:canary-argument")).await.map(drop),
        cache.invalidate("item:canary-*").await.map(drop),
        cache.delete(key).await.map(drop),
        cache.clear().await.map(drop),
    ];
    outcomes.into_iter().filter_map(Result::err).map(clean).for_each(drop);
    let shown = format!("{cache:?} {cache:#?} {:?} {:?}", cache.stats(), cache.health().await);
    assert!(!shown.contains(MARK), "{shown}");
}

#[tokio::test]
async fn no_cache_shows_a_secret_whatever_its_server_does() {
    let server = Server::start_with(&["--requirepass", PASSWORD]);
    for near in [false, true] {
        for (_, fault) in troubles() {
            let proxy = Proxy::before(server.port()).await;
            let mut builder = Cache::builder().namespace("shop").remote(hasty(&proxy.url(), PASSWORD));
            if near {
                builder = builder.local(Memory::new(100));
            }
            let shop = Shop { cache: builder.build(), fails: Arc::default() };
            use_cache(&shop).await;
            proxy.replies(fault);
            use_cache(&shop).await;
            shop.fails.store(true, Ordering::SeqCst);
            use_cache(&shop).await;
            proxy.heal();
            use_cache(&shop).await;
        }
        server.tell::<()>(&["FLUSHALL"]);
    }
    // What others have written under our names.
    let shop = Shop {
        cache: Cache::builder().namespace("shop").remote(hasty(&server.url(), PASSWORD)).build(),
        fails: Arc::default(),
    };
    for foreign in ["Vcanary-value", "Pcanary-value", "canary-value", "VLDR\u{1}canary-value"] {
        server.tell::<()>(&["SET", "shop:item:canary-argument", foreign]);
        server.tell::<()>(&["SET", "shop:manual:canary-key", foreign]);
        use_cache(&shop).await;
    }
    assert!(seen() > 20, "the log was looked through");
    assert_kept();
}
