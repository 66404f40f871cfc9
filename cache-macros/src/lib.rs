//! The attributes of larder: `#[cached]`, `#[cache_invalidate]`, `#[cache_put]` and `#[derive(KeyPart)]`.
//!
//! Entry points and the user's documentation. Everything is parse → check → expand, each in its own file; nothing
//! here knows the runtime beyond the names that expansions write. Depend on `larder`, which re-exports all of it.

// What is said goes to `tracing`, where whoever runs the program hears it and where tests look for secrets.
#![deny(clippy::dbg_macro, clippy::print_stderr, clippy::print_stdout)]

mod args;
mod check;
mod diagnose;
mod expand;
mod function;
mod place;
mod template;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Caches what an async function returns.
///
/// ```
/// use larder::cached;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug)] struct DbError;
/// # mod db { pub async fn load(id: u64) -> Result<super::User, super::DbError> { Ok(super::User { id }) } }
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct User {
///     id: u64,
/// }
///
/// #[cached(ttl = 300, key = "user:<id>")]
/// async fn get_user(id: u64) -> Result<User, DbError> {
///     db::load(id).await
/// }
/// # fn main() {}
/// ```
///
/// What is stored is decided by the return type, through aliases too: `T` whole, of `Result<T, E>` only `Ok`, of
/// `Option<T>` only `Some`, of `Result<Option<T>, E>` only `Ok(Some)`. `T` is `Clone + Serialize + DeserializeOwned`,
/// or `Clone` with `local`. Overlapping calls of one key share one load, and a failure of the cache is never the
/// caller's error: the body runs.
///
/// The function may be free, a method (`&self`, `self: Arc<Self>`), associated, generic, a trait's or under
/// `#[async_trait]`. Attributes, visibility and documentation stay, and the body is there once, with nothing else in
/// its scope. Of two attributes the lower one sees each call and the upper one each load: `#[instrument]` below
/// `#[cached]` opens a span for hits too, above it for loads alone.
///
/// # Templates
///
/// ```text
/// template  = segment { segment }
/// segment   = literal | "<" path [ ":" formatter ] ">"
/// path      = argument { "." field }
/// argument  = a parameter's name | "self" | a generic parameter's name
/// field     = a field's name | a tuple index
/// formatter = "hash" | "lower"
/// ```
///
/// - Every argument, `self`, and every type or const parameter is in the key or in `skip(…)`: two calls that differ in
///   something else would share an entry.
/// - A placeholder's type implements `KeyPart`. `:hash` takes any `Serialize` value and `:lower` any `AsRef<str>`.
/// - Between two placeholders stands a `:` or a brace, which values never write: different arguments, different keys.
/// - Without `key`, the key is the function's path and every argument that is not skipped.
///
/// ```
/// use larder::cached;
/// # use std::collections::HashMap;
/// # struct Page { number: u32, size: u32 }
///
/// #[cached(key = "posts:<page.number>:<page.size>:<range.0>:<range.1>")]
/// async fn posts(page: &Page, range: (u32, u32)) -> Vec<String> {
///     vec![]
/// }
///
/// #[cached(key = "search:<tenant:lower>:<filter:hash>")]
/// async fn search(tenant: &str, filter: &HashMap<String, f64>) -> Vec<String> {
///     vec![]
/// }
///
/// // Braces are literal; around a placeholder they are a hash tag of Redis Cluster.
/// #[cached(key = "{<id>}:history:<N>")]
/// async fn history<const N: usize>(id: u64) -> Vec<u64> {
///     vec![id; N]
/// }
///
/// assert_eq!(search::key("ACME", &HashMap::new()).as_str().split(':').nth(1), Some("acme"));
/// assert_eq!(history::key::<3>(7).as_str(), "{7}:history:3");
/// ```
///
/// # Options
///
/// | option | form | meaning |
/// |---|---|---|
/// | `key` | `"user:<id>"` | the template of the key |
/// | `ttl` | `300` (seconds), `"5m"`, an expression of type `Duration`, or <code>&#124;value&#124; expr</code> | how long an entry is fresh; absent: the cache's `default_ttl` |
/// | `none_ttl` | `5`, `"5s"` or an expression | keep `None` and `Ok(None)` for so long; absent: they are not stored |
/// | `stale` | as `ttl` | after `ttl`, for so much longer, answer with the old value while one background call refreshes it |
/// | `stale_if` | <code>&#124;error&#124; bool</code> | which errors deserve the stale value; absent: all |
/// | `timeout` | as `none_ttl` | with a stale value at hand, wait so long for a reload, which goes on in the background |
/// | `early` | `true` or a factor such as `1.5` | refresh a little before the end, at random, by the measured load time |
/// | `tags` | `["team:<team>", "users"]`, `auto`, or both: `["team:<team>", auto]` | names to invalidate by; `auto`: the tables and rows that the body reads |
/// | `each` | `each(id in ids)` | one entry for each item of a slice argument; the body gets those that are missing |
/// | `skip` | `skip(db, self)` | arguments that do not change the answer |
/// | `when` | an expression over the arguments | false: this call goes past the cache |
/// | `unless` | <code>&#124;value&#124; bool</code> | true: the value is returned and not stored |
/// | `lock` | flag, or as `none_ttl` | across processes too, one caller computes and the others wait for its value, so long at most; then they compute |
/// | `max_staleness` | `2` or `"500ms"` | how long after an invalidation in another process this one may still serve its local copy, if not for as long as the cache's `max_staleness`, which is the longest |
/// | `local` | flag | the value never leaves the process and needs no serde |
/// | `cache` | a `Cache`, a `Named`, `self.cache` | which cache; absent: the global one |
/// | `version` | an integer | raise it when the meaning of the value changes: older entries are misses |
/// | `shared` | flag | another function has the same template in the same cache, on purpose |
/// | `companion` | `none`, `method`, or a name | see below |
/// | `crate` | a path | where `larder` is, if not at `::larder` |
///
/// ## How long: `ttl`, `none_ttl`
///
/// ```
/// use larder::cached;
/// use std::time::Duration;
/// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// # struct Token { expires_in: u64 }
///
/// const HOUR: Duration = Duration::from_secs(3600);
///
/// #[cached(key = "country:<code>", ttl = HOUR, none_ttl = "30s")]
/// async fn country(code: &str) -> Option<String> {
///     (code == "nz").then(|| "New Zealand".to_owned())
/// }
///
/// // The value says for how long it is good.
/// #[cached(key = "token:<user>", ttl = |token| Duration::from_secs(token.expires_in))]
/// async fn token(user: u64) -> Result<Token, std::io::Error> {
///     Ok(Token { expires_in: 60 })
/// }
/// ```
///
/// ## Which calls, which values: `skip`, `when`, `unless`
///
/// ```
/// use larder::cached;
/// # struct Pool;
///
/// // What only the key or a condition reads is not unused.
/// #[cached(key = "report:<team>", skip(pool, fresh), when = !fresh, unless = |report| report.is_empty())]
/// async fn report(pool: &Pool, team: u64, fresh: bool) -> String {
///     # let _ = pool;
///     String::new()
/// }
/// ```
///
/// ## What else names an entry: `tags`
///
/// ```
/// use larder::{cache_invalidate, cached};
///
/// #[cached(key = "member:<id>", tags = ["team:<team>", "members"], skip(team))]
/// async fn member(id: u64, team: u64) -> String {
///     let city = format!("city {id}");
///     // Known only from the result.
///     larder::tag(format!("city:{city}"));
///     city
/// }
///
/// #[cache_invalidate(tags = ["team:<team>"])]
/// async fn rename_team(team: u64) {}
/// ```
///
/// With `tags = auto` the tags are seen, not named: each table that the body reads through a tracked connection
/// (`larder::sea_orm::Tracked`, feature `sea-orm`), and the rows, where the statement fixes the primary key. What is written
/// through such a connection invalidates them. `tags = ["team:<team>", auto]` adds them to others. A function that says `auto` and
/// asks no tracked connection says so once, at the level WARN.
///
/// ## Where and how it is kept: `cache`, `local`, `version`, `shared`
///
/// ```
/// use larder::{Cache, Named, cached};
/// use std::sync::Arc;
///
/// static SESSIONS: Named = Named::new("sessions");
///
/// #[cached(key = "session:<id>", cache = SESSIONS, version = 2)]
/// async fn session(id: &str) -> String {
///     id.to_owned()
/// }
///
/// struct Users {
///     cache: Cache,
/// }
///
/// impl Users {
///     // Not to be serialised, and a hit clones a pointer.
///     #[cached(key = "parser:<id>", cache = self.cache, skip(self), local)]
///     async fn parser(&self, id: u64) -> Arc<dyn Fn(&str) -> bool + Send + Sync> {
///         Arc::new(move |text| text.len() as u64 > id)
///     }
/// }
///
/// #[cached(key = "account:<id>")]
/// async fn account(id: u64) -> String {
///     id.to_string()
/// }
///
/// // The same entries, from another source.
/// #[cached(key = "account:<id>", shared)]
/// async fn account_from_replica(id: u64) -> String {
///     id.to_string()
/// }
/// ```
///
/// ## Old values: `stale`, `stale_if`, `timeout`, `early`
///
/// ```
/// use larder::cached;
/// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// # struct Rates { euro: u32 }
/// # struct HttpError { status: u16 }
/// # impl HttpError { fn is_temporary(&self) -> bool { self.status == 503 } }
///
/// #[cached(key = "rates:<day>", ttl = "5m", stale = "1h", timeout = "50ms", stale_if = |error| error.is_temporary())]
/// async fn rates(day: u32) -> Result<Rates, HttpError> {
///     Ok(Rates { euro: day })
/// }
///
/// #[cached(key = "front-page", ttl = "5m", early = true)]
/// async fn front_page() -> String {
///     "news".to_owned()
/// }
/// ```
///
/// For an hour after its five minutes the old value is the answer, and one task refreshes it. Without `timeout`
/// callers have it at once; with it they wait so long for what the refresh returns. A refresh that fails with an
/// error that `stale_if` accepts, panics, or takes longer than the cache's `load_limit` keeps the old value and rests
/// for a second, twice as long after each failure in a row, for a minute at most. Any other error ends the
/// window: the next caller loads, and has the error of that load. A refresh that returns what is not stored, as `None`
/// without `none_ttl`, ends it too. `none_ttl` has no window. An invalidated value is no answer, stale or not, and a
/// refresh that began before an invalidation is thrown away.
///
/// `early = true` refreshes in the same way shortly before the end of `ttl` (`XFetch`): the longer a load takes and the
/// more often the value is read, the surer it is that nobody meets its end. A larger factor hurries more.
///
/// A refresh runs in a task of the caller's tokio runtime, of which a cache has 256 at most, and ends with the
/// runtime or the cache. It owns copies of the arguments (`ToOwned`) and runs where the caller's `Cache::scope`
/// holds. It does *not* inherit other task-locals, the load around the call, or the tracing span, which it
/// only follows. Without a runtime the caller itself loads a stale value, as it would a missing one.
///
/// ## One load among processes: `lock`
///
/// ```
/// use larder::cached;
///
/// #[cached(key = "report:<month>", ttl = "1h", stale = "1h", lock = "20s")]
/// async fn report(month: u32) -> String {
///     // a minute of somebody's database
///     month.to_string()
/// }
/// ```
///
/// Callers in one process share a load without it. With `lock` the processes that share a remote store do: one loads,
/// and the others look for its value again and again, every 100 ms at most. They wait for as long as `lock` says, or without a
/// duration as long as the cache lets a load take, and never longer than that; then they load, too, and leave it to the other to store
/// its value. A load that fails, or whose process dies, gives way to the next: at once, or when its lease ends, which is a second
/// after the cache's `load_limit`. A stale value is refreshed by one process. Without a remote store `lock` changes nothing.
///
/// ## Many at once: `each`
///
/// ```
/// use larder::cached;
/// use std::collections::HashMap;
/// # type DbError = std::io::Error;
///
/// #[cached(key = "name:<id>", ttl = "5m", each(id in ids))]
/// async fn names(ids: &[u64]) -> Result<HashMap<u64, String>, DbError> {
///     Ok(ids.iter().map(|id| (*id, format!("user {id}"))).collect())
/// }
/// ```
///
/// The body gets the ids that are missing, in the caller's order and as often, and returns a `HashMap` of those it
/// finds, or a `Result` of one. Each value is an entry of its own, with its own tags, shared with the function of one
/// id that has the same template (one of them says `shared`); an id that is loading is waited for, there as here. On an
/// `Err` nothing of that load is stored. Ids that are not found are remembered with `none_ttl`. Since others'
/// loads can fail, the body may run more than once: arguments by value are cloned.
///
/// # Companions
///
/// `get_user` is also a type, which `use` brings along:
///
/// ```
/// use larder::{Any, cached};
///
/// #[cached(key = "profile:<id>", ttl = 300)]
/// async fn profile(id: u64) -> String {
///     id.to_string()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // From the keyed arguments in their order, by value or by reference.
/// assert_eq!(profile::key(42).as_str(), "profile:42");
/// // Any argument may be `Any`.
/// assert_eq!(profile::pattern(Any).as_str(), "profile:*");
/// // The body, without the cache.
/// assert_eq!(profile::uncached(42).await, "42");
/// // Runs the body, stores, returns.
/// assert_eq!(profile::refresh(42).await, "42");
/// # }
/// ```
///
/// Beside a method `load` there are `load_key`, `load_pattern`, `load_uncached` and `load_refresh`, with the same
/// receiver. A trait's method has none. `companion = none` writes none, `companion = name` another name, and
/// `companion = method` says that a function without `self` stands in an `impl`, where the attribute cannot see it: in code
/// that a macro made, and in examples such as these.
///
/// ```
/// use larder::cached;
/// use larder as vendored;
///
/// struct Repo {
///     tenant: u64,
/// }
///
/// impl Repo {
///     #[cached(key = "repo:<self.tenant>:<id>")]
///     async fn load(&self, id: u64) -> u64 {
///         id
///     }
/// }
///
/// assert_eq!(Repo { tenant: 1 }.load_key(2).as_str(), "repo:1:2");
///
/// // There is a type `tree` already.
/// # #[allow(non_camel_case_types)]
/// struct tree {}
///
/// #[cached(key = "tree:<id>", companion = cached_tree, crate = vendored)]
/// async fn tree(id: u64) -> u64 {
///     id
/// }
///
/// assert_eq!(cached_tree::key(1).as_str(), "tree:1");
/// ```
///
/// # Traits
///
/// ```
/// use async_trait::async_trait;
/// use larder::cached;
///
/// #[async_trait]
/// trait Store {
///     async fn load(&self, id: u64) -> Result<String, std::io::Error>;
/// }
///
/// struct Disk {
///     root: String,
/// }
///
/// #[async_trait]
/// impl Store for Disk {
///     #[cached(key = "disk:<self.root>:<id>", ttl = 60)]
///     async fn load(&self, id: u64) -> Result<String, std::io::Error> {
///         Ok(format!("{}/{id}", self.root))
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::cached::attribute(args.into(), item.into()).into()
}

/// Invalidates cache entries after an async function.
///
/// ```
/// use larder::{cache_invalidate, cached};
/// # use std::io::Error as DbError;
/// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// # struct User { id: u64, team: u64 }
///
/// #[cached(key = "user:<id>")]
/// async fn get_user(id: u64) -> Result<User, DbError> {
///     Ok(User { id, team: 1 })
/// }
///
/// #[cached(key = "user:<id>:feed:<page>")]
/// async fn feed(id: u64, page: u32) -> Vec<String> {
///     vec![]
/// }
///
/// #[cache_invalidate("user:<id>", "user:<id>:*", tags = ["team:<result.team>"])]
/// async fn rename(id: u64, name: &str) -> Result<User, DbError> {
///     Ok(User { id, team: 2 })
/// }
///
/// #[cache_invalidate(get_user(user.id), feed(user.id, _))]
/// async fn save(user: &User) -> Result<(), DbError> {
///     Ok(())
/// }
/// ```
///
/// # Targets
///
/// ```text
/// targets  = target { "," target }
/// target   = template | call
/// template = a key's template, in which "*" matches any run of characters
/// call     = cached function "(" argument { "," argument } ")"      argument: an expression, or "_" for every value
/// ```
///
/// `<result…>`, and `result` in a call, read the value that the function returned: of a `Result` its `Ok`, of an `Option` its
/// `Some`. Such targets exist only when it returned one. The arguments of a call are checked by rustc against the cached
/// function, which may be named by its path: `users::profile(id)`.
///
/// The targets are invalidated whenever the body may have taken effect: on `Ok` and `Err`, on a panic, and when the
/// future is dropped part-way. The call returns after the invalidation is acknowledged.
///
/// Methods are named as they are called:
///
/// ```
/// use larder::{cache_invalidate, cached};
///
/// struct Repo {
///     tenant: u64,
/// }
///
/// impl Repo {
///     #[cached(key = "order:<self.tenant>:<id>")]
///     async fn load(&self, id: u64) -> u64 {
///         id
///     }
///
///     #[cached(key = "orders:<tenant>", companion = method)]
///     async fn count(tenant: u64) -> u64 {
///         tenant
///     }
///
///     #[cache_invalidate(self.load(id), Self::count(_))]
///     async fn save(&mut self, id: u64) {}
/// }
/// ```
///
/// # Options
///
/// | option | form | meaning |
/// |---|---|---|
/// | `tags` | `["team:<team>", "users"]` | tags to invalidate |
/// | `on_ok` | flag | only if the function succeeds |
/// | `when` | an expression over the arguments | false: nothing is invalidated |
/// | `strict` | flag | an invalidation that a store did not acknowledge is the function's error: `E: From<larder::Error>` |
/// | `fence` | `30`, `"30s"` or an expression | the longest that the body takes: nothing is stored under the targets from before it on, until they are invalidated after it. Should the process die in between, the fence ends by itself, and no old value is left |
/// | `settle` | as `fence` | for so long after, loads are returned and not stored, in any process: they may read from where the change has not arrived |
/// | `cache` | a `Cache`, a `Named`, `self.cache` | which cache; absent: the global one |
/// | `crate` | a path | where `larder` is, if not at `::larder` |
///
/// ```
/// use larder::{Named, cache_invalidate};
/// use larder as vendored;
/// # enum Error { Cache(larder::Error) }
/// # impl From<larder::Error> for Error { fn from(error: larder::Error) -> Self { Self::Cache(error) } }
///
/// static SESSIONS: Named = Named::new("sessions");
///
/// #[cache_invalidate("session:<id>", cache = SESSIONS, on_ok, when = !keep, crate = vendored)]
/// async fn log_out(id: &str, keep: bool) -> Result<(), std::io::Error> {
///     Ok(())
/// }
///
/// // What reads from a replica of the database within half a second is returned and not stored.
/// #[cache_invalidate("profile:<id>", settle = "500ms")]
/// async fn rename(id: u64) {}
///
/// // If the process dies between the commit and the invalidation, no old balance is served for more than 30 seconds.
/// #[cache_invalidate("balance:<from>", "balance:<to>", fence = "30s")]
/// async fn transfer(from: u64, to: u64) {}
///
/// // Whoever calls this learns that a store did not hear of it.
/// #[cache_invalidate(tags = ["permissions:<user>"], strict)]
/// async fn revoke(user: u64) -> Result<(), Error> {
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn cache_invalidate(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::invalidate::attribute(args.into(), item.into()).into()
}

/// Stores what an async function returns, after every call.
///
/// ```
/// use larder::{cache_put, cached};
/// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// # struct User { id: u64, name: String }
///
/// #[cached(key = "user:<id>", ttl = 300)]
/// async fn get_user(id: u64) -> Option<User> {
///     None
/// }
///
/// #[cache_put(key = "user:<result.id>", ttl = 300, tags = ["users"], unless = |user| user.name.is_empty())]
/// async fn create(name: String) -> Result<User, std::io::Error> {
///     Ok(User { id: 1, name })
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), std::io::Error> {
/// create("Ada".to_owned()).await?;
/// assert_eq!(get_user(1).await.map(|user| user.name).as_deref(), Some("Ada"));
/// # Ok(())
/// # }
/// ```
///
/// The body always runs. `<result…>` in the key and the tags reads the value that it returned. What is stored is
/// decided as by [`macro@cached`], under a key that a `#[cached]` function reads.
///
/// # Options
///
/// | option | form |
/// |---|---|
/// | `key` | `"user:<result.id>"`; needed |
/// | `ttl`, `none_ttl` | `300`, `"5m"`, an expression of type `Duration`; `ttl` also <code>&#124;value&#124; expr</code> |
/// | `tags` | `["team:<result.team>", "users"]` |
/// | `when` | an expression over the arguments |
/// | `unless` | <code>&#124;value&#124; bool</code> |
/// | `local`, `version`, `cache`, `crate` | as for [`macro@cached`] |
///
/// `ttl`, `none_ttl`, `tags`, `when`, `unless`, `local`, `cache`, `version` and `crate` mean what they
/// mean for [`macro@cached`].
#[proc_macro_attribute]
pub fn cache_put(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::put::attribute(args.into(), item.into()).into()
}

/// Makes a type part of cache keys.
///
/// ```
/// use larder::{KeyPart, cached};
///
/// #[derive(KeyPart)]
/// struct UserId(u64);
///
/// #[derive(KeyPart)]
/// struct Page {
///     number: u32,
///     size: u32,
/// }
///
/// #[derive(KeyPart)]
/// enum Scope {
///     All,
///     Team(u64),
/// }
///
/// #[cached(key = "posts:<user>:<page>:<scope>")]
/// async fn posts(user: UserId, page: Page, scope: Scope) -> Vec<String> {
///     vec![]
/// }
///
/// let page = Page { number: 1, size: 50 };
/// assert_eq!(posts::key(UserId(42), &page, Scope::All).as_str(), "posts:42:(1)(50):All");
/// assert_eq!(posts::key(UserId(42), &page, Scope::Team(7)).as_str(), "posts:42:(1)(50):Team(7)");
/// ```
///
/// A newtype writes what it holds, another struct all of its fields, an enum the name of the variant first. Fields are
/// `KeyPart` themselves. `#[key_part(crate = path)]` says where `larder` is, if not at `::larder`:
///
/// ```
/// use larder as vendored;
///
/// #[derive(vendored::KeyPart)]
/// #[key_part(crate = vendored)]
/// struct Pair<T>(T, T);
/// ```
#[proc_macro_derive(KeyPart, attributes(key_part))]
pub fn derive_key_part(item: TokenStream) -> TokenStream {
    expand::key_part::derive(item.into()).into()
}
