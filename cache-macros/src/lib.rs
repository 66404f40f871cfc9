//! The attributes of larder: `#[cached]`, `#[cache_invalidate]`, `#[cache_put]` and `#[derive(KeyPart)]`.
//!
//! Entry points and the user's documentation. Everything is parse → check → expand, each in its own file; nothing
//! here knows the runtime beyond the names that expansions write. Depend on `larder`, which re-exports all of it.

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
/// ```ignore
/// #[cached(ttl = 300, key = "user:<id>")]
/// async fn get_user(id: u64) -> Result<User, DbError> {
///     db::load(id).await
/// }
/// ```
///
/// What is stored is decided by the return type, through aliases too: `T` whole, of `Result<T, E>` only `Ok`, of
/// `Option<T>` only `Some`, of `Result<Option<T>, E>` only `Ok(Some)`. `T` is `Clone + Serialize + DeserializeOwned`,
/// or `Clone` with `local`. Overlapping calls of one key share one load, and a failure of the cache is never the
/// caller's error: the body runs.
///
/// The function may be free, a method (`&self`, `self: Arc<Self>`), associated, generic, a trait's or under
/// `#[async_trait]`. Attributes, visibility and documentation stay, and the body is there once, with nothing else in
/// its scope.
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
/// # Options
///
/// | option | form | meaning |
/// |---|---|---|
/// | `key` | `"user:<id>"` | the template of the key |
/// | `ttl` | `300` (seconds), `"5m"`, an expression of type `Duration`, or <code>&#124;value&#124; expr</code> | how long an entry is fresh; absent: the cache's `default_ttl` |
/// | `none_ttl` | `5`, `"5s"` or an expression | keep `None` and `Ok(None)` for so long; absent: they are not stored |
/// | `stale` | as `ttl` | after `ttl`, for so much longer, answer with the old value while one background call refreshes it |
/// | `stale_if` | <code>&#124;error&#124; bool</code> | which errors deserve the stale value; absent: all |
/// | `timeout` | as `none_ttl` | with a stale value at hand, wait no longer for a reload |
/// | `early` | `true` or a factor such as `1.5` | refresh a little before the end, at random, by the measured load time |
/// | `tags` | `["team:<team>", "users"]` | names to invalidate by |
/// | `each` | `each(id in ids)` | one entry for each item of a slice argument; the body gets those that are missing |
/// | `skip` | `skip(db, self)` | arguments that do not change the answer |
/// | `when` | an expression over the arguments | false: this call goes past the cache |
/// | `unless` | <code>&#124;value&#124; bool</code> | true: the value is returned and not stored |
/// | `lock` | flag, or a duration | across processes too, one caller computes and the others wait for it, so long at most |
/// | `local` | flag | the value never leaves the process and needs no serde |
/// | `cache` | a `Cache`, a `Named`, `self.cache` | which cache; absent: the global one |
/// | `version` | an integer | raise it when the meaning of the value changes: older entries are misses |
/// | `shared` | flag | another function has the same template in the same cache, on purpose |
/// | `companion` | `none`, `method`, or a name | see below |
/// | `crate` | a path | where `larder` is, if not at `::larder` |
///
/// # Companions
///
/// `get_user` is also a type, which `use` brings along:
///
/// ```ignore
/// get_user::key(42)              // the Key, from the keyed arguments in their order, by value or by reference
/// get_user::pattern(Any)         // the Pattern, where any argument may be `Any`
/// get_user::uncached(42).await   // the body, without the cache
/// get_user::refresh(42).await    // runs the body, stores, returns
/// ```
///
/// Beside a method `load` there are `load_key`, `load_pattern`, `load_uncached` and `load_refresh`, with the same
/// receiver. A trait's method has none. `companion = none` writes none, `companion = name` another name, and
/// `companion = method` says that a function stands in an `impl`, where a macro hides it.
#[proc_macro_attribute]
pub fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::cached::attribute(args.into(), item.into()).into()
}

/// Invalidates cache entries after an async function.
///
/// ```ignore
/// #[cache_invalidate("user:<id>", "user:<id>:*", tags = ["team:<result.team>"])]
/// async fn rename(id: u64, name: &str) -> Result<User, DbError> { todo!() }
///
/// #[cache_invalidate(get_user(user.id), feed(user.id, _), self.load(user.id), Self::count(_))]
/// async fn save(&self, user: &User) -> Result<(), DbError> { todo!() }
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
/// `<result…>`, and `result` in a call, read the value that the function returned; such targets exist only when it
/// returned one. The arguments of a call are checked by rustc against the cached function.
///
/// The targets are invalidated whenever the body may have taken effect: on `Ok` and `Err`, on a panic, and when the
/// future is dropped part-way. The call returns after the invalidation is acknowledged.
///
/// # Options
///
/// | option | form | meaning |
/// |---|---|---|
/// | `tags` | `["team:<team>", "users"]` | tags to invalidate |
/// | `on_ok` | flag | only if the function succeeds |
/// | `when` | an expression over the arguments | false: nothing is invalidated |
/// | `strict` | flag | an invalidation that a store did not acknowledge is the function's error: `E: From<larder::Error>` |
/// | `fence` | `30`, `"30s"` or an expression | nothing is stored from before the body on, and if the process dies, that ends with an invalidation |
/// | `settle` | as `fence` | for so long after, loads are returned and not stored |
/// | `cache` | a `Cache`, a `Named`, `self.cache` | which cache; absent: the global one |
/// | `crate` | a path | where `larder` is, if not at `::larder` |
#[proc_macro_attribute]
pub fn cache_invalidate(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::invalidate::attribute(args.into(), item.into()).into()
}

/// Stores what an async function returns, after every call.
///
/// ```ignore
/// #[cache_put(key = "user:<result.id>", ttl = 300)]
/// async fn create(user: NewUser) -> Result<User, DbError> { todo!() }
/// ```
///
/// The body always runs. `<result…>` in the key and the tags reads the value that it returned. What is stored is
/// decided as by [`macro@cached`], under a key that a `#[cached]` function reads.
///
/// # Options
///
/// `key` is needed. `ttl`, `none_ttl`, `tags`, `when`, `unless`, `local`, `cache`, `version` and `crate` mean what they
/// mean for [`macro@cached`].
#[proc_macro_attribute]
pub fn cache_put(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::put::attribute(args.into(), item.into()).into()
}

/// Makes a type part of cache keys.
///
/// ```ignore
/// #[derive(KeyPart)]
/// struct UserId(u64);                          // 42
///
/// #[derive(KeyPart)]
/// struct Page { number: u32, size: u32 }       // (1)(50)
///
/// #[derive(KeyPart)]
/// enum Scope { All, Team(u64) }                // All, Team(7)
/// ```
///
/// A newtype writes what it holds, another struct all of its fields, an enum the name of the variant first. Fields are
/// `KeyPart` themselves. `#[key_part(crate = path)]` says where `larder` is, if not at `::larder`.
#[proc_macro_derive(KeyPart, attributes(key_part))]
pub fn derive_key_part(item: TokenStream) -> TokenStream {
    expand::key_part::derive(item.into()).into()
}
