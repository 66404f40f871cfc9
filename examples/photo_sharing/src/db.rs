//! The database: its tables, the folder of the files beside it, and a count of what it is asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Executor as _, Sqlite, SqlitePool, Transaction};

// An id is never given twice: what a cache still has of a photo that is gone cannot be taken for another's.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS roles (
        name TEXT PRIMARY KEY,
        may_upload BOOLEAN NOT NULL,
        may_change_all BOOLEAN NOT NULL
    );
    CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        email TEXT NOT NULL UNIQUE,
        role TEXT NOT NULL REFERENCES roles (name),
        theme TEXT NOT NULL DEFAULT 'light',
        per_page INTEGER NOT NULL DEFAULT 20
    );
    CREATE TABLE IF NOT EXISTS albums (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user_id INTEGER NOT NULL REFERENCES users (id),
        title TEXT NOT NULL,
        threshold REAL NOT NULL DEFAULT 0.95
    );
    CREATE TABLE IF NOT EXISTS photos (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        album_id INTEGER NOT NULL REFERENCES albums (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        size INTEGER NOT NULL,
        status TEXT NOT NULL DEFAULT 'queued',
        downloads INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE IF NOT EXISTS people (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        album_id INTEGER NOT NULL REFERENCES albums (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        UNIQUE (album_id, name)
    );
    CREATE TABLE IF NOT EXISTS faces (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        photo_id INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
        album_id INTEGER NOT NULL,
        person_id INTEGER REFERENCES people (id) ON DELETE SET NULL,
        embedding TEXT NOT NULL
    );
    INSERT OR IGNORE INTO roles VALUES ('admin', TRUE, TRUE), ('member', TRUE, FALSE), ('guest', FALSE, FALSE);
    INSERT OR IGNORE INTO users (id, name, email, role) VALUES
        (1, 'Ada', 'ada@example.org', 'admin'),
        (2, 'Grace', 'grace@example.org', 'member'),
        (3, 'Linus', 'linus@example.org', 'guest');
    INSERT INTO albums (user_id, title)
        SELECT column1, column2 FROM (VALUES (1, 'Harbour'), (2, 'Hills')) WHERE NOT EXISTS (SELECT 1 FROM albums);
";

/// How long a statement waits for another program that writes.
const BUSY: Duration = Duration::from_secs(30);

/// The database, and what it was asked so far. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct Db {
    pool: SqlitePool,
    asked: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    folder: Arc<Path>,
}

impl Db {
    /// Opens the database, makes its tables if there are none, and a folder for photos beside it.
    pub(crate) async fn open(url: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let options = SqliteConnectOptions::from_str(url)?.busy_timeout(BUSY);
        let folder = options.get_filename().parent().map(Path::to_owned).unwrap_or_default().join("photos");
        std::fs::create_dir_all(&folder)?;
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        // In one transaction: two programs may start at once.
        let mut making = pool.begin_with("BEGIN IMMEDIATE").await?;
        making.execute(TABLES).await?;
        making.commit().await?;
        Ok(Self { pool, asked: Arc::default(), folder: folder.into() })
    }

    /// The database, for one query that is counted under this name.
    pub(crate) fn ask(&self, query: &'static str) -> &SqlitePool {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner).entry(query).or_default() += 1;
        &self.pool
    }

    /// A transaction that may write, counted as one query. Programs and tasks that write go one after the other.
    pub(crate) async fn write(
        &self,
        query: &'static str,
    ) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.ask(query).begin_with("BEGIN IMMEDIATE").await
    }

    /// How often each query was begun.
    pub(crate) fn asked(&self) -> BTreeMap<&'static str, u64> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the bytes of a photo are. What users call it is no part of the path.
    pub(crate) fn file(&self, photo_id: i64) -> PathBuf {
        self.folder.join(photo_id.to_string())
    }

    /// Ends when nothing is open any more.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}
