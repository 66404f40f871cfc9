//! A function whose tags are to come from the database says once if it never sees one.

use larder::cached;
use sea_orm::{DbErr, EntityTrait as _};
use tests::log::Log;

use crate::common::{World, list_users, user};

#[cached(key = "untracked", ttl = "5m", tags = auto, skip(world), cache = world.cache)]
async fn past_the_watch(world: &World) -> Result<usize, DbErr> {
    Ok(user::Entity::find().all(world.db.inner()).await?.len())
}

#[cached(key = "indirect", ttl = "5m", tags = auto, skip(world), cache = world.cache)]
async fn by_another(world: &World) -> Result<usize, DbErr> {
    Ok(list_users(world).await?.len())
}

#[tokio::test]
async fn a_connection_that_is_not_tracked_is_said_once() {
    let world = World::new().await;
    let log = Log::of_this_thread();
    past_the_watch(&world).await.expect("an answer");
    world.cache.clear().await.expect("no remote store");
    past_the_watch(&world).await.expect("an answer");
    assert_eq!(log.warnings().len(), 1, "{:?}", log.lines());
    assert!(log.text().contains("past_the_watch"), "{}", log.text());
    list_users(&world).await.expect("an answer");
    by_another(&world).await.expect("an answer");
    assert_eq!(log.warnings().len(), 1, "{:?}", log.lines());
}
