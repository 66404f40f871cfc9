//! Writers and readers at once: whoever asks after a commit gets nothing that was read before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::testing::History;
use larder::{Tag, cached};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, TransactionTrait as _};

use crate::common::{World, membership};

/// Memberships of user 1: `since` counts their changes.
const CLUBS: [&str; 2] = ["chess", "go"];

/// How often a club has changed, and the number of the load that says so.
#[cached(key = "changes:<club>", ttl = "5m", tags = auto, skip(world, history), cache = world.cache)]
async fn changes(world: &World, history: &History, club: &str) -> Result<(i32, u64), DbErr> {
    let mut load = history.load(format!("changes:{club}"));
    load.tag(format!("membership:1,{club}"));
    let row = membership::Entity::find_by_id((1, club.to_owned())).one(&world.db).await?;
    Ok((row.map_or(0, |row| row.since), load.number()))
}

async fn change(world: &World, club: &str, in_transaction: bool) -> Result<(), DbErr> {
    let update = membership::Entity::update_many()
        .col_expr(membership::Column::Since, Expr::col(membership::Column::Since).add(1))
        .filter(membership::Column::UserId.eq(1))
        .filter(membership::Column::Club.eq(club));
    if !in_transaction {
        return update.exec(&world.db).await.map(drop);
    }
    let transaction = world.db.begin().await?;
    update.exec(&transaction).await?;
    transaction.commit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_committed_is_read() {
    const WRITES: u64 = 150;
    let (world, history) = (Arc::new(World::new().await), History::new());
    let (left, reads) = (Arc::new(AtomicU64::new(CLUBS.len() as u64)), Arc::new(AtomicU64::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for club in CLUBS {
        let (world, history, left) = (Arc::clone(&world), history.clone(), Arc::clone(&left));
        tasks.spawn(async move {
            let (mut last, _) = changes(&world, &history, club).await.expect("an answer");
            for number in 0..WRITES {
                let invalidation = history.invalidation(Tag::from(format!("membership:1,{club}")));
                change(&world, club, number % 2 == 0).await.expect("a row");
                invalidation.acknowledged();
                let (now, _) = changes(&world, &history, club).await.expect("an answer");
                assert_eq!(now, last + 1, "nobody else changes it");
                last = now;
            }
            left.fetch_sub(1, Ordering::Release);
        });
    }
    for reader in 0..4 {
        let (world, history) = (Arc::clone(&world), history.clone());
        let (left, reads) = (Arc::clone(&left), Arc::clone(&reads));
        tasks.spawn(async move {
            while left.load(Ordering::Acquire) > 0 {
                let club = CLUBS[reader % CLUBS.len()];
                let read = history.read(format!("changes:{club}"));
                let (_, number) = changes(&world, &history, club).await.expect("an answer");
                read.returned(number);
                reads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no task fails");
    }
    let summary = history.check(Duration::ZERO).expect("invalidation wins");
    assert_eq!(summary.invalidations, WRITES * CLUBS.len() as u64);
    assert!(summary.reads == reads.load(Ordering::Relaxed) && summary.reads > 0, "{summary}");
}
