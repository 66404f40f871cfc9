//! What is read, and cached. Nothing here says what drops an answer: `tags = auto` does, which remembers what the statements
//! of a body have read.

use larder::cached;
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, FromQueryResult, JoinType, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, RelationTrait as _,
};
use serde::{Deserialize, Serialize};

use crate::database::Db;
use crate::entity::{activity_log, permission, role, role_permission, user, user_role, verification_code};
use crate::lifetime;

/// A role with what it allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleDetail {
    #[serde(flatten)]
    pub(crate) role: role::Model,
    pub(crate) permissions: Vec<permission::Model>,
}

/// A user with its roles, and what they allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserDetail {
    #[serde(flatten)]
    pub(crate) user: user::Model,
    pub(crate) roles: Vec<RoleDetail>,
}

/// Something that happened, and whom it was about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Activity {
    pub(crate) id: i64,
    pub(crate) action: String,
    pub(crate) user: Option<String>,
}

/// How many there are of everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Overview {
    pub(crate) users: u64,
    pub(crate) permissions: u64,
    pub(crate) roles: Vec<Holders>,
}

/// How many users have a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromQueryResult)]
pub(crate) struct Holders {
    pub(crate) role: String,
    pub(crate) users: i64,
}

#[cached(key = "users:<skip>:<limit>", ttl = lifetime::short(), tags = auto, skip(db))]
pub(crate) async fn list_users(db: &Db, skip: u64, limit: u64) -> Result<Vec<user::Model>, DbErr> {
    user::Entity::find().order_by_asc(user::Column::Id).offset(skip).limit(limit).all(db).await
}

// It reads the rows that it names, and asks for roles by the cached function that loads one: what that has read is read
// here too. So this answer goes with the role that changes, and not with the others.
#[cached(key = "user:<id>", ttl = lifetime::medium(), tags = auto, skip(db))]
pub(crate) async fn get_user(db: &Db, id: i64) -> Result<Option<UserDetail>, DbErr> {
    let Some(user) = user::Entity::find_by_id(id).one(db).await? else { return Ok(None) };
    let held = user_role::Entity::find().filter(user_role::Column::UserId.eq(id));
    let mut roles = Vec::new();
    for held in held.order_by_asc(user_role::Column::RoleId).all(db).await? {
        roles.extend(get_role(db, held.role_id).await?);
    }
    Ok(Some(UserDetail { user, roles }))
}

#[cached(key = "roles:<skip>:<limit>", ttl = lifetime::long(), tags = auto, skip(db))]
pub(crate) async fn list_roles(db: &Db, skip: u64, limit: u64) -> Result<Vec<role::Model>, DbErr> {
    role::Entity::find().order_by_asc(role::Column::Id).offset(skip).limit(limit).all(db).await
}

#[cached(key = "role:<id>", ttl = lifetime::long(), tags = auto, skip(db))]
pub(crate) async fn get_role(db: &Db, id: i64) -> Result<Option<RoleDetail>, DbErr> {
    let Some(role) = role::Entity::find_by_id(id).one(db).await? else { return Ok(None) };
    let allowed =
        role_permission::Entity::find().filter(role_permission::Column::RoleId.eq(id)).all(db).await?;
    let allowed = allowed.into_iter().map(|allowed| allowed.permission_id);
    let permissions = permission::Entity::find().filter(permission::Column::Id.is_in(allowed));
    Ok(Some(RoleDetail {
        role,
        permissions: permissions.order_by_asc(permission::Column::Id).all(db).await?,
    }))
}

#[cached(key = "permissions:<skip>:<limit>", ttl = lifetime::very_long(), tags = auto, skip(db))]
pub(crate) async fn list_permissions(
    db: &Db,
    skip: u64,
    limit: u64,
) -> Result<Vec<permission::Model>, DbErr> {
    permission::Entity::find().order_by_asc(permission::Column::Id).offset(skip).limit(limit).all(db).await
}

#[cached(key = "permission:<id>", ttl = lifetime::very_long(), tags = auto, skip(db))]
pub(crate) async fn get_permission(db: &Db, id: i64) -> Result<Option<permission::Model>, DbErr> {
    permission::Entity::find_by_id(id).one(db).await
}

#[cached(key = "codes:<user_id>", ttl = lifetime::short(), tags = auto, skip(db))]
pub(crate) async fn list_codes(db: &Db, user_id: i64) -> Result<Vec<verification_code::Model>, DbErr> {
    verification_code::Entity::find()
        .filter(verification_code::Column::UserId.eq(user_id))
        .order_by_asc(verification_code::Column::Id)
        .all(db)
        .await
}

// It shows the names of users, so it goes with any user that changes.
#[cached(key = "activity:<skip>:<limit>", ttl = lifetime::short(), tags = auto, skip(db))]
pub(crate) async fn list_activity(db: &Db, skip: u64, limit: u64) -> Result<Vec<Activity>, DbErr> {
    let found = activity_log::Entity::find()
        .find_also_related(user::Entity)
        .order_by_desc(activity_log::Column::Id)
        .offset(skip)
        .limit(limit)
        .all(db)
        .await?;
    let shown = |(log, user): (activity_log::Model, Option<user::Model>)| Activity {
        id: log.id,
        action: log.action,
        user: user.map(|user| user.name),
    };
    Ok(found.into_iter().map(shown).collect())
}

// Two tables in one statement, two more in others.
#[cached(key = "overview", ttl = lifetime::short(), tags = auto, skip(db))]
pub(crate) async fn overview(db: &Db) -> Result<Overview, DbErr> {
    let roles = role::Entity::find()
        .select_only()
        .column_as(role::Column::Name, "role")
        .column_as(user_role::Column::UserId.count(), "users")
        .join(JoinType::LeftJoin, role::Relation::UserRole.def())
        .group_by(role::Column::Name)
        .order_by_asc(role::Column::Name)
        .into_model::<Holders>()
        .all(db)
        .await?;
    let users = user::Entity::find().count(db).await?;
    let permissions = permission::Entity::find().count(db).await?;
    Ok(Overview { users, permissions, roles })
}
