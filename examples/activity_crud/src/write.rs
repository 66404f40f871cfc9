//! What is written. Nothing here says what it drops: the connection sees it, and invalidates after the commit. After a
//! rollback it invalidates nothing.

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, Set,
    TransactionTrait as _,
};
use serde::Deserialize;

use crate::database::Db;
use crate::entity::{activity_log, permission, role, role_permission, user, user_role, verification_code};

/// A user as it is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    pub(crate) name: String,
    pub(crate) email: String,
}

/// A role or a permission as it is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) name: String,
}

pub(crate) async fn create_user(db: &Db, new: NewUser) -> Result<user::Model, DbErr> {
    let change = db.begin().await?;
    let user = user::ActiveModel { name: Set(new.name), email: Set(new.email), ..Default::default() };
    let user = user.insert(&change).await?;
    note(&change, Some(user.id), "user created").await?;
    change.commit().await?;
    Ok(user)
}

pub(crate) async fn update_user(db: &Db, id: i64, new: NewUser) -> Result<user::Model, DbErr> {
    let change = db.begin().await?;
    let user = user::ActiveModel { id: Set(id), name: Set(new.name), email: Set(new.email) };
    let user = user.update(&change).await?;
    note(&change, Some(id), "user changed").await?;
    change.commit().await?;
    Ok(user)
}

/// With the user go its roles and codes, by what the relations say.
pub(crate) async fn delete_user(db: &Db, id: i64) -> Result<bool, DbErr> {
    let change = db.begin().await?;
    let gone = user::Entity::delete_by_id(id).exec(&change).await?.rows_affected > 0;
    if gone {
        note(&change, None, &format!("user {id} deleted")).await?;
    }
    change.commit().await?;
    Ok(gone)
}

/// Gives a user these roles and no others. If one of them is not there, all stays as it was.
pub(crate) async fn give_roles(db: &Db, user: i64, roles: &[i64]) -> Result<(), DbErr> {
    let change = db.begin().await?;
    user_role::Entity::delete_many().filter(user_role::Column::UserId.eq(user)).exec(&change).await?;
    for role in roles {
        let held = user_role::ActiveModel { user_id: Set(user), role_id: Set(*role) };
        user_role::Entity::insert(held).exec_without_returning(&change).await?;
    }
    note(&change, Some(user), "roles given").await?;
    // Without this line, because one of the inserts has failed, it is rolled back.
    change.commit().await
}

pub(crate) async fn create_role(db: &Db, new: Named) -> Result<role::Model, DbErr> {
    let change = db.begin().await?;
    let role = role::ActiveModel { name: Set(new.name), ..Default::default() }.insert(&change).await?;
    note(&change, None, &format!("role {} created", role.id)).await?;
    change.commit().await?;
    Ok(role)
}

pub(crate) async fn update_role(db: &Db, id: i64, new: Named) -> Result<role::Model, DbErr> {
    let change = db.begin().await?;
    let role = role::ActiveModel { id: Set(id), name: Set(new.name) }.update(&change).await?;
    note(&change, None, &format!("role {id} changed")).await?;
    change.commit().await?;
    Ok(role)
}

pub(crate) async fn delete_role(db: &Db, id: i64) -> Result<bool, DbErr> {
    let change = db.begin().await?;
    let gone = role::Entity::delete_by_id(id).exec(&change).await?.rows_affected > 0;
    if gone {
        note(&change, None, &format!("role {id} deleted")).await?;
    }
    change.commit().await?;
    Ok(gone)
}

/// Lets a role allow these and nothing else.
pub(crate) async fn allow(db: &Db, role: i64, permissions: &[i64]) -> Result<(), DbErr> {
    let change = db.begin().await?;
    let allowed = role_permission::Entity::delete_many().filter(role_permission::Column::RoleId.eq(role));
    allowed.exec(&change).await?;
    for permission in permissions {
        let allows = role_permission::ActiveModel { role_id: Set(role), permission_id: Set(*permission) };
        role_permission::Entity::insert(allows).exec_without_returning(&change).await?;
    }
    note(&change, None, &format!("permissions of role {role} changed")).await?;
    change.commit().await
}

pub(crate) async fn create_permission(db: &Db, new: Named) -> Result<permission::Model, DbErr> {
    let change = db.begin().await?;
    let permission = permission::ActiveModel { name: Set(new.name), ..Default::default() };
    let permission = permission.insert(&change).await?;
    note(&change, None, &format!("permission {} created", permission.id)).await?;
    change.commit().await?;
    Ok(permission)
}

pub(crate) async fn update_permission(db: &Db, id: i64, new: Named) -> Result<permission::Model, DbErr> {
    let change = db.begin().await?;
    let permission = permission::ActiveModel { id: Set(id), name: Set(new.name) }.update(&change).await?;
    note(&change, None, &format!("permission {id} changed")).await?;
    change.commit().await?;
    Ok(permission)
}

pub(crate) async fn delete_permission(db: &Db, id: i64) -> Result<bool, DbErr> {
    let change = db.begin().await?;
    let gone = permission::Entity::delete_by_id(id).exec(&change).await?.rows_affected > 0;
    if gone {
        note(&change, None, &format!("permission {id} deleted")).await?;
    }
    change.commit().await?;
    Ok(gone)
}

pub(crate) async fn create_code(
    db: &Db,
    user: i64,
    purpose: Named,
) -> Result<verification_code::Model, DbErr> {
    let code = verification_code::ActiveModel {
        user_id: Set(user),
        purpose: Set(purpose.name),
        ..Default::default()
    };
    code.insert(db).await
}

/// Writes down what happened, and to whom.
async fn note(db: &impl ConnectionTrait, user: Option<i64>, action: &str) -> Result<(), DbErr> {
    let log = activity_log::ActiveModel {
        user_id: Set(user),
        action: Set(action.to_owned()),
        ..Default::default()
    };
    log.insert(db).await.map(drop)
}
