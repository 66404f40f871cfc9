//! The tables, and what is in them at first: users, one clip for each country of the world, and its places.

use std::str::FromStr as _;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};

use crate::error::Result;

pub(crate) const USERS: i64 = 40;

const COUNTRIES: &str = include_str!("../../data/countries.tsv");
const PLACES: &str = include_str!("../../data/subdivisions.tsv");

const STYLES: [&str; 4] = ["live", "animated", "lyrics", "slideshow"];

const TABLES: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, plan TEXT NOT NULL, \
     revision INTEGER NOT NULL DEFAULT 1, last_seen INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS clips (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES users (id), \
     title TEXT NOT NULL, style TEXT NOT NULL, views INTEGER NOT NULL, rendered TEXT)",
    "CREATE TABLE IF NOT EXISTS places (code TEXT PRIMARY KEY, country TEXT NOT NULL, kind TEXT NOT NULL, \
     name TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, user INTEGER NOT NULL REFERENCES users (id), \
     expires_at INTEGER NOT NULL)",
];

/// Opens the database, and fills it if it is empty.
pub(crate) async fn open(url: &str) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::from_str(url)?.journal_mode(SqliteJournalMode::Wal);
    let rows = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
    // Several programs may open one file at once: the first one fills it, and the others wait here.
    let mut transaction = rows.begin_with("BEGIN IMMEDIATE").await?;
    for table in TABLES {
        sqlx::query(table).execute(&mut *transaction).await?;
    }
    let (users,): (i64,) = sqlx::query_as("SELECT count(*) FROM users").fetch_one(&mut *transaction).await?;
    if users == 0 {
        fill(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(rows)
}

async fn fill(rows: &mut sqlx::SqliteConnection) -> Result<()> {
    for id in 1..=USERS {
        let plan = if id % 5 == 0 { "studio" } else { "free" };
        sqlx::query("INSERT INTO users (id, name, plan, last_seen) VALUES (?, ?, ?, ?)")
            .bind(id)
            .bind(format!("Listener {id}"))
            .bind(plan)
            .bind(id * 7 % 41)
            .execute(&mut *rows)
            .await?;
    }
    for ((id, line), style) in (1_i64..).zip(COUNTRIES.lines().skip(1)).zip(STYLES.iter().cycle()) {
        let Some(name) = line.split('\t').nth(3) else { continue };
        sqlx::query("INSERT INTO clips (id, owner, title, style, views) VALUES (?, ?, ?, ?, ?)")
            .bind(id)
            .bind(id % USERS + 1)
            .bind(format!("One night in {name}"))
            .bind(style)
            .bind(id * 977 % 1009)
            .execute(&mut *rows)
            .await?;
    }
    for line in PLACES.lines().skip(1) {
        let mut columns = line.split('\t');
        let (Some(code), Some(kind), Some(name)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        sqlx::query("INSERT INTO places (code, country, kind, name) VALUES (?, ?, ?, ?)")
            .bind(code)
            .bind(code.get(..2))
            .bind(kind)
            .bind(name)
            .execute(&mut *rows)
            .await?;
    }
    for (name, value) in [("max_upload_mb", "200"), ("render_size", "1280x720"), ("sign_up", "open")] {
        sqlx::query("INSERT INTO settings (name, value) VALUES (?, ?)")
            .bind(name)
            .bind(value)
            .execute(&mut *rows)
            .await?;
    }
    Ok(())
}
