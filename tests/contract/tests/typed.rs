//! §3 and §4: companions and typed targets, as a user of several modules writes them.
#![cfg(feature = "memory")]

use std::sync::atomic::{AtomicU64, Ordering};

use larder::{Any, Cache, Memory, cache_invalidate, cached};

static LOADS: AtomicU64 = AtomicU64::new(0);

/// A number that no other load gets.
fn load() -> u64 {
    LOADS.fetch_add(1, Ordering::SeqCst) + 1
}

async fn scoped<F: Future>(future: impl FnOnce(Cache) -> F) -> F::Output {
    let cache = Cache::builder().local(Memory::new(100)).build();
    cache.scope(future(cache.clone())).await
}

mod users {
    use larder::cached;

    #[derive(Clone)]
    pub struct User {
        pub id: u64,
        pub name: String,
    }

    #[cached(ttl = 300, key = "user:<id>")]
    pub async fn get_user(id: u64) -> Result<u64, String> {
        if id == 0 { Err("nobody".to_owned()) } else { Ok(super::load()) }
    }

    #[cached(ttl = 300, key = "user:<id>:feed:<page>")]
    pub async fn feed(id: u64, page: u32) -> u64 {
        super::load()
    }

    #[cached(ttl = 300, key = "user:named:<name>")]
    pub async fn by_name(name: &str) -> u64 {
        super::load()
    }
}

use users::{User, by_name, feed, get_user};

struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached(ttl = 300, key = "repo:<self.tenant>:<id>")]
    async fn load(&self, id: u64) -> u64 {
        load()
    }

    #[cached(ttl = 300, key = "repos:<id>")]
    async fn count(id: u64) -> u64 {
        load()
    }

    #[cache_invalidate(get_user(user.id), feed(user.id, _), self.load(user.id), Self::count(user.id))]
    async fn save(&self, user: &User) -> Result<(), String> {
        Err("it may be committed all the same".to_owned())
    }

    #[cache_invalidate(self.load(_), Repo::count(_), users::by_name(_))]
    async fn clear(&mut self) {}
}

#[cache_invalidate(get_user(result.id), by_name(result.name.as_str()), on_ok)]
async fn create(name: &str) -> Result<User, String> {
    if name.is_empty() { Err("no name".to_owned()) } else { Ok(User { id: 1, name: name.to_owned() }) }
}

fn user(id: u64) -> User {
    User { id, name: "ada".to_owned() }
}

#[tokio::test]
async fn a_typed_target_reaches_what_its_arguments_name() {
    scoped(|_| async {
        let repo = Repo { tenant: 7 };
        let read = async || {
            (
                get_user(1).await.unwrap(),
                feed(1, 1).await,
                feed(1, 2).await,
                repo.load(1).await,
                Repo::count(1).await,
            )
        };
        let others =
            async || (get_user(2).await.unwrap(), feed(2, 1).await, repo.load(2).await, Repo::count(2).await);
        let (before, untouched) = (read().await, others().await);
        assert_eq!(read().await, before);

        repo.save(&user(1)).await.unwrap_err();
        let after = read().await;
        assert!(after.0 != before.0 && after.1 != before.1 && after.2 != before.2 && after.3 != before.3);
        assert_ne!(after.4, before.4);
        assert_eq!(others().await, untouched);
    })
    .await;
}

#[tokio::test]
async fn an_underscore_is_every_value() {
    scoped(|_| async {
        let mut repo = Repo { tenant: 7 };
        let other = Repo { tenant: 8 };
        let before = (repo.load(1).await, repo.load(2).await, Repo::count(1).await, by_name("ada").await);
        let elsewhere = (other.load(1).await, get_user(1).await.unwrap());
        repo.clear().await;
        let after = (repo.load(1).await, repo.load(2).await, Repo::count(1).await, by_name("ada").await);
        assert!(after.0 != before.0 && after.1 != before.1 && after.2 != before.2 && after.3 != before.3);
        assert_eq!((other.load(1).await, get_user(1).await.unwrap()), elsewhere);
    })
    .await;
}

#[tokio::test]
async fn a_typed_target_may_read_the_result() {
    scoped(|_| async {
        let before = (get_user(1).await.unwrap(), by_name("ada").await);
        create("").await.map(|user| user.id).unwrap_err();
        assert_eq!((get_user(1).await.unwrap(), by_name("ada").await), before);
        create("ada").await.map(|user| user.id).unwrap();
        let after = (get_user(1).await.unwrap(), by_name("ada").await);
        assert!(after.0 != before.0 && after.1 != before.1);
    })
    .await;
}

#[tokio::test]
async fn a_companion_writes_keys_and_goes_around_the_cache() {
    // The type comes along with the function, under its new name too.
    use users::get_user as fetch;

    scoped(|cache| async move {
        let id = &3;
        assert_eq!(fetch::key(id), fetch::key(*id));
        assert_eq!(fetch::key(3).as_str(), "user:3");
        assert_eq!(fetch::pattern(Any).as_str(), "user:*");
        assert_eq!(feed::pattern(3, Any).as_str(), "user:3:feed:*");
        assert_eq!(by_name::key("a b"), by_name::key(String::from("a b")));
        assert_eq!(Repo { tenant: 7 }.load_pattern(Any).as_str(), "repo:7:*");
        assert_eq!(Repo::count_key(1).as_str(), "repos:1");

        let stored = fetch(3).await.unwrap();
        assert_eq!(cache.get::<u64>(fetch::key(3)).await.unwrap(), Some(stored));
        assert_ne!(fetch::uncached(3).await.unwrap(), stored, "the body ran");
        assert_eq!(fetch(3).await.unwrap(), stored, "and stored nothing");

        let fresh = fetch::refresh(3).await.unwrap();
        assert_ne!(fresh, stored);
        assert_eq!(fetch(3).await.unwrap(), fresh);
        fetch::refresh(0).await.unwrap_err();

        cache.invalidate(fetch::pattern(Any)).await.unwrap();
        assert_ne!(fetch(3).await.unwrap(), fresh);
    })
    .await;
}

#[tokio::test]
async fn a_function_may_be_cached_inside_of_a_test() {
    #[cached(ttl = 300)]
    async fn here(id: u64) -> u64 {
        load()
    }

    scoped(|_| async {
        assert_eq!(here(1).await, here(1).await);
        assert_ne!(here(1).await, here(2).await);
    })
    .await;
}
