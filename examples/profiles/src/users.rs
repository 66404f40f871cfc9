//! The user service: seven families of keys under `user:<id>:`, and what drops them.

use std::collections::HashMap;

use larder::{Cache, cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::db::Database;
use crate::flags::Flags;
use crate::problem::Problem;
use crate::settings::Ttls;

/// Reads and changes users. Its clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Users {
    pub(crate) db: Database,
    pub(crate) ttl: Ttls,
    pub(crate) flags: Flags,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Profile {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) bio: String,
    pub(crate) joined_at: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Preferences {
    pub(crate) theme: String,
    pub(crate) locale: String,
    pub(crate) digest: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Accessibility {
    pub(crate) font_percent: i64,
    pub(crate) high_contrast: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct UserStats {
    pub(crate) awards: i64,
    pub(crate) points: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FullProfile {
    #[serde(flatten)]
    pub(crate) profile: Profile,
    pub(crate) preferences: Option<Preferences>,
    pub(crate) languages: Vec<String>,
    pub(crate) accessibility: Option<Accessibility>,
    pub(crate) interests: Vec<String>,
    pub(crate) stats: UserStats,
}

/// What a user can change of a profile; what is absent stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileChange {
    pub(crate) name: Option<String>,
    pub(crate) bio: Option<String>,
    pub(crate) languages: Option<Vec<String>>,
    pub(crate) interests: Option<Vec<String>>,
    pub(crate) accessibility: Option<Accessibility>,
}

impl Users {
    #[cached(key = "user:<id>:profile", ttl = self.ttl.user, skip(self), when = self.flags.caches(id), shared)]
    pub(crate) async fn profile(&self, id: i64) -> Result<Option<Profile>, Problem> {
        let profile = sqlx::query_as("SELECT * FROM users WHERE id = ?").bind(id);
        Ok(profile.fetch_optional(self.db.query()).await?)
    }

    /// Many profiles in one call, in the entries of [`profile`](Self::profile): the boards name their users with it.
    #[cached(
        key = "user:<id>:profile",
        ttl = self.ttl.user,
        each(id in ids),
        skip(self),
        when = ids.iter().all(|id| self.flags.caches(*id)),
        shared
    )]
    pub(crate) async fn profiles(&self, ids: &[i64]) -> Result<HashMap<i64, Profile>, Problem> {
        let profiles = sqlx::query_as("SELECT * FROM users WHERE id IN (SELECT value FROM json_each(?))")
            .bind(serde_json::to_string(ids)?);
        let profiles: Vec<Profile> = profiles.fetch_all(self.db.query()).await?;
        Ok(profiles.into_iter().map(|profile| (profile.id, profile)).collect())
    }

    #[cached(key = "user:<id>:preferences", ttl = self.ttl.user, skip(self), when = self.flags.caches(id))]
    pub(crate) async fn preferences(&self, id: i64) -> Result<Option<Preferences>, Problem> {
        let preferences = sqlx::query_as("SELECT * FROM preferences WHERE user = ?").bind(id);
        Ok(preferences.fetch_optional(self.db.query()).await?)
    }

    #[cached(key = "user:<id>:languages", ttl = self.ttl.user, skip(self), when = self.flags.caches(id))]
    pub(crate) async fn languages(&self, id: i64) -> Result<Vec<String>, Problem> {
        let languages = sqlx::query_scalar("SELECT language FROM languages WHERE user = ? ORDER BY language");
        Ok(languages.bind(id).fetch_all(self.db.query()).await?)
    }

    #[cached(key = "user:<id>:accessibility", ttl = self.ttl.user, skip(self), when = self.flags.caches(id))]
    pub(crate) async fn accessibility(&self, id: i64) -> Result<Option<Accessibility>, Problem> {
        let accessibility = sqlx::query_as("SELECT * FROM accessibility WHERE user = ?").bind(id);
        Ok(accessibility.fetch_optional(self.db.query()).await?)
    }

    #[cached(key = "user:<id>:interests", ttl = self.ttl.user, skip(self), when = self.flags.caches(id))]
    pub(crate) async fn interests(&self, id: i64) -> Result<Vec<String>, Problem> {
        let interests = sqlx::query_scalar("SELECT interest FROM interests WHERE user = ? ORDER BY interest");
        Ok(interests.bind(id).fetch_all(self.db.query()).await?)
    }

    #[cached(key = "user:<id>:stats", ttl = self.ttl.user, skip(self), when = self.flags.caches(id))]
    pub(crate) async fn stats(&self, id: i64) -> Result<UserStats, Problem> {
        let stats =
            "SELECT COUNT(*) AS awards, COALESCE(SUM(points), 0) AS points FROM awards WHERE user = ?";
        Ok(sqlx::query_as(stats).bind(id).fetch_one(self.db.query()).await?)
    }

    /// The page that is read most: it is renewed in the background, shortly before its time ends (`early`) or just after
    /// (`stale`), so that its readers do not wait.
    #[cached(
        key = "user:<id>:full_profile",
        ttl = self.ttl.user,
        stale = "10m",
        early = true,
        skip(self),
        when = self.flags.caches(id)
    )]
    pub(crate) async fn full_profile(&self, id: i64) -> Result<Option<FullProfile>, Problem> {
        let Some(profile) = self.profile(id).await? else { return Ok(None) };
        let (preferences, languages, accessibility, interests, stats) = tokio::try_join!(
            self.preferences(id),
            self.languages(id),
            self.accessibility(id),
            self.interests(id),
            self.stats(id),
        )?;
        Ok(Some(FullProfile { profile, preferences, languages, accessibility, interests, stats }))
    }

    /// Changes a profile and drops everything that is known of the user.
    #[cache_invalidate("user:<id>:*")]
    pub(crate) async fn update(&self, id: i64, change: &ProfileChange) -> Result<Option<Profile>, Problem> {
        let mut all = self.db.change().await?;
        let profile =
            "UPDATE users SET name = COALESCE(?, name), bio = COALESCE(?, bio) WHERE id = ? RETURNING *";
        let profile = sqlx::query_as(profile).bind(&change.name).bind(&change.bio).bind(id);
        let Some(profile) = profile.fetch_optional(&mut *all).await? else { return Ok(None) };
        if let Some(languages) = &change.languages {
            sqlx::query("DELETE FROM languages WHERE user = ?").bind(id).execute(&mut *all).await?;
            let add = "INSERT INTO languages SELECT DISTINCT ?, value FROM json_each(?)";
            sqlx::query(add).bind(id).bind(serde_json::to_string(languages)?).execute(&mut *all).await?;
        }
        if let Some(interests) = &change.interests {
            sqlx::query("DELETE FROM interests WHERE user = ?").bind(id).execute(&mut *all).await?;
            let add = "INSERT INTO interests SELECT DISTINCT ?, value FROM json_each(?)";
            sqlx::query(add).bind(id).bind(serde_json::to_string(interests)?).execute(&mut *all).await?;
        }
        if let Some(needs) = &change.accessibility {
            sqlx::query("INSERT OR REPLACE INTO accessibility VALUES (?, ?, ?)")
                .bind(id)
                .bind(needs.font_percent)
                .bind(needs.high_contrast)
                .execute(&mut *all)
                .await?;
        }
        all.commit().await?;
        Ok(Some(profile))
    }

    /// Changes preferences and drops the two entries that show them.
    #[cache_invalidate(self.preferences(id), self.full_profile(id))]
    pub(crate) async fn set_preferences(
        &self,
        id: i64,
        new: &Preferences,
    ) -> Result<Option<Preferences>, Problem> {
        let set = "UPDATE preferences SET theme = ?, locale = ?, digest = ? WHERE user = ? RETURNING *";
        let set = sqlx::query_as(set).bind(&new.theme).bind(&new.locale).bind(new.digest).bind(id);
        Ok(set.fetch_optional(self.db.query()).await?)
    }

    /// Loads the full profiles of these users that are not there yet, four at a time; how many that were.
    pub(crate) async fn warm(&self, ids: Vec<i64>) -> usize {
        let keys = ids.into_iter().filter(|id| self.flags.caches(*id)).map(|id| self.full_profile_key(id));
        let load = async |id: Option<i64>| {
            let id = id.ok_or(Problem::NoUser)?;
            self.full_profile_uncached(id).await?.ok_or(Problem::NoUser)
        };
        let warmed = Cache::global()
            .warm(keys, 4, |key| load(key.as_str().split(':').nth(1).and_then(|id| id.parse().ok())))
            .ttl(self.ttl.user)
            .await;
        warmed.loaded.len()
    }
}
