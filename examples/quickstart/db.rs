//! The quickstart's database: ISO 3166 in SQLite, filled from `examples/data`, with a counter of its queries.
//! Nothing here knows of a cache.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use rusqlite::Connection;

use crate::Country;

pub(crate) type DbError = rusqlite::Error;

/// A country as the data file has it.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
}

static DATABASE: LazyLock<Mutex<Connection>> =
    LazyLock::new(|| Mutex::new(open().expect("SQLite in memory")));
static QUERIES: AtomicUsize = AtomicUsize::new(0);

/// Reads a country and counts its subdivisions: the query that is worth caching.
pub(crate) async fn load(code: &str) -> Result<Country, DbError> {
    QUERIES.fetch_add(1, Ordering::Relaxed);
    let code = code.to_owned();
    run(move |database| {
        const QUERY: &str =
            "SELECT code, name, (SELECT count(*) FROM subdivision WHERE country = country.code)
                             FROM country WHERE code = ?1";
        database.query_row(QUERY, [code], |row| {
            Ok(Country { code: row.get(0)?, name: row.get(1)?, subdivisions: row.get(2)? })
        })
    })
    .await
}

pub(crate) async fn rename(code: &str, name: &str) -> Result<(), DbError> {
    let (code, name) = (code.to_owned(), name.to_owned());
    run(move |database| {
        database.execute("UPDATE country SET name = ?2 WHERE code = ?1", [code, name]).map(drop)
    })
    .await
}

/// Puts `rows` in the place of all countries.
pub(crate) async fn replace(rows: &[Row]) -> Result<(), DbError> {
    let rows = rows.to_vec();
    run(move |database| {
        let transaction = database.transaction()?;
        transaction.execute("DELETE FROM country", [])?;
        for row in rows {
            transaction.execute("INSERT INTO country VALUES (?1, ?2)", [row.code, row.name])?;
        }
        transaction.commit()
    })
    .await
}

/// How many times a country was read so far.
pub(crate) fn queries() -> usize {
    QUERIES.load(Ordering::Relaxed)
}

/// The countries of the data file.
pub(crate) fn rows() -> Vec<Row> {
    let lines = include_str!("../data/countries.tsv").lines().skip(1);
    lines.map(|line| Row { code: field(line, 0), name: field(line, 3) }).collect()
}

fn open() -> Result<Connection, DbError> {
    let mut database = Connection::open_in_memory()?;
    database.execute_batch(
        "CREATE TABLE country (code TEXT PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE subdivision (code TEXT PRIMARY KEY, country TEXT NOT NULL, name TEXT NOT NULL);",
    )?;
    let transaction = database.transaction()?;
    for line in include_str!("../data/subdivisions.tsv").lines().skip(1) {
        let (code, name) = (field(line, 0), field(line, 2));
        transaction.execute("INSERT INTO subdivision VALUES (?1, ?2, ?3)", [code, &code[..2], name])?;
    }
    transaction.commit()?;
    Ok(database)
}

fn field(line: &'static str, column: usize) -> &'static str {
    line.split('\t').nth(column).expect("every line has all columns")
}

/// SQLite blocks its thread, so it gets one of the runtime's threads for blocking work.
async fn run<T: Send + 'static>(
    work: impl FnOnce(&mut Connection) -> Result<T, DbError> + Send + 'static,
) -> Result<T, DbError> {
    let locked = move || work(&mut DATABASE.lock().unwrap_or_else(PoisonError::into_inner));
    tokio::task::spawn_blocking(locked).await.expect("no query panics")
}
