//! The achievement service: three families of keys for each user, two for all, and what drops them.

use larder::{cache_invalidate, cached};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::db::Database;
use crate::flags::Flags;
use crate::problem::Problem;
use crate::settings::Ttls;

/// Reads and gives awards. Its clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Achievements {
    pub(crate) db: Database,
    pub(crate) ttl: Ttls,
    pub(crate) flags: Flags,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Award {
    pub(crate) id: i64,
    pub(crate) user: i64,
    pub(crate) badge: String,
    pub(crate) points: i64,
    pub(crate) awarded_at: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Summary {
    pub(crate) awards: i64,
    pub(crate) points: i64,
    pub(crate) badges: i64,
    pub(crate) latest: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct OfBadge {
    pub(crate) badge: String,
    pub(crate) awards: i64,
    pub(crate) points: i64,
}

/// A place on the board. It has no name: whoever shows it asks the user service, where a new name is known.
#[derive(Clone, Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Place {
    pub(crate) user: i64,
    pub(crate) points: i64,
    pub(crate) awards: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAward {
    pub(crate) badge: String,
    pub(crate) points: i64,
}

impl Achievements {
    #[cached(
        key = "achievements:<user>:achievements",
        ttl = self.ttl.achievement,
        skip(self),
        when = self.flags.caches(user)
    )]
    pub(crate) async fn of_user(&self, user: i64) -> Result<Vec<Award>, Problem> {
        let awards = sqlx::query_as("SELECT * FROM awards WHERE user = ? ORDER BY awarded_at DESC LIMIT 50");
        Ok(awards.bind(user).fetch_all(self.db.query()).await?)
    }

    #[cached(
        key = "achievements:<user>:summary",
        ttl = self.ttl.achievement,
        skip(self),
        when = self.flags.caches(user)
    )]
    pub(crate) async fn summary(&self, user: i64) -> Result<Summary, Problem> {
        let summary =
            "SELECT COUNT(*) AS awards, COALESCE(SUM(points), 0) AS points, COUNT(DISTINCT badge) AS badges,
                              MAX(awarded_at) AS latest
                       FROM awards WHERE user = ?";
        Ok(sqlx::query_as(summary).bind(user).fetch_one(self.db.query()).await?)
    }

    #[cached(
        key = "achievements:<user>:stats",
        ttl = self.ttl.achievement,
        skip(self),
        when = self.flags.caches(user)
    )]
    pub(crate) async fn stats(&self, user: i64) -> Result<Vec<OfBadge>, Problem> {
        let stats = "SELECT badge, COUNT(*) AS awards, SUM(points) AS points
                     FROM awards WHERE user = ? GROUP BY badge ORDER BY badge";
        Ok(sqlx::query_as(stats).bind(user).fetch_all(self.db.query()).await?)
    }

    /// Each page of the board is an entry: both numbers are in the key, or this would not compile.
    #[cached(
        key = "achievements:global:leaderboard:<limit>:<offset>",
        ttl = self.ttl.leaderboard,
        stale = "5m",
        early = true,
        skip(self)
    )]
    pub(crate) async fn leaderboard(&self, limit: u32, offset: u32) -> Result<Vec<Place>, Problem> {
        let places = "SELECT user, SUM(points) AS points, COUNT(*) AS awards
                      FROM awards GROUP BY user ORDER BY points DESC, user LIMIT ? OFFSET ?";
        Ok(sqlx::query_as(places).bind(limit).bind(offset).fetch_all(self.db.query()).await?)
    }

    #[cached(
        key = "achievements:global:recent_achievements:<limit>",
        ttl = self.ttl.recent,
        stale = "1m",
        early = true,
        skip(self)
    )]
    pub(crate) async fn recent(&self, limit: u32) -> Result<Vec<Award>, Problem> {
        let recent = "SELECT * FROM awards ORDER BY awarded_at DESC, id DESC LIMIT ?";
        Ok(sqlx::query_as(recent).bind(limit).fetch_all(self.db.query()).await?)
    }

    /// Gives an award, and drops what shows it: the user's achievements, the boards, and the two pages of the user
    /// service that count points.
    #[cache_invalidate(
        "achievements:<user>:*",
        "achievements:global:*",
        "user:<user>:stats",
        "user:<user>:full_profile"
    )]
    pub(crate) async fn award(&self, user: i64, new: &NewAward) -> Result<Option<Award>, Problem> {
        let award = "INSERT INTO awards (user, badge, points, awarded_at)
                     SELECT id, ?, ?, (SELECT COALESCE(MAX(awarded_at), 0) + 1 FROM awards) FROM users WHERE id = ?
                     RETURNING *";
        let award = sqlx::query_as(award).bind(&new.badge).bind(new.points).bind(user);
        Ok(award.fetch_optional(self.db.query()).await?)
    }

    /// Those who are first on the board, whose pages are read most.
    pub(crate) async fn leaders(&self, count: u32) -> Result<Vec<i64>, Problem> {
        Ok(self.leaderboard(count, 0).await?.into_iter().map(|place| place.user).collect())
    }
}
