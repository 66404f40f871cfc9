//! The database: opening it, its tables, what is in them at the start, and how often it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larder::sea_orm::{Tables, Tracked};
use sea_orm::sqlx::sqlite::SqliteJournalMode;
use sea_orm::{
    ActiveModelTrait as _, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait,
    PaginatorTrait as _, Schema, Set, TransactionTrait as _,
};

use crate::entity::{activity_log, permission, role, role_permission, user, user_role, verification_code};

/// A connection that knows what goes over it: what cached functions read, and what is written and by that invalidated.
pub(crate) type Db = Tracked<DatabaseConnection>;

/// How many statements the database was given since the start, those of transactions included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queries(Arc<AtomicU64>);

impl Queries {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Opens the database, with tables and a few rows if it has none. Whether it is new is said as well: then what a cache holds
/// is of another.
pub(crate) async fn open(url: &str) -> Result<(Db, Queries, bool), DbErr> {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).max_connections(8);
    // Whoever reads does not wait for whoever writes.
    options.map_sqlx_sqlite_opts(|sqlite| sqlite.journal_mode(SqliteJournalMode::Wal));
    let mut connection = Database::connect(options).await?;
    let is_new = set_up(&connection).await?;
    let queries = Queries::default();
    let counted = queries.clone();
    connection.set_metric_callback(move |_| {
        counted.0.fetch_add(1, Ordering::Relaxed);
    });
    Ok((Tracked::new(connection, tables()), queries, is_new))
}

/// What there is, so that the connection knows keys and relations: which rows a statement names, and what a delete takes
/// with it.
fn tables() -> Tables {
    Tables::new()
        .entity::<user::Entity>()
        .entity::<role::Entity>()
        .entity::<permission::Entity>()
        .entity::<user_role::Entity>()
        .entity::<role_permission::Entity>()
        .entity::<verification_code::Entity>()
        .entity::<activity_log::Entity>()
}

async fn set_up(db: &DatabaseConnection) -> Result<bool, DbErr> {
    make_table(db, user::Entity).await?;
    make_table(db, role::Entity).await?;
    make_table(db, permission::Entity).await?;
    make_table(db, user_role::Entity).await?;
    make_table(db, role_permission::Entity).await?;
    make_table(db, verification_code::Entity).await?;
    make_table(db, activity_log::Entity).await?;
    let seeds = db.begin().await?;
    let nobody = user::Entity::find().count(&seeds).await? == 0;
    let is_new = nobody && permission::Entity::find().count(&seeds).await? == 0;
    if is_new {
        seed(&seeds).await?;
    }
    seeds.commit().await?;
    Ok(is_new)
}

async fn make_table(db: &DatabaseConnection, entity: impl EntityTrait) -> Result<(), DbErr> {
    let mut table = Schema::new(db.get_database_backend()).create_table_from_entity(entity);
    db.execute(table.if_not_exists()).await.map(drop)
}

async fn seed(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let mut permissions = Vec::new();
    for name in ["read", "write", "administer"] {
        let new = permission::ActiveModel { name: Set(name.to_owned()), ..Default::default() };
        permissions.push(new.insert(db).await?.id);
    }
    let mut roles = Vec::new();
    // A reader may read, an editor also write, an admin everything.
    for (name, allowed) in [("reader", 1), ("editor", 2), ("admin", 3)] {
        let role = role::ActiveModel { name: Set(name.to_owned()), ..Default::default() }.insert(db).await?;
        for permission in permissions.iter().take(allowed) {
            let allows =
                role_permission::ActiveModel { role_id: Set(role.id), permission_id: Set(*permission) };
            allows.insert(db).await?;
        }
        roles.push(role.id);
    }
    for (name, role) in [("Ada", 0), ("Grace", 1), ("Tim", 2)] {
        let email = format!("{}@example.org", name.to_lowercase());
        let new = user::ActiveModel { name: Set(name.to_owned()), email: Set(email), ..Default::default() };
        let user = new.insert(db).await?;
        if let Some(role) = roles.get(role) {
            user_role::ActiveModel { user_id: Set(user.id), role_id: Set(*role) }.insert(db).await?;
        }
    }
    Ok(())
}
