//! Every table that a statement reads becomes a tag, wherever in the statement it stands.

use std::ops::AsyncFn;

use futures_util::TryStreamExt as _;
use larder::Tag;
use larder::sea_orm::Tracked;
use sea_orm::sea_query::{
    Alias, CommonTableExpression, Expr, ExprTrait as _, IntoCondition as _, JoinType, Order, Query,
    SelectStatement, UnionType, WithClause,
};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbErr,
    EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    QueryTrait as _, Set, StreamTrait as _,
};

use crate::common::{DEFAULT_SCHEMA, World, ask, find_user, list_users, post, renamed, team, user};

/// Whether what `asked` reads is dropped by a change of each table: of `team`, of `user`, of `post`.
async fn dropped_by(asked: impl AsyncFn(&Tracked<DatabaseConnection>) -> Result<String, DbErr>) -> [bool; 3] {
    let world = World::new().await;
    let mut dropped = [false; 3];
    for (at, dropped) in dropped.iter_mut().enumerate() {
        ask(&world, "it", &asked).await.expect("an answer");
        match at {
            0 => {
                let team = team::ActiveModel { id: Set(2), name: Set("azure".to_owned()) };
                team.update(&world.db).await.map(drop)
            }
            1 => renamed("Ada L.").update(&world.db).await.map(drop),
            _ => {
                let post = post::ActiveModel { id: Set(1), title: Set("x".to_owned()), ..Default::default() };
                post.update(&world.db).await.map(drop)
            }
        }
        .expect("a row");
        world.statements();
        ask(&world, "it", &asked).await.expect("an answer");
        *dropped = world.statements() > 0;
    }
    dropped
}

/// A query of one number, as it stands.
async fn one(db: &Tracked<DatabaseConnection>, query: &SelectStatement) -> Result<String, DbErr> {
    let row = db.query_one(query).await?;
    Ok(format!("{:?}", row.is_some()))
}

fn names() -> SelectStatement {
    Query::select().column((user::Entity, user::Column::Name)).from(user::Entity).to_owned()
}

#[tokio::test]
async fn of_one_table() {
    assert_eq!(
        dropped_by(async |db: &Tracked<_>| Ok(user::Entity::find().count(db).await?.to_string())).await,
        [false, true, false]
    );
}

#[tokio::test]
async fn of_a_join() {
    let joined = async |db: &Tracked<_>| {
        let rows = user::Entity::find().find_also_related(team::Entity).all(db).await?;
        Ok(format!("{rows:?}"))
    };
    assert_eq!(dropped_by(joined).await, [true, true, false]);
    let joined = async |db: &Tracked<_>| {
        let rows = user::Entity::find().find_with_related(post::Entity).all(db).await?;
        Ok(format!("{rows:?}"))
    };
    assert_eq!(dropped_by(joined).await, [false, true, true]);
}

#[tokio::test]
async fn of_a_sub_query_in_a_condition() {
    let nested = async |db: &Tracked<_>| {
        let teams = team::Entity::find().select_only().column(team::Column::Id).into_query();
        let users = user::Entity::find().filter(user::Column::TeamId.in_subquery(teams)).all(db).await?;
        Ok(format!("{users:?}"))
    };
    assert_eq!(dropped_by(nested).await, [true, true, false]);
}

#[tokio::test]
async fn of_a_sub_query_where_the_audit_does_not_look() {
    let titles = || Query::select().expr(Expr::col(post::Column::Id).max()).from(post::Entity).to_owned();
    let ordered = async |db: &Tracked<_>| {
        let mut query = names();
        query.order_by_expr(Expr::SubQuery(None, Box::new(titles().into())), Order::Asc);
        one(db, &query).await
    };
    assert_eq!(dropped_by(ordered).await, [false, true, true]);
    let on = async |db: &Tracked<_>| {
        let mut query = names();
        let is_it = Expr::SubQuery(None, Box::new(titles().into())).gt(0).into_condition();
        query.join(JoinType::LeftJoin, team::Entity, is_it);
        one(db, &query).await
    };
    assert_eq!(dropped_by(on).await, [true, true, true]);
    let by_hand = async |db: &Tracked<_>| {
        let mut query = names();
        query.and_where(Expr::cust("(SELECT count(*) FROM post) > 0"));
        one(db, &query).await
    };
    assert_eq!(dropped_by(by_hand).await, [false, true, true]);
}

#[tokio::test]
async fn of_a_common_table_expression() {
    let cte = async |db: &Tracked<_>| {
        let named = CommonTableExpression::new().query(names()).table_name(Alias::new("named")).to_owned();
        let outer = Query::select().expr(Expr::cust("count(*)")).from(Alias::new("named")).to_owned();
        let query = outer.with(WithClause::new().cte(named).to_owned());
        Ok(format!("{:?}", db.query_one(&query).await?.is_some()))
    };
    assert_eq!(dropped_by(cte).await, [false, true, false]);
    // With the name of the table that it reads.
    let cte = async |db: &Tracked<_>| {
        let inner = Query::select()
            .column(user::Column::Name)
            .from((Alias::new(DEFAULT_SCHEMA), Alias::new("user")))
            .to_owned();
        let named = CommonTableExpression::new().query(inner).table_name(Alias::new("user")).to_owned();
        let outer = Query::select().expr(Expr::cust("count(*)")).from(Alias::new("user")).to_owned();
        let query = outer.with(WithClause::new().cte(named).to_owned());
        Ok(format!("{:?}", db.query_one(&query).await?.is_some()))
    };
    assert_eq!(dropped_by(cte).await, [false, true, false]);
}

#[tokio::test]
async fn of_a_union() {
    let union = async |db: &Tracked<_>| {
        let mut query = names();
        query
            .union(UnionType::All, Query::select().column(post::Column::Title).from(post::Entity).to_owned());
        one(db, &query).await
    };
    assert_eq!(dropped_by(union).await, [false, true, true]);
}

#[tokio::test]
async fn of_a_stream() {
    let streamed = async |db: &Tracked<_>| {
        let rows: Vec<user::Model> = user::Entity::find().stream(db).await?.try_collect().await?;
        Ok(rows.len().to_string())
    };
    assert_eq!(dropped_by(streamed).await, [false, true, false]);
    let streamed = async |db: &Tracked<DatabaseConnection>| {
        let rows: Vec<_> = db.stream(&names()).await?.try_collect().await?;
        Ok(rows.len().to_string())
    };
    assert_eq!(dropped_by(streamed).await, [false, true, false]);
}

#[tokio::test]
async fn of_all_statements_of_a_function_and_of_those_that_it_calls() {
    let world = World::new().await;
    let calls = async |_: &Tracked<_>| {
        let users = list_users(&world).await?;
        let posts = post::Entity::find().order_by_asc(post::Column::Id).all(&world.db).await?;
        Ok(format!("{users:?} {posts:?}"))
    };
    ask(&world, "it", &calls).await.expect("an answer");
    renamed("Ada L.").update(&world.db).await.expect("a row");
    world.statements();
    ask(&world, "it", &calls).await.expect("an answer");
    assert_eq!(world.statements(), 2, "the users, which the inner function read, and the posts");
}

#[larder::cached(key = "quiet", ttl = "5m", tags = ["mine"], skip(world), cache = world.cache)]
async fn names_its_own(world: &World) -> Result<usize, DbErr> {
    Ok(user::Entity::find().all(&world.db).await?.len())
}

#[larder::cached(key = "both", ttl = "5m", tags = ["mine", auto], skip(world), cache = world.cache)]
async fn names_both(world: &World) -> Result<usize, DbErr> {
    Ok(user::Entity::find().all(&world.db).await?.len())
}

#[tokio::test]
async fn only_where_the_function_says_so_and_beside_its_own_tags() {
    let world = World::new().await;
    for (changes, reloads) in [(false, [1, 1]), (true, [0, 1]), (false, [0, 0])] {
        if changes {
            renamed("Ada L.").update(&world.db).await.expect("a row");
            world.statements();
        }
        names_its_own(&world).await.expect("an answer");
        let quiet = world.statements();
        names_both(&world).await.expect("an answer");
        assert_eq!([quiet, world.statements()], reloads);
    }
    world.cache.invalidate(Tag::from("mine")).await.expect("no remote store");
    names_its_own(&world).await.expect("an answer");
    names_both(&world).await.expect("an answer");
    assert_eq!(world.statements(), 2);
}

#[tokio::test]
async fn and_can_be_invalidated_by_hand_by_table_and_by_row() {
    let world = World::warmed().await;
    world.cache.invalidate(Tag::from("user")).await.expect("no remote store");
    assert_eq!(world.reloaded().await, ["user:1", "user:2", "user:3", "users"]);
    world.cache.invalidate(Tag::from("user:2")).await.expect("no remote store");
    assert_eq!(world.reloaded().await, ["user:2", "users"], "a list may hold the row");
    find_user(&world, 2).await.expect("an answer");
    assert_eq!(world.statements(), 0);
}
