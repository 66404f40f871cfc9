//! The database: countries and their parts as in ISO 3166, a few users, and the count of the queries that it was asked.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS countries (code TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subdivisions (
    code TEXT PRIMARY KEY, country TEXT NOT NULL REFERENCES countries, kind TEXT NOT NULL, name TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS subdivisions_of_a_country ON subdivisions (country);
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, plan TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, user INTEGER NOT NULL REFERENCES users) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS questions (
    id INTEGER PRIMARY KEY, user INTEGER NOT NULL REFERENCES users, question TEXT NOT NULL
);
";

const COUNTRIES: &str = include_str!("../../data/countries.tsv");
const SUBDIVISIONS: &str = include_str!("../../data/subdivisions.tsv");

/// The database. Its clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: SqlitePool,
    queries: Arc<AtomicU64>,
}

impl Database {
    /// Opens it, and fills it if it is new.
    pub(crate) async fn open(url: &str) -> sqlx::Result<Self> {
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
            let add =
                "INSERT INTO users (name, plan) VALUES ('Ada', 'pro'), ('Grace', 'free'), ('Mary', 'free')";
            sqlx::query(add).execute(&mut *all).await?;
            for row in rows(COUNTRIES) {
                let [code, _, _, name] = row.as_slice() else { continue };
                sqlx::query("INSERT INTO countries VALUES (?, ?)")
                    .bind(code)
                    .bind(name)
                    .execute(&mut *all)
                    .await?;
            }
            for row in rows(SUBDIVISIONS) {
                let [code, kind, name] = row.as_slice() else { continue };
                let country = code.split('-').next();
                sqlx::query("INSERT INTO subdivisions VALUES (?, ?, ?, ?)")
                    .bind(code)
                    .bind(country)
                    .bind(kind)
                    .bind(name)
                    .execute(&mut *all)
                    .await?;
            }
        }
        all.commit().await?;
        Ok(Self { pool, queries: Arc::default() })
    }

    /// To ask one query, which is counted.
    pub(crate) fn query(&self) -> &SqlitePool {
        self.queries.fetch_add(1, Ordering::Relaxed);
        &self.pool
    }

    /// How many queries it was asked.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }
}

/// The rows of a file of tab-separated values, without its head.
fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).map(|line| line.split('\t').collect())
}
