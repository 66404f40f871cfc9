//! Several processes with one remote store: what one has read serves the others, until anybody writes.

use std::sync::Arc;
use std::time::Duration;

use larder::sea_orm::Tracked;
use larder::{Cache, Memory, Tag};
use sea_orm::{ActiveModelTrait as _, DatabaseConnection, DbErr, EntityTrait as _, Set};
use tests::map_store::MapStore;
use tests::yielding::Yielding;

use crate::common::{World, ask, find_user, list_users, renamed, user};

/// Two processes, with values of their own or without.
async fn two(near: bool) -> [World; 2] {
    let store = Arc::new(MapStore::default());
    let process = |number| {
        let builder = Cache::builder().remote(Yielding::new(Arc::clone(&store), number, 0));
        let builder = if near { builder.local(Memory::new(1_000)) } else { builder };
        builder.max_staleness(Duration::ZERO).build()
    };
    let one = World::with(process(1)).await;
    let other = one.beside(process(2));
    [one, other]
}

#[tokio::test]
async fn what_was_read_is_there_at_once_and_for_others_once_they_know_its_tags() {
    let [one, other] = two(false).await;
    for id in [1, 2] {
        find_user(&one, id).await.expect("an answer");
    }
    assert_eq!(one.statements(), 2);
    for id in [1, 2] {
        find_user(&one, id).await.expect("an answer");
    }
    assert_eq!(one.statements(), 0, "the first as well, although its tags were not known beforehand");
    // Another process learns by its first load what to ask for.
    find_user(&other, 1).await.expect("an answer");
    assert_eq!(one.statements(), 1);
    find_user(&other, 2).await.expect("an answer");
    assert_eq!(one.statements(), 0);
}

#[tokio::test]
async fn a_write_anywhere_drops_its_row_everywhere() {
    let [one, other] = two(false).await;
    for world in [&one, &other] {
        for id in [1, 2] {
            find_user(world, id).await.expect("an answer");
        }
        list_users(world).await.expect("an answer");
    }
    renamed("Ada L.").update(&other.db).await.expect("a row");
    one.statements();
    find_user(&one, 2).await.expect("an answer");
    assert_eq!(one.statements(), 0, "another row");
    assert_eq!(find_user(&one, 1).await.expect("an answer").expect("Ada").name, "Ada L.");
    assert_eq!(list_users(&one).await.expect("an answer")[0].name, "Ada L.");
    assert_eq!(one.statements(), 2);
    // By hand, as well.
    one.cache.invalidate(Tag::from("user:1")).await.expect("the store is there");
    find_user(&other, 1).await.expect("an answer");
    assert_eq!(one.statements(), 1);
    user::Entity::delete_many().exec(&one.db).await.expect("rows");
    assert_eq!(find_user(&other, 2).await.expect("an answer"), None);
}

#[tokio::test]
async fn rows_that_the_key_does_not_tell_are_shared_too() {
    let [one, other] = two(false).await;
    let of = |id: i64| {
        async move |db: &_| {
            let user = user::Entity::find_by_id(id).one(db).await?;
            Ok(user.map_or(String::new(), |user| user.name))
        }
    };
    for world in [&one, &other] {
        for (who, id) in [("first", 1), ("second", 2)] {
            ask(world, who, of(id)).await.expect("an answer");
        }
    }
    one.statements();
    for world in [&one, &other] {
        for (who, id) in [("first", 1), ("second", 2)] {
            ask(world, who, of(id)).await.expect("an answer");
        }
    }
    assert_eq!(one.statements(), 0);
    renamed("Ada L.").update(&one.db).await.expect("a row");
    for world in [&one, &other] {
        assert_eq!(ask(world, "first", of(1)).await.expect("an answer"), "Ada L.");
    }
    one.cache.invalidate(Tag::from("user:1")).await.expect("the store is there");
    one.statements();
    ask(&other, "first", of(1)).await.expect("an answer");
    assert_eq!(one.statements(), 1, "a row by hand");
}

#[tokio::test]
async fn a_store_that_is_gone_fails_no_statement() {
    let near = Cache::builder().local(Memory::new(100));
    let cache = near.remote(Yielding::new(Arc::new(MapStore::default()), 7, 1)).build();
    let world = World::with(cache).await;
    for number in 0..20 {
        renamed(&number.to_string()).update(&world.db).await.expect("the database is there");
        let now = find_user(&world, 1).await.expect("an answer").expect("Ada");
        assert_eq!(now.name, number.to_string());
    }
}

/// Redis gives all scopes that move in one step the same generation, so the number and the generations of two lists of scopes
/// may agree although their tags do not.
#[tokio::test]
async fn what_was_stored_under_other_tags_is_not_taken() {
    let server = tests::redis::Server::start();
    let process = || Cache::builder().remote(tests::redis::patient(server.url())).build();
    let one = World::with(process()).await;
    let other = one.beside(process());
    let page = async |db: &Tracked<DatabaseConnection>, ids: &[i64]| -> Result<String, DbErr> {
        let mut names = Vec::new();
        for id in ids {
            names.push(user::Entity::find_by_id(*id).one(db).await?.expect("a user").name);
        }
        Ok(names.join(", "))
    };
    // Of what the other process has seen, the key tells the row; of what this one has, it does not.
    ask(&other, "2", async |db: &Tracked<_>| page(db, &[2]).await).await.expect("an answer");
    let both = async |db: &Tracked<_>| page(db, &[2, 1]).await;
    ask(&one, "2", both).await.expect("an answer");
    let bob = |name: &str| user::ActiveModel { id: Set(2), name: Set(name.to_owned()), ..Default::default() };
    bob("Bob B.").update(&one.db).await.expect("a row");
    for _ in 0..2 {
        assert_eq!(ask(&one, "2", both).await.expect("an answer"), "Bob B., Ada");
    }
    renamed("Ada L.").update(&one.db).await.expect("a row");
    assert_eq!(ask(&other, "2", both).await.expect("an answer"), "Bob B., Ada L.");
}
