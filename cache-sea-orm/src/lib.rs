//! SeaORM for larder: what a cached function reads of a database becomes its tags, and what is written is invalidated.
//!
//! A [`Tracked`] connection stands in for the one that it is made of. A function with `tags = auto` that reads through it
//! names nothing by hand, and neither does whoever writes through it:
//!
//! ```
//! use larder::cached;
//! use larder::sea_orm::{Tables, Tracked};
//! use sea_orm::entity::prelude::*;
//! use sea_orm::{Database, Set};
//!
//! mod user {
//!     use sea_orm::entity::prelude::*;
//!
//!     #[derive(Clone, Debug, PartialEq, DeriveEntityModel, serde::Serialize, serde::Deserialize)]
//!     #[sea_orm(table_name = "user")]
//!     pub struct Model {
//!         #[sea_orm(primary_key)]
//!         pub id: i64,
//!         pub name: String,
//!     }
//!
//!     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
//!     pub enum Relation {}
//!
//!     impl ActiveModelBehavior for ActiveModel {}
//! }
//!
//! type Db = Tracked<DatabaseConnection>;
//!
//! #[cached(key = "user:<id>", ttl = "5m", tags = auto, skip(db))]
//! async fn find_user(db: &Db, id: i64) -> Result<Option<user::Model>, DbErr> {
//!     user::Entity::find_by_id(id).one(db).await
//! }
//!
//! async fn rename(db: &Db, id: i64, name: &str) -> Result<user::Model, DbErr> {
//!     user::ActiveModel { id: Set(id), name: Set(name.to_owned()) }.update(db).await
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), DbErr> {
//! # let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
//! # options.max_connections(1);
//! let tables = Tables::new().entity::<user::Entity>();
//! let db = Tracked::new(Database::connect(options).await?, tables);
//! # db.writes(["user"]).execute_unprepared("CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT)").await?;
//! # db.writes(["user"]).execute_unprepared("INSERT INTO user VALUES (42, 'Ada')").await?;
//! assert_eq!(find_user(&db, 42).await?.unwrap().name, "Ada");
//! rename(&db, 42, "Ada L.").await?;
//! assert_eq!(find_user(&db, 42).await?.unwrap().name, "Ada L.");
//! # Ok(())
//! # }
//! ```
//!
//! # What is read
//!
//! Every table that a statement reads is a tag by its name: those of joins, sub-queries, common table expressions and unions.
//! Where a statement on one table fixes the primary key (`find_by_id`, `Id.eq(42)`, `Id.is_in([1, 2])`, with whatever else must
//! hold beside it), the entry depends on those rows only, under `user:42`; a composite key is `membership:7,chess`. Any other
//! statement depends on all rows. For rows the entity is to be among the [`Tables`]; integers, texts and UUIDs are told apart,
//! texts without regard to case; a collation that finds still more of them equal needs its entity to be left out.
//!
//! A tag of a row that a function names itself, `tags = ["user:<id>"]`, goes with writes that name the row, not with those of any rows:
//! beside it stands the table's, or `auto`. `#[cache_put]` around such a write stores nothing, since the write has invalidated it.
//!
//! `cache.invalidate(Tag::from("user"))` drops everything that read the table, `Tag::from("user:42")` everything that can have read
//! the row, and `cache.depends("role", &["user"])` makes a change of any role drop what read users.
//!
//! Only what the function itself asks through the connection is seen, in the task that runs it; cached functions that it calls hand
//! their tags up. A function that never asks says so once, at the level WARN.
//!
//! # What is written
//!
//! Outside a transaction a write invalidates when it has succeeded, also if it fails in a way that may come after the effect, or
//! its future is dropped; not if a unique or a foreign key refuses it. Where the answer is lost or not waited for, the write may still
//! be on its way, so for 30 seconds what is loaded of it is returned and not stored. In a transaction nothing happens before the commit, and
//! nothing at all after a rollback; a savepoint that is rolled back takes along only what was changed in it. Keys that the
//! database makes are taken from the rows that an `INSERT` returns, else it may have been any row. An upsert, `REPLACE`,
//! `INSERT … SELECT`, or an update of the key may be any row, too. [`Tables`] says what a delete takes along.
//!
//! A remote store that cannot be reached fails no statement: the cache invalidates as soon as it is back.
//!
//! # What is not seen
//!
//! - Raw SQL: it says so once, at the level WARN, and touches what is named with [`Tracked::reads`] and [`Tracked::writes`].
//! - Of text by hand inside a statement (`Expr::cust`), what has comments, or operators such as `#>>`: then the tables that the
//!   builder itself does not tell, of sub-queries in `ORDER BY`, `HAVING` and the condition of a join.
//! - What is stored by hand under the key of such a function: it has no tags.
//! - Triggers, functions in the database, and whatever else it does without saying so; views are tables of their own.
//!   `cache.depends` names such edges.
//! - MySQL commits when a table is altered inside a transaction: what is rolled back afterwards was committed before.
//! - What is written past the connection: by another program, or through [`Tracked::inner`].
//! - A [`Tracked`] that is made of a transaction takes it for a connection: make one of the connection, and begin there.
//!
//! # Reading in a transaction
//!
//! A cached function that reads in a transaction which began before it may see what is not committed, or what is older than
//! the function. Its value is for its caller only: neither stored, nor given to others who wait for it. What is cached already
//! is answered all the same, and knows nothing of what the transaction has changed. A function that begins a transaction
//! itself, and changes nothing there, is cached like any other.
//!
//! # Several processes
//!
//! What goes to a remote store is looked for by its tags, so a process has to know them before it asks: it learns them from the
//! first load of each function. Rows that the key of the function tells (`user:<id>` and the row `user:42`) are told apart there,
//! too; others count as any row of their table. A process that never asked a table through a [`Tracked`] does not know its rows for
//! rows: by hand it invalidates `user`, or `user:42` and `user:*`.

mod change;
mod pending;
mod scoped;
mod sql;
mod statement;
mod stream;
mod tables;
mod tracked;

pub use scoped::Scoped;
pub use stream::TrackedStream;
pub use tables::Tables;
pub use tracked::Tracked;
