//! A database with users, teams, posts and memberships, whose statements are counted, and a cache.

#![expect(unreachable_pub, reason = "what derives of entities expand to is public")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use larder::sea_orm::{Tables, Tracked};
use larder::{Cache, Memory};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbErr, EntityTrait as _,
    QueryOrder as _, Set,
};
use tests::postgres::Server;

use crate::ON_POSTGRES;

pub mod team {
    //! Teams of users.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize, serde::Deserialize)]
    #[sea_orm(table_name = "team")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_many = "super::user::Entity")]
        User,
    }

    impl Related<super::user::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::User.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod user {
    //! Users, each of a team. Without the team they go, too.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize, serde::Deserialize)]
    #[sea_orm(table_name = "user")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub name: String,
        pub team_id: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::team::Entity",
            from = "Column::TeamId",
            to = "super::team::Column::Id",
            on_delete = "Cascade"
        )]
        Team,
        #[sea_orm(has_many = "super::post::Entity")]
        Post,
    }

    impl Related<super::team::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Team.def()
        }
    }

    impl Related<super::post::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Post.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod post {
    //! Posts of users. Without the user they have no author any more.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize, serde::Deserialize)]
    #[sea_orm(table_name = "post")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub title: String,
        pub user_id: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(
            belongs_to = "super::user::Entity",
            from = "Column::UserId",
            to = "super::user::Column::Id",
            on_delete = "SetNull"
        )]
        User,
    }

    impl Related<super::user::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::User.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod membership {
    //! A key of two columns.

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, serde::Serialize, serde::Deserialize)]
    #[sea_orm(table_name = "membership")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub club: String,
        pub since: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a test works with.
pub struct World {
    pub db: Tracked<DatabaseConnection>,
    pub cache: Cache,
    statements: Arc<AtomicUsize>,
    /// Kept running.
    server: Option<Arc<Server>>,
}

/// With `@` for a key that the database makes.
const SCHEMA: &str = "
    CREATE TABLE team (id @, name TEXT NOT NULL UNIQUE);
    CREATE TABLE \"user\" (id @, name TEXT NOT NULL,
        team_id BIGINT NOT NULL REFERENCES team (id) ON DELETE CASCADE);
    CREATE TABLE post (id @, title TEXT NOT NULL, user_id BIGINT REFERENCES \"user\" (id) ON DELETE SET NULL);
    CREATE TABLE membership (user_id BIGINT NOT NULL, club TEXT NOT NULL, since INT NOT NULL,
        PRIMARY KEY (user_id, club));
    INSERT INTO team (name) VALUES ('red'), ('blue');
    INSERT INTO \"user\" (name, team_id) VALUES ('Ada', 1), ('Bob', 2);
    INSERT INTO post (title, user_id) VALUES ('on engines', 1), ('on looms', 2);
    INSERT INTO membership VALUES (1, 'chess', 1990), (1, 'go', 1991);
";

/// The schema that tables are in if nobody says which.
pub const DEFAULT_SCHEMA: &str = if ON_POSTGRES { "public" } else { "main" };

/// The server, as long as a test needs it.
static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// Where a new database is, and what has to be kept for it.
fn database() -> (ConnectOptions, Option<Arc<Server>>) {
    static DATABASES: AtomicUsize = AtomicUsize::new(0);
    if !ON_POSTGRES {
        let mut options = ConnectOptions::new("sqlite::memory:");
        // Each connection has a database of its own.
        options.max_connections(1).min_connections(1);
        return (options, None);
    }
    let server = {
        let mut known = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Server::start());
            *known = Arc::downgrade(&server);
            server
        })
    };
    let url = server.database(&format!("world_{}", DATABASES.fetch_add(1, Ordering::Relaxed)));
    let mut options = ConnectOptions::new(url);
    options.max_connections(4);
    (options, Some(server))
}

/// The tables of all entities.
pub fn tables() -> Tables {
    Tables::new()
        .entity::<team::Entity>()
        .entity::<user::Entity>()
        .entity::<post::Entity>()
        .entity::<membership::Entity>()
}

impl World {
    /// On a new database, with a new cache in this process.
    pub async fn new() -> Self {
        Self::with(Cache::builder().local(Memory::new(1_000)).build()).await
    }

    /// On a new database.
    pub async fn with(cache: Cache) -> Self {
        let (options, server) = database();
        let mut connection = Database::connect(options).await.expect("a database");
        let key = if ON_POSTGRES { "BIGSERIAL PRIMARY KEY" } else { "INTEGER PRIMARY KEY" };
        connection.execute_unprepared(&SCHEMA.replace('@', key)).await.expect("the schema is right");
        let statements = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&statements);
        connection.set_metric_callback(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let db = Tracked::new(connection, tables()).cache(cache.clone());
        Self { db, cache, statements, server }
    }

    /// Another process on the same database.
    pub fn beside(&self, cache: Cache) -> Self {
        let db = Tracked::new(self.db.inner().clone(), tables()).cache(cache.clone());
        Self { db, cache, statements: Arc::clone(&self.statements), server: self.server.clone() }
    }

    /// The statements that reached the database since this was asked last.
    pub fn statements(&self) -> usize {
        self.statements.swap(0, Ordering::Relaxed)
    }
}

/// A cached function whose statement a test writes: `keyed` tells its entries apart.
#[larder::cached(key = "ask:<keyed>", ttl = "5m", tags = auto, skip(world, ask), cache = world.cache)]
pub async fn ask<F>(world: &World, keyed: &str, ask: F) -> Result<String, DbErr>
where
    F: AsyncFn(&Tracked<DatabaseConnection>) -> Result<String, DbErr>,
{
    ask(&world.db).await
}

#[larder::cached(key = "user:<id>", ttl = "5m", none_ttl = "5m", tags = auto, skip(world), cache = world.cache)]
pub async fn find_user(world: &World, id: i64) -> Result<Option<user::Model>, DbErr> {
    user::Entity::find_by_id(id).one(&world.db).await
}

#[larder::cached(key = "users", ttl = "5m", tags = auto, skip(world), cache = world.cache)]
pub async fn list_users(world: &World) -> Result<Vec<user::Model>, DbErr> {
    user::Entity::find().order_by_asc(user::Column::Id).all(&world.db).await
}

#[larder::cached(key = "posts", ttl = "5m", tags = auto, skip(world), cache = world.cache)]
pub async fn list_posts(world: &World) -> Result<Vec<post::Model>, DbErr> {
    post::Entity::find().order_by_asc(post::Column::Id).all(&world.db).await
}

#[larder::cached(key = "teams", ttl = "5m", tags = auto, skip(world), cache = world.cache)]
pub async fn list_teams(world: &World) -> Result<Vec<team::Model>, DbErr> {
    team::Entity::find().order_by_asc(team::Column::Id).all(&world.db).await
}

#[larder::cached(key = "member:<user>:<club>", ttl = "5m", tags = auto, skip(world), cache = world.cache)]
pub async fn find_membership(
    world: &World,
    user: i64,
    club: &str,
) -> Result<Option<membership::Model>, DbErr> {
    membership::Entity::find_by_id((user, club.to_owned())).one(&world.db).await
}

impl World {
    /// Has two users, one who is not there, all users, all posts and all teams in the cache, and nothing counted.
    pub async fn warmed() -> Self {
        let world = Self::new().await;
        world.reloaded().await;
        world
    }

    /// Asks for all of them: which had to be read again.
    pub async fn reloaded(&self) -> Vec<&'static str> {
        self.statements();
        let mut reloaded = Vec::new();
        let mut note = |name| {
            if self.statements() > 0 {
                reloaded.push(name);
            }
        };
        for (id, name) in [(1, "user:1"), (2, "user:2"), (3, "user:3")] {
            find_user(self, id).await.expect("an answer");
            note(name);
        }
        list_users(self).await.expect("an answer");
        note("users");
        list_posts(self).await.expect("an answer");
        note("posts");
        list_teams(self).await.expect("an answer");
        note("teams");
        for (user, club, name) in [(1, "chess", "member:1:chess"), (1, "go", "member:1:go")] {
            find_membership(self, user, club).await.expect("an answer");
            note(name);
        }
        reloaded
    }
}

/// User 1 under another name.
pub fn renamed(name: &str) -> user::ActiveModel {
    user::ActiveModel { id: Set(1), name: Set(name.to_owned()), ..Default::default() }
}
