//! A statement that names primary keys reads those rows only, and one that writes them changes those only.

use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, ExprTrait as _, NotSet,
    QueryFilter as _, Set,
};

use crate::common::{World, ask, find_user, membership, post, renamed, team, user};

const ALL_OF_USER: [&str; 4] = ["user:1", "user:2", "user:3", "users"];

fn newcomer(id: Option<i64>) -> user::ActiveModel {
    user::ActiveModel { id: id.map_or(NotSet, Set), name: Set("Cyd".to_owned()), team_id: Set(1) }
}

#[tokio::test]
async fn an_update_drops_its_row_and_what_read_any() {
    let world = World::warmed().await;
    assert_eq!(world.reloaded().await, [""; 0]);
    renamed("Ada L.").update(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, ["user:1", "users"]);
    assert_eq!(find_user(&world, 1).await.expect("an answer").expect("Ada").name, "Ada L.");
}

#[tokio::test]
async fn update_many_by_key_drops_its_rows_and_by_anything_else_all() {
    let world = World::warmed().await;
    let update = || user::Entity::update_many().col_expr(user::Column::Name, Expr::value("X"));
    update().filter(user::Column::Id.eq(2)).exec(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, ["user:2", "users"]);
    update().filter(user::Column::Id.is_in([1, 3])).exec(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, ["user:1", "user:3", "users"]);
    update()
        .filter(user::Column::Id.eq(2))
        .filter(user::Column::Name.eq("X"))
        .exec(&world.db)
        .await
        .expect("a row");
    assert_eq!(world.reloaded().await, ["user:2", "users"]);
    update().filter(user::Column::Name.eq("X")).exec(&world.db).await.expect("rows");
    assert_eq!(world.reloaded().await, ALL_OF_USER);
    let either = user::Column::Id.eq(2).or(user::Column::Name.eq("X"));
    update().filter(either).exec(&world.db).await.expect("rows");
    assert_eq!(world.reloaded().await, ALL_OF_USER);
    update().exec(&world.db).await.expect("rows");
    assert_eq!(world.reloaded().await, ALL_OF_USER);
}

#[tokio::test]
async fn delete_by_id_drops_its_row() {
    let world = World::warmed().await;
    team::Entity::delete_by_id(3).exec(&world.db).await.expect("no row");
    // With its users, and their posts: the database deletes those by itself.
    assert_eq!(world.reloaded().await, ["user:1", "user:2", "user:3", "users", "posts", "teams"]);
    membership::Entity::delete_by_id((1, "go".to_owned())).exec(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, ["member:1:go"]);
    membership::Entity::delete_many()
        .filter(membership::Column::UserId.eq(1))
        .exec(&world.db)
        .await
        .expect("a row");
    assert_eq!(world.reloaded().await, ["member:1:chess", "member:1:go"]);
}

#[tokio::test]
async fn a_row_that_was_not_there_is_dropped_when_it_is_inserted() {
    let world = World::warmed().await;
    assert_eq!(find_user(&world, 3).await.expect("an answer"), None);
    newcomer(Some(3)).insert(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, ["user:3", "users"]);
    assert!(find_user(&world, 3).await.expect("an answer").is_some());
}

#[tokio::test]
async fn a_key_that_the_database_makes_is_taken_from_its_answer() {
    let world = World::warmed().await;
    let inserted = newcomer(None).insert(&world.db).await.expect("a row");
    assert_eq!(inserted.id, 3);
    assert_eq!(world.reloaded().await, ["user:3", "users"]);
    let made = user::Entity::insert(newcomer(None)).exec(&world.db).await.expect("a row");
    assert_eq!(made.last_insert_id, 4);
    assert_eq!(world.reloaded().await, ["users"]);
    // Without an answer that says so, it may be any.
    user::Entity::insert(newcomer(None)).exec_without_returning(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, ALL_OF_USER);
    // Of several rows, all that come back.
    let many = [newcomer(None), newcomer(None)];
    user::Entity::insert_many(many).exec_with_returning(&world.db).await.expect("rows");
    assert_eq!(world.reloaded().await, ["users"]);
}

#[tokio::test]
async fn what_may_change_other_rows_than_it_names_drops_all() {
    let world = World::warmed().await;
    post::Entity::delete_many().exec(&world.db).await.expect("rows");
    assert_eq!(world.reloaded().await, ["posts"]);
    user::Entity::update_many()
        .col_expr(user::Column::Id, Expr::value(9))
        .filter(user::Column::Id.eq(2))
        .exec(&world.db)
        .await
        .expect("a row");
    assert_eq!(world.reloaded().await, ALL_OF_USER, "another key");
    let upsert = OnConflict::column(user::Column::Id).update_column(user::Column::Name).to_owned();
    user::Entity::insert(newcomer(Some(1))).on_conflict(upsert).exec(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, ALL_OF_USER, "an upsert");
    let select = Query::select()
        .expr(Expr::cust("id + 20"))
        .column(user::Column::Name)
        .column(user::Column::TeamId)
        .from(user::Entity)
        .to_owned();
    let mut copy = Query::insert();
    copy.into_table(user::Entity).columns([user::Column::Id, user::Column::Name, user::Column::TeamId]);
    copy.select_from(select).expect("as many columns");
    world.db.execute(&copy).await.expect("rows");
    assert_eq!(world.reloaded().await, ALL_OF_USER, "rows of a query");
}

#[tokio::test]
async fn several_rows_by_key_are_read_as_those() {
    let world = World::new().await;
    let some = async |db: &_| {
        let users = user::Entity::find().filter(user::Column::Id.is_in([1, 2])).all(db).await?;
        Ok(format!("{users:?}"))
    };
    ask(&world, "some", some).await.expect("an answer");
    for (id, reads) in [(3, 0), (2, 1)] {
        user::Entity::delete_by_id(id).exec(&world.db).await.expect("an answer");
        world.statements();
        ask(&world, "some", some).await.expect("an answer");
        assert_eq!(world.statements(), reads, "{id}");
    }
}

#[tokio::test]
async fn what_depends_on_a_table_depends_on_each_of_its_rows() {
    let world = World::warmed().await;
    world.cache.depends("user", &["team"]);
    renamed("Ada L.").update(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, ["user:1", "users", "teams"]);
}
