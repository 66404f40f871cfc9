//! What a transaction changes counts when it is committed, and not at all when it is rolled back.

use larder::cached;
use larder::sea_orm::Tracked;
use sea_orm::{
    ActiveModelTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, TransactionError,
    TransactionTrait as _,
};

use crate::common::{World, find_user, list_users, post, renamed, user};

#[tokio::test]
async fn a_commit_invalidates_and_nothing_does_before() {
    let world = World::warmed().await;
    let transaction = world.db.begin().await.expect("a transaction");
    renamed("Ada L.").update(&transaction).await.expect("a row");
    world.statements();
    let before = find_user(&world, 1).await.expect("an answer").expect("Ada");
    assert_eq!(
        (before.name.as_str(), world.statements()),
        ("Ada", 0),
        "still cached, and still true for others"
    );
    transaction.commit().await.expect("it is committed");
    assert_eq!(world.reloaded().await, ["user:1", "users"]);
}

#[tokio::test]
async fn a_rollback_invalidates_nothing() {
    let world = World::warmed().await;
    let transaction = world.db.begin().await.expect("a transaction");
    renamed("Ada L.").update(&transaction).await.expect("a row");
    transaction.rollback().await.expect("it is undone");
    let transaction = world.db.begin().await.expect("a transaction");
    renamed("Ada L.").update(&transaction).await.expect("a row");
    drop(transaction);
    assert_eq!(world.reloaded().await, [""; 0]);
}

#[tokio::test]
async fn a_closure_commits_or_rolls_back() {
    let world = World::warmed().await;
    let failed = world.db.transaction::<_, (), DbErr>(|transaction| {
        Box::pin(async move {
            renamed("Ada L.").update(transaction).await?;
            Err(DbErr::Custom("no".to_owned()))
        })
    });
    assert!(matches!(failed.await, Err(TransactionError::Transaction(_))));
    assert_eq!(world.reloaded().await, [""; 0]);
    let done = world.db.transaction::<_, _, DbErr>(|transaction| {
        Box::pin(async move { renamed("Ada L.").update(transaction).await.map(drop) })
    });
    done.await.expect("it is committed");
    assert_eq!(world.reloaded().await, ["user:1", "users"]);
}

#[tokio::test]
async fn a_savepoint_hands_up_what_it_changed_or_drops_it() {
    for (inner_commits, outer_commits, reloaded) in [
        (true, true, &["user:1", "users", "posts"][..]),
        (false, true, &["posts"]),
        (true, false, &[]),
        (false, false, &[]),
    ] {
        let world = World::warmed().await;
        let outer = world.db.begin().await.expect("a transaction");
        let title = sea_orm::sea_query::Expr::value("x");
        post::Entity::update_many().col_expr(post::Column::Title, title).exec(&outer).await.expect("rows");
        let inner = outer.begin().await.expect("a savepoint");
        renamed("Ada L.").update(&inner).await.expect("a row");
        if inner_commits {
            inner.commit().await.expect("it is kept");
        } else {
            inner.rollback().await.expect("it is undone");
        }
        if outer_commits {
            outer.commit().await.expect("it is committed");
        } else {
            outer.rollback().await.expect("it is undone");
        }
        assert_eq!(world.reloaded().await, reloaded, "{inner_commits} {outer_commits}");
    }
}

type Transaction = Tracked<DatabaseTransaction>;

#[cached(key = "seen:<id>", ttl = "5m", tags = auto, skip(world, transaction), cache = world.cache)]
async fn seen(world: &World, transaction: &Transaction, id: i64) -> Result<Option<user::Model>, DbErr> {
    world.statements();
    user::Entity::find_by_id(id).one(transaction).await
}

#[cached(key = "seen:<id>", ttl = "5m", tags = auto, skip(world), cache = world.cache, shared)]
async fn seen_by_others(world: &World, id: i64) -> Result<Option<user::Model>, DbErr> {
    user::Entity::find_by_id(id).one(&world.db).await
}

#[tokio::test]
async fn what_a_transaction_sees_is_not_stored() {
    let world = World::new().await;
    for changes in [false, true] {
        let transaction = world.db.begin().await.expect("a transaction");
        if changes {
            renamed("uncommitted").update(&transaction).await.expect("a row");
        }
        seen(&world, &transaction, 1).await.expect("an answer").expect("Ada");
        transaction.rollback().await.expect("it is undone");
        let now = seen_by_others(&world, 1).await.expect("an answer").expect("Ada");
        assert_eq!(now.name, "Ada");
        world.cache.clear().await.expect("no remote store");
    }
}

#[cached(key = "within:<id>", ttl = "5m", tags = auto, skip(world), cache = world.cache)]
async fn reads_in_its_own(world: &World, id: i64) -> Result<Option<user::Model>, DbErr> {
    let transaction = world.db.begin().await?;
    let user = user::Entity::find_by_id(id).one(&transaction).await?;
    transaction.commit().await?;
    Ok(user)
}

#[tokio::test]
async fn a_function_may_read_in_a_transaction_of_its_own() {
    let world = World::new().await;
    reads_in_its_own(&world, 1).await.expect("an answer");
    world.statements();
    reads_in_its_own(&world, 1).await.expect("an answer");
    assert_eq!(world.statements(), 0);
    renamed("Ada L.").update(&world.db).await.expect("a row");
    let now = reads_in_its_own(&world, 1).await.expect("an answer").expect("Ada");
    assert_eq!(now.name, "Ada L.");
    list_users(&world).await.expect("an answer");
}
