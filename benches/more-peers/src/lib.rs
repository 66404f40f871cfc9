//! The peers' attributes, and wrappers of functions, that keep values on Redis: one subject each, with nothing in this
//! process where a peer can have both. Who is compared, and who cannot be, is in `benches/RESULTS.md`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use benches::reads::{Subject, load};
use benches::user::User;

/// Longer than any benchmark.
const TTL: Duration = Duration::from_hours(10);

/// The subjects, connected with the server at `url`. It is also put into this process's environment, for `kash`.
///
/// # Panics
///
/// If a peer cannot be set up.
pub async fn subjects(url: &str) -> Vec<Subject> {
    let mut subjects = vec![
        hitbox(url),
        accelerator(url),
        cachekit(url).await,
        fnct(url).await,
        multi_tier_cache(url).await,
        summer(url).await,
    ];
    #[cfg(feature = "openssl")]
    subjects.push(with_openssl::kash(url));
    #[cfg(not(feature = "openssl"))]
    println!("kash is left out: its Redis needs OpenSSL (`--features openssl`)");
    // The order of the tables is that of the names.
    subjects.sort_by_key(|subject| subject.name);
    subjects
}

/// Bincode.
fn hitbox(url: &str) -> Subject {
    use hitbox::policy::PolicyConfig;
    use hitbox_fn::prelude::*;
    use hitbox_redis::{ConnectionMode, RedisBackend};

    /// The derive wants to stand where the type does.
    #[derive(Clone, serde::Serialize, serde::Deserialize, CacheableResponse)]
    struct Answer {
        user: User,
    }

    #[cached]
    async fn user(id: u64) -> Result<Answer, ()> {
        Ok(Answer { user: load(id).await })
    }

    let backend = RedisBackend::builder().connection(ConnectionMode::single(url)).build().expect("a backend");
    let policy = PolicyConfig::builder().ttl(TTL).build();
    let cache = Rc::new(Cache::builder().backend(backend).policy(policy).build());
    Subject::new("hitbox-fn 0.2 #[cached] on Redis", move |id| {
        let cache = Rc::clone(&cache);
        async move { user(id).cache(&*cache).await.expect("an answer").user }
    })
}

/// JSON.
fn accelerator(url: &str) -> Subject {
    use accelerator::builder::LevelCacheBuilder;
    use accelerator::config::CacheMode;
    use accelerator::macros::cacheable;
    use accelerator::{CacheResult, LevelCache, remote};

    struct Users {
        cache: LevelCache<u64, User>,
    }

    impl Users {
        #[cacheable(cache = self.cache, key = id)]
        async fn get(&self, id: u64) -> CacheResult<Option<User>> {
            Ok(Some(load(id).await))
        }
    }

    let remote = remote::redis::<User>().url(url).key_prefix("accelerator").build().expect("a backend");
    let builder = LevelCacheBuilder::<u64, User>::new().area("user").mode(CacheMode::Remote).remote(remote);
    let users = Rc::new(Users { cache: builder.remote_ttl(TTL).build().expect("a cache") });
    Subject::new("accelerator 0.1 #[cacheable] on Redis", move |id| {
        let users = Rc::clone(&users);
        async move { users.get(id).await.expect("an answer") }
    })
}

/// `MessagePack`. It is built without its level in this process, and without what sheds reads when many are under way:
/// then it calls the body.
async fn cachekit(url: &str) -> Subject {
    use cachekit::prelude::*;

    #[cachekit(client = cache, ttl = 36_000, interop = "user", namespace = "cachekit")]
    async fn user(cache: &CacheKit, id: u64) -> Result<User, CachekitError> {
        Ok(load(id).await)
    }

    let cache = CacheKit::minimal(url).await.and_then(CacheKitBuilder::build).expect("a cache");
    let cache = Rc::new(cache);
    Subject::new("cachekit-rs 0.13 #[cachekit] on Redis", move |id| {
        let cache = Rc::clone(&cache);
        async move { user(&cache, id).await.expect("an answer") }
    })
}

/// Postcard.
async fn fnct(url: &str) -> Subject {
    use fnct::backend::AsyncRedisBackend;
    use fnct::format::PostcardFormatter;
    use fnct::{AsyncCache, keyfn};
    use redis_0_26::Client;

    keyfn!(user(id: u64));

    let client = Client::open(url).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let backend = AsyncRedisBackend::new(connection, "fnct".to_owned());
    let cache = Rc::new(AsyncCache::new(backend, PostcardFormatter, TTL));
    Subject::new("fnct 0.6, a wrapped function on Redis", move |id| {
        let cache = Rc::clone(&cache);
        async move { cache.cached(user(id), &[], None, || load(id)).await.expect("an answer") }
    })
}

/// JSON.
async fn multi_tier_cache(url: &str) -> Subject {
    use multi_tier_cache::{CacheStrategy, CacheSystemBuilder, RedisCache, TierConfig};

    let redis = Arc::new(RedisCache::with_url(url).await.expect("a backend"));
    let builder = CacheSystemBuilder::new().with_tier(redis, TierConfig::as_l1());
    let cache = Arc::clone(builder.build().await.expect("a cache").cache_manager());
    Subject::new("multi-tier-cache 0.6, a wrapped function on Redis", move |id| {
        let cache = Arc::clone(&cache);
        async move {
            let (key, strategy) = (format!("multi-tier-cache:{id}"), CacheStrategy::Custom(TTL));
            let user = cache.get_or_compute_typed(&key, strategy, || async { Ok(load(id).await) });
            user.await.expect("an answer")
        }
    })
}

/// JSON. Its connection is that of a program of its framework, and this switches on a log for all in the process: here it
/// is kept off, or everybody would pay for it.
async fn summer(url: &str) -> Subject {
    use summer::{App, tracing};
    use summer_redis::{RedisPlugin, cache};
    use tracing::level_filters::LevelFilter;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[cache("summer:{id}", expire = 36_000)]
    async fn user(id: u64) -> User {
        load(id).await
    }

    let silence = tracing_subscriber::registry().with(LevelFilter::OFF);
    tracing::subscriber::set_global_default(silence).expect("nobody has a log yet");
    let settings = format!("[logger]\nenable = false\n[redis]\nuri = \"{url}\"");
    App::new().use_config_str(&settings).add_plugin(RedisPlugin).build().await.expect("a program");
    tracing::callsite::rebuild_interest_cache();
    log::set_max_level(log::LevelFilter::Off);
    assert_eq!(LevelFilter::current(), LevelFilter::OFF, "nobody pays for a log");
    Subject::new("summer-redis 0.7 #[cache]", user)
}

#[cfg(feature = "openssl")]
mod with_openssl {
    use kash::{RedisCacheError, kash};

    use super::{Subject, User, load};

    #[kash(redis(prefix_block = "{ \"user:\" }"), ttl = "36_000")]
    async fn user(id: u64) -> Result<User, RedisCacheError> {
        Ok(load(id).await)
    }

    /// `MessagePack`.
    pub(super) fn kash(url: &str) -> Subject {
        let address = format!("KASH_REDIS_CONNECTION_STRING={url}");
        dotenvy::from_read(address.as_bytes()).expect("an environment");
        Subject::new("kash 0.7 #[kash(redis)]", |id| async move { user(id).await.expect("an answer") })
    }
}
