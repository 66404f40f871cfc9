//! Countries out of a database, cached: `cargo run --example quickstart`.
//!
//! The three annotated functions are all that the program does about caching. The rest of it asks for every country a
//! few times over and prints what that cost.

#[path = "quickstart/db.rs"]
mod db;
#[path = "quickstart/report.rs"]
mod report;

use larder::{Cache, cache_invalidate, cached};
use serde::{Deserialize, Serialize};

use db::{DbError, Row};
use report::Report;

#[derive(Clone, Serialize, Deserialize)]
struct Country {
    code: String,
    name: String,
    subdivisions: u32,
}

#[cached(ttl = 300, key = "country:<code>")]
async fn get_country(code: &str) -> Result<Country, DbError> {
    db::load(code).await
}

#[cache_invalidate("country:<code>")]
async fn rename_country(code: &str, name: &str) -> Result<(), DbError> {
    db::rename(code, name).await
}

#[cache_invalidate("country:*")]
async fn import_countries(rows: &[Row]) -> Result<(), DbError> {
    db::replace(rows).await
}

/// Four countries, their names in the database at first, and the names that ISO 3166 has given them since.
const RENAMED: [(&str, &str, &str); 4] = [
    ("CZ", "Czech Republic", "Czechia"),
    ("MK", "Macedonia (the former Yugoslav Republic of)", "North Macedonia"),
    ("SZ", "Swaziland", "Eswatini"),
    ("TR", "Turkey", "Türkiye"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let current = db::rows();
    let mut outdated = current.clone();
    for (code, name, _) in RENAMED {
        outdated.iter_mut().filter(|row| row.code == code).for_each(|row| row.name = name);
    }
    // Not only the first of its data: on Redis it also ends what an earlier run has left there.
    import_countries(&outdated).await?;

    let report = Report::begin(Cache::global());
    let alone = report.row("without the cache", every(&current, db::load)).await?;
    report.row("get_country, first time", every(&current, get_country)).await?;
    let again = report.row("get_country, again", every(&current, get_country)).await?;

    for (code, _, name) in RENAMED {
        rename_country(code, name).await?;
    }
    report.event("rename_country, four times: \"country:<code>\" is invalidated for CZ, MK, SZ, TR");
    report.row("get_country, after the renames", every(&current, get_country)).await?;
    let turkiye = get_country("TR").await?;

    import_countries(&current).await?;
    report.event("import_countries: \"country:*\" is invalidated");
    report.row("one country, 1,000 tasks at once", at_once(1_000, "TR")).await?;
    report.row("get_country, after the import", every(&current, get_country)).await?;

    println!("\nTR after its rename: {}, {} provinces", turkiye.name, turkiye.subdivisions);
    report.end(alone, again);
    Ok(())
}

/// Loads every country, one after the other, and counts them.
async fn every(rows: &[Row], load: impl AsyncFn(&str) -> Result<Country, DbError>) -> Result<u32, DbError> {
    let mut calls = 0;
    for row in rows {
        load(row.code).await?;
        calls += 1;
    }
    Ok(calls)
}

/// Loads one country in many tasks that do not wait for each other.
async fn at_once(tasks: u32, code: &'static str) -> Result<u32, DbError> {
    let running: Vec<_> = (0..tasks).map(|_| tokio::spawn(get_country(code))).collect();
    for task in running {
        task.await.expect("no task panics")?;
    }
    Ok(tasks)
}
