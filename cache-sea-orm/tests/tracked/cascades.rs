//! What the database changes by itself is invalidated with what makes it do so.

use sea_orm::{EntityTrait as _, RelationTrait as _};

use crate::common::{World, post, team, user};

#[test]
fn the_owner_is_the_one_that_others_refer_to() {
    // SeaORM's documentation has it the other way round.
    let belongs_to = user::Relation::Team.def();
    assert!(!belongs_to.is_owner);
    assert_eq!(format!("{:?}", belongs_to.from_tbl), format!("{:?}", post::Relation::User.def().to_tbl));
    assert!(team::Relation::User.def().is_owner);
}

#[tokio::test]
async fn a_delete_reaches_the_tables_that_go_along() {
    let world = World::warmed().await;
    user::Entity::delete_by_id(2).exec(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, ["user:2", "users", "posts"], "posts lose their author");
    team::Entity::delete_by_id(1).exec(&world.db).await.expect("a row");
    assert_eq!(
        world.reloaded().await,
        ["user:1", "user:2", "user:3", "users", "posts", "teams"],
        "users go along"
    );
    post::Entity::delete_by_id(1).exec(&world.db).await.expect("a row");
    assert_eq!(world.reloaded().await, ["posts"], "nothing refers to posts");
}
