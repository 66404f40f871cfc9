//! The database: tables, people and awards to begin with, and the count of the queries that it was asked.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, bio TEXT NOT NULL, joined_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS preferences (
    user INTEGER PRIMARY KEY REFERENCES users, theme TEXT NOT NULL, locale TEXT NOT NULL, digest INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS languages (
    user INTEGER NOT NULL REFERENCES users, language TEXT NOT NULL, PRIMARY KEY (user, language)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS interests (
    user INTEGER NOT NULL REFERENCES users, interest TEXT NOT NULL, PRIMARY KEY (user, interest)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accessibility (
    user INTEGER PRIMARY KEY REFERENCES users, font_percent INTEGER NOT NULL, high_contrast INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS awards (
    id INTEGER PRIMARY KEY, user INTEGER NOT NULL REFERENCES users, badge TEXT NOT NULL, points INTEGER NOT NULL,
    awarded_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS awards_of_a_user ON awards (user, points);
CREATE INDEX IF NOT EXISTS awards_by_time ON awards (awarded_at);
";

// Everything follows from numbers that look like chance and are the same each time. One statement writes a table.
const USERS: &str = "
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO users
SELECT i, 'Reader ' || i, 'reader' || i || '@example.org', 'Joined as number ' || i, 1760000000 + i * 60 FROM n";
const SETTINGS: [&str; 4] = [
    "INSERT INTO preferences SELECT id, CASE id % 3 WHEN 0 THEN 'dark' ELSE 'light' END, 'en', id % 2 FROM users",
    "INSERT INTO accessibility SELECT id, 100 + id % 5 * 10, id % 7 = 0 FROM users",
    "INSERT INTO languages SELECT id, language FROM users, (SELECT 'sw' AS language UNION SELECT 'en' UNION SELECT 'fr')
     WHERE id % 2 = 0 OR language <> 'fr'",
    "INSERT INTO interests SELECT id, interest FROM users, (SELECT 'poetry' AS interest UNION SELECT 'history')
     WHERE id % 3 > 0 OR interest = 'history'",
];
const AWARDS: &str = "
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
INSERT INTO awards
SELECT i, 1 + (i * 7919 % ?1) * (i * 104729 % ?1) / ?1,
    CASE i % 4 WHEN 0 THEN 'first story' WHEN 1 THEN 'ten days in a row' WHEN 2 THEN 'first review' ELSE 'kind word' END,
    5 + i * 31 % 20, 1770000000 + i * 10 FROM n";

/// How many people and awards a new database has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    pub(crate) users: i64,
    pub(crate) awards: i64,
}

/// The database. Its clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: SqlitePool,
    queries: Arc<AtomicU64>,
}

impl Database {
    /// Opens it, and fills it if it is new.
    pub(crate) async fn open(url: &str, seed: Seed) -> sqlx::Result<Self> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        // From the first statement on nobody else writes: of two programs that start, one fills the tables.
        let mut all = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(TABLES).execute(&mut *all).await?;
        let users: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(&mut *all).await?;
        if users == 0 {
            sqlx::query(USERS).bind(seed.users).execute(&mut *all).await?;
            for settings in SETTINGS {
                sqlx::query(settings).execute(&mut *all).await?;
            }
            sqlx::query(AWARDS).bind(seed.users).bind(seed.awards).execute(&mut *all).await?;
        }
        all.commit().await?;
        Ok(Self { pool, queries: Arc::default() })
    }

    /// To ask one query, which is counted.
    pub(crate) fn query(&self) -> &SqlitePool {
        self.queries.fetch_add(1, Ordering::Relaxed);
        &self.pool
    }

    /// To change several tables at once, which is counted as one query.
    pub(crate) async fn change(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        self.query().begin_with("BEGIN IMMEDIATE").await
    }

    /// How many queries it was asked.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }
}
