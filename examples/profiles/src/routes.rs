//! The routes of both services. What they say about the cache itself is in `upkeep`.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::achievements::{Achievements, Award, NewAward, OfBadge, Summary};
use crate::db::Database;
use crate::flags::Flags;
use crate::problem::Problem;
use crate::settings::Ttls;
use crate::upkeep;
use crate::users::{Accessibility, FullProfile, Preferences, Profile, ProfileChange, UserStats, Users};

/// Says where a page's value came from: `local_hit`, `remote_hit`, `stale`, `loaded` …
pub(crate) const CACHE: HeaderName = HeaderName::from_static("x-cache");

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) users: Users,
    pub(crate) achievements: Achievements,
    pub(crate) db: Database,
    pub(crate) flags: Flags,
}

impl App {
    pub(crate) fn new(db: Database, ttl: Ttls, flags: Flags) -> Self {
        Self {
            users: Users { db: db.clone(), ttl, flags: flags.clone() },
            achievements: Achievements { db: db.clone(), ttl, flags: flags.clone() },
            db,
            flags,
        }
    }

    pub(crate) fn router(self) -> Router {
        let users = Router::new()
            .route("/{id}", get(profile).put(update))
            .route("/{id}/full-profile", get(full_profile))
            .route("/{id}/preferences", get(preferences).put(set_preferences))
            .route("/{id}/languages", get(languages))
            .route("/{id}/accessibility", get(accessibility))
            .route("/{id}/interests", get(interests))
            .route("/{id}/stats", get(stats))
            .route("/cache/invalidate", post(upkeep::invalidate_user))
            .route("/cache/invalidate/all", post(upkeep::invalidate_users));
        let achievements = Router::new()
            .route("/{user}", get(achievements).post(award))
            .route("/{user}/summary", get(summary))
            .route("/{user}/stats", get(achievement_stats))
            .route("/leaderboard", get(leaderboard))
            .route("/recent", get(recent))
            .route("/cache/invalidate", post(upkeep::invalidate_achievements))
            .route("/cache/invalidate/global", post(upkeep::invalidate_boards));
        Router::new()
            .nest("/api/v1/users", users)
            .nest("/api/v1/achievements", achievements)
            .route("/api/v1/cache", get(upkeep::state).put(upkeep::set_state))
            .route("/api/v1/cache/invalidate", post(upkeep::invalidate_everything))
            .route("/api/v1/cache/warm", post(upkeep::warm))
            .route("/stats", get(upkeep::stats))
            // What a request costs that does nothing: the load generator asks it.
            .route("/nothing", get(async || StatusCode::NO_CONTENT))
            .with_state(self)
    }
}

/// A page, and where its value came from.
type Page<T> = Result<([(HeaderName, &'static str); 1], Json<T>), Problem>;

/// Nothing found is no user.
async fn page<T: Serialize>(value: impl Future<Output = Result<Option<T>, Problem>>) -> Page<T> {
    let (value, outcome) = larder::outcome(value).await;
    Ok(([(CACHE, outcome.as_str())], Json(value?.ok_or(Problem::NoUser)?)))
}

async fn profile(State(app): State<App>, Path(id): Path<i64>) -> Page<Profile> {
    page(app.users.profile(id)).await
}

async fn full_profile(State(app): State<App>, Path(id): Path<i64>) -> Page<FullProfile> {
    page(app.users.full_profile(id)).await
}

async fn preferences(State(app): State<App>, Path(id): Path<i64>) -> Page<Preferences> {
    page(app.users.preferences(id)).await
}

async fn accessibility(State(app): State<App>, Path(id): Path<i64>) -> Page<Accessibility> {
    page(app.users.accessibility(id)).await
}

async fn languages(State(app): State<App>, Path(id): Path<i64>) -> Page<Vec<String>> {
    page(async { app.users.languages(id).await.map(Some) }).await
}

async fn interests(State(app): State<App>, Path(id): Path<i64>) -> Page<Vec<String>> {
    page(async { app.users.interests(id).await.map(Some) }).await
}

async fn stats(State(app): State<App>, Path(id): Path<i64>) -> Page<UserStats> {
    page(async { app.users.stats(id).await.map(Some) }).await
}

async fn update(
    State(app): State<App>,
    Path(id): Path<i64>,
    Json(change): Json<ProfileChange>,
) -> Result<impl IntoResponse, Problem> {
    if change.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err(Problem::Refused("a name is not empty: leave `name` out to keep the old one"));
    }
    app.users.update(id, &change).await?.map(Json).ok_or(Problem::NoUser)
}

async fn set_preferences(
    State(app): State<App>,
    Path(id): Path<i64>,
    Json(new): Json<Preferences>,
) -> Result<impl IntoResponse, Problem> {
    app.users.set_preferences(id, &new).await?.map(Json).ok_or(Problem::NoUser)
}

async fn achievements(State(app): State<App>, Path(user): Path<i64>) -> Page<Vec<Award>> {
    page(async { app.achievements.of_user(user).await.map(Some) }).await
}

async fn summary(State(app): State<App>, Path(user): Path<i64>) -> Page<Summary> {
    page(async { app.achievements.summary(user).await.map(Some) }).await
}

async fn achievement_stats(State(app): State<App>, Path(user): Path<i64>) -> Page<Vec<OfBadge>> {
    page(async { app.achievements.stats(user).await.map(Some) }).await
}

async fn award(
    State(app): State<App>,
    Path(user): Path<i64>,
    Json(new): Json<NewAward>,
) -> Result<impl IntoResponse, Problem> {
    if new.badge.trim().is_empty() || !(1..=1000).contains(&new.points) {
        return Err(Problem::Refused("an award has a `badge` with a name, and `points` from 1 to 1000"));
    }
    let award = app.achievements.award(user, &new).await?.ok_or(Problem::NoUser)?;
    Ok((StatusCode::CREATED, Json(award)))
}

/// Which part of a board. `u32` as in the key: a page is never the same as another.
#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default = "ten")]
    limit: u32,
    #[serde(default)]
    offset: u32,
}

const fn ten() -> u32 {
    10
}

impl Part {
    fn checked(self) -> Result<Self, Problem> {
        // Without a bound, whoever asks decides how many entries there are.
        if (1..=100).contains(&self.limit) && self.offset <= 10_000 {
            return Ok(self);
        }
        Err(Problem::Refused("a board has `limit` from 1 to 100 and `offset` up to 10000"))
    }
}

#[derive(Serialize)]
struct Leader {
    user: i64,
    name: String,
    points: i64,
    awards: i64,
}

async fn leaderboard(State(app): State<App>, Query(part): Query<Part>) -> Page<Vec<Leader>> {
    let Part { limit, offset } = part.checked()?;
    let (places, outcome) = larder::outcome(app.achievements.leaderboard(limit, offset)).await;
    let places = places?;
    let ids: Vec<i64> = places.iter().map(|place| place.user).collect();
    let mut profiles = app.users.profiles(&ids).await?;
    let leaders = places.into_iter().map(|place| Leader {
        user: place.user,
        name: profiles.remove(&place.user).map_or_else(String::new, |profile| profile.name),
        points: place.points,
        awards: place.awards,
    });
    Ok(([(CACHE, outcome.as_str())], Json(leaders.collect::<Vec<_>>())))
}

async fn recent(State(app): State<App>, Query(part): Query<Part>) -> Page<Vec<Award>> {
    let Part { limit, .. } = part.checked()?;
    page(async { app.achievements.recent(limit).await.map(Some) }).await
}
