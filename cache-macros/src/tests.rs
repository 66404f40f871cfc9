//! What each shape of function expands to, as a reader would see it. `cargo insta review` shows what a change does.

use proc_macro2::TokenStream;
use quote::quote;

/// Prints what an attribute makes of an item.
fn pretty(tokens: &TokenStream) -> String {
    match syn2::parse2(tokens.clone()) {
        Ok(file) => prettyplease::unparse(&file),
        Err(error) => format!("{error}\n{tokens}"),
    }
}

macro_rules! snapshots {
    ($($name:ident: $attribute:ident($($args:tt)*) $item:item)*) => {$(
        #[test]
        fn $name() {
            let tokens = crate::expand::$attribute::attribute(quote!($($args)*), quote!($item));
            insta::assert_snapshot!(pretty(&tokens));
        }
    )*};
}

snapshots! {
    cached_free_function: cached(ttl = 300, key = "user:<id>")
    pub async fn get_user(id: u64) -> Result<User, DbError> {
        db::load(id).await
    }

    cached_without_options: cached()
    async fn sum(a: u64, b: &str) -> u64 {
        a + b.len() as u64
    }

    cached_method: cached(key = "user:<self.tenant>:<user.id>:<filter:hash>", cache = self.cache, skip(db))
    pub async fn load(&self, db: &Db, user: &User, filter: Vec<String>) -> Option<User> {
        db.load(self.tenant, user.id, filter).await
    }

    cached_with_observed_tags: cached(key = "user:<id>", tags = ["team:<team>", auto], skip(db, team))
    async fn observed(db: &Db, id: u64, team: u64) -> User {
        db.find(id).await
    }

    cached_with_conditions: cached(key = "user:<id>", ttl = |user| user.ttl, none_ttl = NONE, when = id > 0, unless = |user| user.is_new, tags = ["user:<id>", "users"], version = 2, lock = "5s", max_staleness = "100ms", shared)
    async fn conditional(id: u64) -> Option<User> {
        db::find(id).await
    }

    cached_generic: cached(key = "row:<T>:<N>:<id>:<page>")
    async fn row<T: Table, const N: usize, K>(id: K, page: impl KeyPart) -> Result<T, DbError>
    where
        K: KeyPart + Into<T::Id>,
    {
        T::load::<N>(id.into()).await
    }

    cached_patterns_and_attributes: cached(key = "user:<id>:<name>")
    #[cfg(feature = "db")]
    #[expect(clippy::todo)]
    #[instrument]
    pub(crate) async fn found(Path((id, mut name)): Path<(u64, String)>, _: &str) -> u64 {
        name.push('!');
        todo!()
    }

    cached_async_trait: cached(key = "user:<id>:<a>", skip(self, b))
    fn load<'life0, 'async_trait>(
        &'life0 self,
        id: u64,
        __arg1: (u64, u64),
    ) -> Pin<Box<dyn Future<Output = Result<User, DbError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let __self = self;
            let (a, b) = {
                let __arg1 = __arg1;
                __arg1
            };
            __self.db.load(id).await
        })
    }

    cached_stale: cached(key = "user:<name>", ttl = 60, stale = "5m", timeout = "50ms", stale_if = |error| error.is_temporary(), skip(self, limit))
    async fn stale(&self, name: &str, limit: u64) -> Result<User, DbError> {
        self.db.load(name).await
    }

    cached_each: cached(key = "user:<id>:<locale>", each(id in ids), ttl = 60)
    async fn users(ids: &[u64], locale: &str) -> HashMap<u64, User> {
        db::load_all(ids, locale).await
    }

    cached_mistake: cached(key = "user:<idd>")
    async fn get_user(id: u64) -> u64 {
        id
    }

    invalidate_arguments: invalidate("user:<id>", "user:*", get_user(id), tags = ["users"], when = id > 0)
    async fn remove(id: u64) {
        db::remove(id).await;
    }

    invalidate_result: invalidate("feed:<user.id>:<result.version>", get_user(user.id), feed(user.id, _), self.load(result.id), tags = ["team:<user.team>"], on_ok, fence = "30s", settle = SETTLE)
    async fn rename(&mut self, user: User) -> Result<User, DbError> {
        self.db.save(user).await
    }

    put_argument: put(key = "user:<user.id>", ttl = |user| user.ttl, tags = ["team:<result.team>"], when = user.id > 0)
    async fn save(user: User) -> Result<User, DbError> {
        db.save(user).await
    }

    put_result: put(key = "user:<result.id>", ttl = 300)
    async fn create(user: NewUser) -> Result<User, DbError> {
        db.save(user).await
    }
}

/// An editor completes in a body that does not parse yet, with a wrong attribute and with a right one.
#[test]
fn half_a_body_stays() {
    for args in [quote!(key = "user:<id>"), quote!(key = "user:<idd>"), quote!()] {
        let function = quote!(async fn get_user(id: u64) -> u64 { id. });
        let tokens = crate::expand::cached::attribute(args, function).to_string();
        assert!(tokens.contains("{ id . }"), "{tokens}");
    }
}

#[test]
fn key_part_shapes() {
    let shapes = [
        quote!(
            struct Id(u64);
        ),
        quote!(
            struct Page<T> {
                number: T,
                size: u32,
            }
        ),
        quote!(
            enum Scope {
                All,
                Team(u64),
                Range { from: u64, to: u64 },
            }
        ),
    ];
    let expanded = shapes.map(|shape| pretty(&crate::expand::key_part::derive(shape)));
    insta::assert_snapshot!(expanded.join("\n"));
}
