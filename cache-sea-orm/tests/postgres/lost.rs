//! A commit whose answer never comes.

use sea_orm::{ActiveModelTrait as _, ConnectionTrait as _, DbBackend, Statement, TransactionTrait as _};

use crate::common::{World, renamed};

#[tokio::test]
async fn a_commit_without_an_answer_may_have_happened() {
    let world = World::warmed().await;
    let transaction = world.db.begin().await.expect("a transaction");
    renamed("Ada L.").update(&transaction).await.expect("a row");
    let ask = |sql: String| Statement::from_string(DbBackend::Postgres, sql);
    let session = transaction.query_one_raw(ask("SELECT pg_backend_pid() AS pid".to_owned())).await;
    let session: i32 = session.expect("a row").expect("a row").try_get("", "pid").expect("a number");
    // It has ended before the commit is sent.
    let others = world.db.inner();
    others.query_one_raw(ask(format!("SELECT pg_terminate_backend({session})"))).await.expect("a row");
    let is_there = ask(format!("SELECT 1 FROM pg_stat_activity WHERE pid = {session}"));
    while others.query_one_raw(is_there.clone()).await.expect("an answer").is_some() {
        tokio::task::yield_now().await;
    }
    transaction.commit().await.expect_err("nobody answers");
    assert_eq!(world.reloaded().await, ["user:1", "users"]);
}
