//! What a cached function reads becomes its tags, and what is written is invalidated.

use crate::common::{World, post, team, user};
use larder::cached;
use sea_orm::{ActiveModelTrait as _, DbErr, EntityTrait as _, QueryOrder as _, Set};

#[cached(key = "user:<id>", ttl = "5m", tags = auto, skip(world), cache = world.cache)]
async fn find_user(world: &World, id: i64) -> Result<Option<user::Model>, DbErr> {
    user::Entity::find_by_id(id).one(&world.db).await
}

#[cached(key = "users", ttl = "5m", tags = auto, skip(world), cache = world.cache)]
async fn list_users(world: &World) -> Result<Vec<(user::Model, Option<team::Model>)>, DbErr> {
    user::Entity::find().find_also_related(team::Entity).order_by_asc(user::Column::Id).all(&world.db).await
}

#[cached(key = "posts", ttl = "5m", tags = auto, skip(world), cache = world.cache)]
async fn list_posts(world: &World) -> Result<Vec<post::Model>, DbErr> {
    post::Entity::find().order_by_asc(post::Column::Id).all(&world.db).await
}

#[tokio::test]
async fn a_write_drops_what_read_its_table_and_nothing_else() {
    let world = World::new().await;
    list_users(&world).await.expect("a list");
    list_posts(&world).await.expect("a list");
    assert_eq!(world.statements(), 2);
    list_users(&world).await.expect("a list");
    list_posts(&world).await.expect("a list");
    assert_eq!(world.statements(), 0);

    let ada = find_user(&world, 1).await.expect("an answer").expect("Ada");
    let mut ada = user::ActiveModel::from(ada);
    ada.name = Set("Ada L.".to_owned());
    ada.update(&world.db).await.expect("a row");
    assert_eq!(world.statements(), 2, "the read and the update");

    assert_eq!(find_user(&world, 1).await.expect("an answer").expect("Ada").name, "Ada L.");
    assert_eq!(list_users(&world).await.expect("a list")[0].0.name, "Ada L.");
    assert_eq!(world.statements(), 2);
    list_posts(&world).await.expect("a list");
    assert_eq!(world.statements(), 0, "it never read `user`");
}

#[tokio::test]
async fn the_table_of_a_join_counts() {
    let world = World::new().await;
    list_users(&world).await.expect("a list");
    let red = team::ActiveModel { id: Set(1), name: Set("crimson".to_owned()) };
    red.update(&world.db).await.expect("a row");
    let now = list_users(&world).await.expect("a list");
    assert_eq!(now[0].1.as_ref().map(|team| &*team.name), Some("crimson"));
}
