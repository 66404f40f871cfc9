#![deny(warnings)]

use larder::{Named, cache_invalidate, cached};

static SESSIONS: Named = Named::new("sessions");

#[derive(Clone)]
struct User {
    id: u64,
    name: String,
    team: u64,
}

#[cached(key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    id
}

#[cached(key = "feed:<id>:<page>")]
async fn feed(id: u64, page: u32) -> u64 {
    id + u64::from(page)
}

#[cached(key = "named:<name>")]
async fn by_name(name: &str) -> String {
    name.to_owned()
}

mod posts {
    #[larder::cached(key = "post:<id>")]
    pub async fn get(id: u64) -> u64 {
        id
    }
}

struct Repo;

impl Repo {
    #[cached(key = "repo:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id
    }

    #[cached(key = "count:<id>")]
    async fn count(id: u64) -> u64 {
        id
    }

    #[cache_invalidate(self.load(user.id), self.load(_), Self::count(user.id), Self::count(_), Repo::count(1))]
    async fn save(&mut self, user: User) -> Result<(), String> {
        drop(user);
        Ok(())
    }
}

#[cache_invalidate(
    "user:<user.id>",
    "user:<user.id>:*",
    "user:*",
    get_user(user.id),
    feed(user.id, _),
    by_name(user.name),
    by_name(&*user.name),
    posts::get(user.id + 1),
    get_user(42),
    tags = ["team:<user.team>", "users"],
)]
async fn save(user: User) -> Result<User, String> {
    Ok(user)
}

#[cache_invalidate("user:<result.id>", "team:<team>:<result.name>", get_user(result.id), tags = ["team:<result.team>"])]
async fn create(team: String) -> Result<User, String> {
    Ok(User { id: 1, name: team, team: 2 })
}

#[cache_invalidate("count:<result>", cache = SESSIONS)]
async fn count() -> Option<u64> {
    Some(1)
}

#[cache_invalidate("user:<id>", on_ok, when = id > 1)]
async fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

#[cache_invalidate(tags = ["users"])]
async fn only_tags() {}

#[tokio::main]
async fn main() {
    let user = User { id: 1, name: "a".to_owned(), team: 2 };
    assert_eq!(get_user(1).await, 1);
    assert_eq!(feed(1, 2).await, 3);
    assert_eq!(by_name("a").await, "a");
    assert_eq!(posts::get(1).await, 1);
    assert_eq!(Repo.load(1).await, Repo::count(1).await);
    assert!(Repo.save(user.clone()).await.is_ok());
    assert!(save(user).await.is_ok());
    assert!(create("a".to_owned()).await.is_ok());
    assert_eq!(count().await, Some(1));
    assert!(rename(1).await.is_err());
    only_tags().await;
}
