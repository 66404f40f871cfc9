//! §5: building a cache, and the operations with keys given by hand.
#![cfg(feature = "memory")]

use std::time::Duration;

use larder::{Cache, Codec, ErrorKind, Key, Memory, Pattern, Stats, Tag};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::test]
async fn building_and_installing() -> Outcome {
    let builder = Cache::builder()
        .namespace("shop")
        .local(Memory::builder().max_entries(100_000).max_bytes(256 << 20).build());
    #[cfg(feature = "redis")]
    let builder = builder.remote(larder::Redis::open("redis://127.0.0.1:6379/0")?);
    let cache = builder
        .default_ttl(Duration::from_secs(300))
        .jitter(0.1)
        .max_staleness(Duration::from_secs(2))
        .codec(Codec::Json)
        .build();
    assert_eq!(cache.namespace(), "shop");
    cache.install()?;
    let again = Cache::builder().build().install();
    assert!(again.is_err(), "an error gives it back if there is one");
    assert_eq!(Cache::global().namespace(), "shop");
    Ok(())
}

#[tokio::test]
async fn the_manual_api() -> Outcome {
    let cache = Cache::builder().local(Memory::new(100_000)).build();
    let (key, ttl, value) = ("user:42", Duration::from_secs(60), "Ada".to_owned());

    assert_eq!(cache.get::<String>(key).await?, None);
    cache.set(key, &value, ttl).await?;
    assert_eq!(cache.get::<String>(String::from(key)).await?, Some(value.clone()));
    assert_eq!(cache.get::<u64>(Key::from(key)).await?, None, "another type is a miss");

    cache.set_many([("a", &1_u64), ("b", &2)], ttl).await?;
    assert_eq!(cache.get_many::<u64>(["a", "x", "b"]).await?, [Some(1), None, Some(2)]);

    assert!(!cache.set_if_absent("a", &9_u64, ttl).await?);
    assert!(cache.set_if_absent("c", &9_u64, ttl).await?);
    assert!(cache.exists("c").await?);
    assert!(cache.delete("c").await?);
    assert!(!cache.delete("c").await?);

    assert!(cache.ttl("a").await?.is_some_and(|left| left <= ttl));
    assert!(cache.expire("a", Duration::from_secs(5)).await?);
    assert!(cache.ttl("a").await?.is_some_and(|left| left <= Duration::from_secs(5)));
    assert!(!cache.expire("x", ttl).await?);

    let loaded: Result<u64, std::io::Error> = cache.get_or_load("lazy", ttl, || async { Ok(7) }).await;
    assert_eq!(loaded?, 7);

    let _ = cache.invalidate(Key::from("a")).await?;
    let _ = cache.invalidate(Pattern::from("user:*")).await?;
    let _ = cache.invalidate(Tag::from("nobody")).await?;
    let _ = cache.invalidate("lazy").await?;
    assert_eq!(cache.get_many::<u64>(["a", "b", "lazy"]).await?, [None, Some(2), None]);
    assert_eq!(cache.get::<String>(key).await?, None);
    let _ = cache.clear().await?;
    assert!(!cache.exists("b").await?);

    let stats: Stats = cache.stats();
    assert_eq!(stats.hits, stats.local_hits + stats.remote_hits);
    assert!(stats.hit_ratio() > 0.0 && stats.loads == 1 && stats.invalidations > 0);
    Ok(())
}

#[tokio::test]
async fn a_scope_of_its_own() -> Outcome {
    let cache = Cache::builder().namespace("mine").local(Memory::new(10)).build();
    assert_eq!(cache.scope(async { Cache::global().namespace().to_owned() }).await, "mine");
    cache.set_enabled(false);
    assert!(!cache.is_enabled());
    Ok(())
}

#[test]
fn the_environment() {
    // Nothing is set where the tests run: memory if it is there.
    let cache = larder::from_env().unwrap();
    assert_eq!(cache.namespace(), "larder");
    assert_eq!(larder::from_env_with_prefix("SESSIONS").unwrap().namespace(), "sessions");
    let error = larder::Error::new(ErrorKind::Config, "…");
    assert!(!error.is_temporary());
}
