//! Raw SQL tells nothing of tables: it is said once, and they can be named.

use sea_orm::{ConnectionTrait as _, DbBackend, EntityTrait as _, FromQueryResult as _, Statement};
use tests::log::Log;

use crate::ON_POSTGRES;
use crate::common::{World, ask, user};

fn raw(sql: &str) -> Statement {
    Statement::from_string(if ON_POSTGRES { DbBackend::Postgres } else { DbBackend::Sqlite }, sql)
}

#[tokio::test]
async fn what_raw_sql_changes_is_not_known_and_that_is_said_once() {
    let world = World::warmed().await;
    let log = Log::of_this_thread();
    world.db.execute_unprepared(r#"UPDATE "user" SET name = 'X'"#).await.expect("rows");
    world.db.execute_raw(raw(r#"UPDATE "user" SET name = 'Y'"#)).await.expect("rows");
    world.db.query_all_raw(raw(r#"UPDATE "user" SET name = 'Z' RETURNING id"#)).await.expect("rows");
    assert_eq!(log.warnings().len(), 1, "{:?}", log.lines());
    assert!(log.text().contains("db.writes"), "{}", log.text());
    assert_eq!(world.reloaded().await, [""; 0]);
}

#[tokio::test]
async fn what_raw_sql_reads_is_not_known_and_that_is_said_once() {
    let world = World::new().await;
    let log = Log::of_this_thread();
    let count = async |db: &larder::sea_orm::Tracked<_>| {
        let row = db.query_one_raw(raw(r#"SELECT count(*) AS n FROM "user""#)).await?;
        Ok(format!("{:?}", row.map(|row| row.try_get::<i64>("", "n"))))
    };
    ask(&world, "one", count).await.expect("an answer");
    ask(&world, "two", count).await.expect("an answer");
    assert_eq!(log.warnings().len(), 1, "{:?}", log.lines());
    assert!(log.text().contains("db.reads"), "{}", log.text());
    // Outside of a cached function nobody needs to know.
    let log = Log::of_this_thread();
    world.db.query_one_raw(raw("SELECT 1")).await.expect("a row");
    assert_eq!(log.warnings().len(), 0);
}

#[tokio::test]
async fn tables_that_are_named_count() {
    let world = World::warmed().await;
    let log = Log::of_this_thread();
    let users = async |db: &larder::sea_orm::Tracked<_>| {
        let users =
            user::Model::find_by_statement(raw(r#"SELECT * FROM "user""#)).all(&db.reads(["user"])).await?;
        Ok(users.len().to_string())
    };
    ask(&world, "users", users).await.expect("an answer");
    let sql = "UPDATE post SET title = 'x'";
    world.db.writes(["post"]).execute_unprepared(sql).await.expect("rows");
    assert_eq!(world.reloaded().await, ["posts"]);
    ask(&world, "users", users).await.expect("an answer");
    assert_eq!(world.statements(), 0);
    world.db.writes(["user"]).query_all_raw(raw(r#"DELETE FROM "user" RETURNING id"#)).await.expect("rows");
    assert_eq!(
        world.reloaded().await,
        ["user:1", "user:2", "user:3", "users", "posts"],
        "posts lose their author"
    );
    ask(&world, "users", users).await.expect("an answer");
    assert_eq!(world.statements(), 1);
    // Beside what a statement tells by itself.
    user::Entity::delete_many().exec(&world.db.writes(["team"])).await.expect("rows");
    assert_eq!(world.reloaded().await, ["user:1", "user:2", "user:3", "users", "posts", "teams"]);
    assert_eq!(log.warnings(), [""; 0]);
}
