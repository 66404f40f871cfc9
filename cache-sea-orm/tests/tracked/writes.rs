//! A write invalidates once it has happened, or may have; not if the database refused it.

use std::future::poll_fn;
use std::task::Poll;

use futures_util::TryStreamExt as _;
use larder::sea_orm::Tracked;
use sea_orm::sea_query::{ColumnDef, Expr, Query, Table};
use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait as _,
    ExecResult, QueryResult, RuntimeErr, Set, SqlErr, Statement, StreamTrait as _,
};

use crate::common::{World, find_user, post, renamed, tables, team, user};

#[tokio::test]
async fn what_the_database_refuses_changes_nothing() {
    let world = World::warmed().await;
    let taken = team::ActiveModel { id: Set(1), name: Set("blue".to_owned()) };
    let error = taken.update(&world.db).await.expect_err("there is one of that name");
    assert!(matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))), "{error}");
    let orphan = user::ActiveModel { id: Set(9), name: Set("Cyd".to_owned()), team_id: Set(99) };
    orphan.insert(&world.db).await.expect_err("there is no such team");
    assert_eq!(world.reloaded().await, [""; 0]);
}

#[tokio::test]
async fn another_error_may_have_come_after_the_effect() {
    let world = World::warmed().await;
    let mut wrong = Query::update();
    wrong.table(team::Entity).value(team::Column::Name, Expr::cust("no_such_function()"));
    world.db.execute(&wrong).await.expect_err("there is no such function");
    assert_eq!(world.reloaded().await, ["teams"]);
}

/// A connection whose answers are lost.
struct Lost {
    connection: DatabaseConnection,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// It carries out what it is asked, and says that the answer is lost.
    Known,
    /// It carries out what it is asked, and says nothing.
    Silently,
    /// It has carried out nothing yet.
    Early,
}

impl Lost {
    async fn lose<T>(&self, answer: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        if self.how == How::Early {
            std::future::pending::<()>().await;
        }
        answer.await?;
        if self.how == How::Silently {
            std::future::pending::<()>().await;
        }
        Err(DbErr::Conn(RuntimeErr::Internal("the connection is lost".to_owned())))
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Lost {
    fn get_database_backend(&self) -> DbBackend {
        ConnectionTrait::get_database_backend(&self.connection)
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.lose(self.connection.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.lose(self.connection.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.lose(self.connection.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.lose(self.connection.query_all_raw(statement)).await
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_may_have_happened() {
    for how in [How::Known, How::Silently] {
        let world = World::warmed().await;
        let lost = Lost { connection: world.db.inner().clone(), how };
        let db = Tracked::new(lost, tables()).cache(world.cache.clone());
        let write = renamed("Ada L.").update(&db);
        if how == How::Known {
            write.await.expect_err("no answer");
        } else {
            // Until the database has carried it out. Then whoever asked goes away.
            tokio::select! {
                _ = write => panic!("there is no answer"),
                () = async { while world.statements() == 0 { tokio::task::yield_now().await } } => {}
            }
        }
        assert_eq!(world.reloaded().await, ["user:1", "users"], "{how:?}");
        assert_eq!(find_user(&world, 1).await.expect("an answer").expect("Ada").name, "Ada L.");
    }
}

#[tokio::test]
async fn a_write_that_is_given_up_may_still_happen() {
    let world = World::warmed().await;
    let lost = Lost { connection: world.db.inner().clone(), how: How::Early };
    let db = Tracked::new(lost, tables()).cache(world.cache.clone());
    // Given up while the database waits for a lock.
    let mut write = Box::pin(renamed("Ada L.").update(&db));
    assert!(poll_fn(|task| Poll::Ready(write.as_mut().poll(task).is_pending())).await);
    drop(write);
    assert_eq!(find_user(&world, 1).await.expect("an answer").expect("Ada").name, "Ada");
    // Then it has the lock.
    renamed("Ada L.").update(world.db.inner()).await.expect("a row");
    assert_eq!(find_user(&world, 1).await.expect("an answer").expect("Ada").name, "Ada L.");
}

#[tokio::test]
async fn a_refusal_may_come_after_other_statements_of_its_text() {
    let world = World::warmed().await;
    let text =
        "UPDATE \"user\" SET name = 'Ada L.' WHERE id = 1; INSERT INTO team (id, name) VALUES (1, 'twice')";
    world.db.writes(["public.user"]).execute_unprepared(text).await.expect_err("there is such a team");
    if ConnectionTrait::get_database_backend(world.db.inner()) == DbBackend::Sqlite {
        assert_eq!(find_user(&world, 1).await.expect("an answer").expect("Ada").name, "Ada L.");
    }
}

#[tokio::test]
async fn rows_of_a_write_may_be_streamed() {
    let world = World::warmed().await;
    let mut write = Query::update();
    write.table(post::Entity).value(post::Column::Title, "x").returning_col(post::Column::Id);
    let rows = world.db.stream(&write).await.expect("rows");
    let rows: Vec<_> = rows.try_collect().await.expect("rows");
    assert_eq!(rows.len(), 2);
    assert_eq!(world.reloaded().await, ["posts"]);
    // Given up at the first row.
    let mut rows = world.db.stream(&write).await.expect("rows");
    rows.try_next().await.expect("a row");
    drop(rows);
    assert_eq!(world.reloaded().await, ["posts"]);
}

#[tokio::test]
async fn statements_about_tables_drop_what_read_them() {
    let world = World::warmed().await;
    let rename = Table::alter().table(post::Entity).rename_column(post::Column::Title, "heading").to_owned();
    world.db.execute(&rename).await.expect("a table");
    let back = Table::alter().table(post::Entity).rename_column("heading", post::Column::Title).to_owned();
    world.db.execute(&back).await.expect("a table");
    assert_eq!(world.reloaded().await, ["posts"]);
    let create = Table::create().table("new").if_not_exists().col(ColumnDef::new("id").integer()).to_owned();
    world.db.execute(&create).await.expect("a table");
    assert_eq!(world.reloaded().await, [""; 0]);
}

#[tokio::test]
async fn a_select_changes_nothing() {
    let world = World::warmed().await;
    user::Entity::find().all(&world.db).await.expect("rows");
    user::Entity::find().find_also_related(team::Entity).one(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, [""; 0]);
}
