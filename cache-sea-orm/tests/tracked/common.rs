//! A database with users, teams, posts and memberships, whose statements are counted, and a cache.

#![expect(unreachable_pub, reason = "what derives of entities expand to is public")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use larder::sea_orm::{Tables, Tracked};
use larder::{Cache, Memory};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};

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
}

const SCHEMA: &str = "
    CREATE TABLE team (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT NOT NULL,
        team_id BIGINT NOT NULL REFERENCES team (id) ON DELETE CASCADE);
    CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT NOT NULL,
        user_id BIGINT REFERENCES user (id) ON DELETE SET NULL);
    CREATE TABLE membership (user_id BIGINT NOT NULL, club TEXT NOT NULL, since INT NOT NULL,
        PRIMARY KEY (user_id, club));
    INSERT INTO team VALUES (1, 'red'), (2, 'blue');
    INSERT INTO user VALUES (1, 'Ada', 1), (2, 'Bob', 2);
    INSERT INTO post VALUES (1, 'on engines', 1), (2, 'on looms', 2);
    INSERT INTO membership VALUES (1, 'chess', 1990), (1, 'go', 1991);
";

/// The tables of all entities.
pub fn tables() -> Tables {
    Tables::new()
        .entity::<team::Entity>()
        .entity::<user::Entity>()
        .entity::<post::Entity>()
        .entity::<membership::Entity>()
}

impl World {
    /// On a new SQLite database.
    pub async fn new() -> Self {
        let mut options = ConnectOptions::new("sqlite::memory:");
        // Each connection has a database of its own.
        options.max_connections(1).min_connections(1);
        let mut connection = Database::connect(options).await.expect("SQLite is linked in");
        connection.execute_unprepared(SCHEMA).await.expect("the schema is right");
        let statements = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&statements);
        connection.set_metric_callback(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let cache = Cache::builder().local(Memory::new(1_000)).build();
        let db = Tracked::new(connection, tables()).cache(cache.clone());
        Self { db, cache, statements }
    }

    /// The statements that reached the database since this was asked last.
    pub fn statements(&self) -> usize {
        self.statements.swap(0, Ordering::Relaxed)
    }
}
