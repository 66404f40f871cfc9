//! The routes that the service is there for: users, roles, permissions, and what happened.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;

use crate::Service;
use crate::entity::{permission, role, user, verification_code};
use crate::failure::Failure;
use crate::read::{self, Activity, Overview, RoleDetail, UserDetail};
use crate::write::{self, Named, NewUser};

pub(crate) type Answer<T> = Result<Json<T>, Failure>;

pub(crate) fn routes() -> Router<Service> {
    Router::new()
        .route("/users", get(users).post(create_user))
        .route("/users/{id}", get(user).put(update_user).delete(delete_user))
        .route("/users/{id}/roles", put(give_roles))
        .route("/users/{id}/codes", get(codes).post(create_code))
        .route("/roles", get(roles).post(create_role))
        .route("/roles/{id}", get(role).put(update_role).delete(delete_role))
        .route("/roles/{id}/permissions", put(allow))
        .route("/permissions", get(permissions).post(create_permission))
        .route("/permissions/{id}", get(permission).put(update_permission).delete(delete_permission))
        .route("/activity", get(activity))
        .route("/overview", get(overview))
}

/// Which part of a list is wanted.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    skip: u64,
    #[serde(default = "hundred")]
    limit: u64,
}

fn hundred() -> u64 {
    100
}

impl Page {
    /// Its two numbers; each list of a different length would be kept apart, so there is a longest.
    fn checked(self) -> Result<(u64, u64), Failure> {
        if (1..=1_000).contains(&self.limit) && self.skip <= 1_000_000 {
            Ok((self.skip, self.limit))
        } else {
            Err(Failure::Refused("`limit` goes from 1 to 1000, `skip` from 0 to 1000000".to_owned()))
        }
    }
}

fn found<T>(what: &str, id: i64, found: Option<T>) -> Answer<T> {
    found.map(Json).ok_or_else(|| Failure::Missing(format!("there is no {what} {id}")))
}

fn deleted(what: &str, id: i64, deleted: bool) -> Result<StatusCode, Failure> {
    found(what, id, deleted.then_some(StatusCode::NO_CONTENT)).map(|Json(status)| status)
}

async fn users(State(service): State<Service>, Query(page): Query<Page>) -> Answer<Vec<user::Model>> {
    let (skip, limit) = page.checked()?;
    Ok(Json(read::list_users(&service.db, skip, limit).await?))
}

async fn user(State(service): State<Service>, Path(id): Path<i64>) -> Answer<UserDetail> {
    found("user", id, read::get_user(&service.db, id).await?)
}

async fn create_user(
    State(service): State<Service>,
    Json(new): Json<NewUser>,
) -> Result<(StatusCode, Json<user::Model>), Failure> {
    Ok((StatusCode::CREATED, Json(write::create_user(&service.db, new).await?)))
}

async fn update_user(
    State(service): State<Service>,
    Path(id): Path<i64>,
    Json(new): Json<NewUser>,
) -> Answer<user::Model> {
    Ok(Json(write::update_user(&service.db, id, new).await?))
}

async fn delete_user(State(service): State<Service>, Path(id): Path<i64>) -> Result<StatusCode, Failure> {
    deleted("user", id, write::delete_user(&service.db, id).await?)
}

async fn give_roles(
    State(service): State<Service>,
    Path(id): Path<i64>,
    Json(roles): Json<Vec<i64>>,
) -> Result<StatusCode, Failure> {
    write::give_roles(&service.db, id, &roles).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn codes(State(service): State<Service>, Path(id): Path<i64>) -> Answer<Vec<verification_code::Model>> {
    Ok(Json(read::list_codes(&service.db, id).await?))
}

async fn create_code(
    State(service): State<Service>,
    Path(id): Path<i64>,
    Json(purpose): Json<Named>,
) -> Result<(StatusCode, Json<verification_code::Model>), Failure> {
    Ok((StatusCode::CREATED, Json(write::create_code(&service.db, id, purpose).await?)))
}

async fn roles(State(service): State<Service>, Query(page): Query<Page>) -> Answer<Vec<role::Model>> {
    let (skip, limit) = page.checked()?;
    Ok(Json(read::list_roles(&service.db, skip, limit).await?))
}

async fn role(State(service): State<Service>, Path(id): Path<i64>) -> Answer<RoleDetail> {
    found("role", id, read::get_role(&service.db, id).await?)
}

async fn create_role(
    State(service): State<Service>,
    Json(new): Json<Named>,
) -> Result<(StatusCode, Json<role::Model>), Failure> {
    Ok((StatusCode::CREATED, Json(write::create_role(&service.db, new).await?)))
}

async fn update_role(
    State(service): State<Service>,
    Path(id): Path<i64>,
    Json(new): Json<Named>,
) -> Answer<role::Model> {
    Ok(Json(write::update_role(&service.db, id, new).await?))
}

async fn delete_role(State(service): State<Service>, Path(id): Path<i64>) -> Result<StatusCode, Failure> {
    deleted("role", id, write::delete_role(&service.db, id).await?)
}

async fn allow(
    State(service): State<Service>,
    Path(id): Path<i64>,
    Json(permissions): Json<Vec<i64>>,
) -> Result<StatusCode, Failure> {
    write::allow(&service.db, id, &permissions).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn permissions(
    State(service): State<Service>,
    Query(page): Query<Page>,
) -> Answer<Vec<permission::Model>> {
    let (skip, limit) = page.checked()?;
    Ok(Json(read::list_permissions(&service.db, skip, limit).await?))
}

async fn permission(State(service): State<Service>, Path(id): Path<i64>) -> Answer<permission::Model> {
    found("permission", id, read::get_permission(&service.db, id).await?)
}

async fn create_permission(
    State(service): State<Service>,
    Json(new): Json<Named>,
) -> Result<(StatusCode, Json<permission::Model>), Failure> {
    Ok((StatusCode::CREATED, Json(write::create_permission(&service.db, new).await?)))
}

async fn update_permission(
    State(service): State<Service>,
    Path(id): Path<i64>,
    Json(new): Json<Named>,
) -> Answer<permission::Model> {
    Ok(Json(write::update_permission(&service.db, id, new).await?))
}

async fn delete_permission(
    State(service): State<Service>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Failure> {
    deleted("permission", id, write::delete_permission(&service.db, id).await?)
}

async fn activity(State(service): State<Service>, Query(page): Query<Page>) -> Answer<Vec<Activity>> {
    let (skip, limit) = page.checked()?;
    Ok(Json(read::list_activity(&service.db, skip, limit).await?))
}

async fn overview(State(service): State<Service>) -> Answer<Overview> {
    Ok(Json(read::overview(&service.db).await?))
}
