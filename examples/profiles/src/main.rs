//! A user service and an achievement service whose pages are cached: `cargo run -p profiles`.
//!
//! `cargo run -p profiles -- load` runs the same traffic with the cache off and on, and prints what it saved. This file sets
//! up; the services are in `users` and `achievements`.

mod achievements;
mod db;
mod flags;
mod load;
mod problem;
mod routes;
mod settings;
mod upkeep;
mod users;

use std::error::Error;
use std::process::ExitCode;

use larder::Cache;
use tokio::net::TcpListener;

use crate::db::{Database, Seed};
use crate::flags::Flags;
use crate::routes::App;
use crate::settings::Settings;

/// The people of a new database.
const SEED: Seed = Seed { users: 200, awards: 3_000 };

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("profiles: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let settings = Settings::from_env()?;
    larder::from_env()?.install()?;
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        None => serve(settings).await,
        Some("load") => load::report(&settings, words.next().as_deref()).await,
        Some(word) => {
            Err(format!("`{word}` is not known: `load` measures, and no word at all serves").into())
        }
    }
}

async fn serve(settings: Settings) -> Result<(), Box<dyn Error + Send + Sync>> {
    // Removed when this function ends.
    let folder = tempfile::tempdir()?;
    let is_new = settings.database.is_none();
    let url = settings
        .database
        .unwrap_or_else(|| format!("sqlite://{}", folder.path().join("profiles.db").display()));
    let db = Database::open(&url, SEED).await?;
    // A shared cache may hold answers from another database. If it cannot be told now, it is told when it is there.
    if is_new && let Err(error) = Cache::global().clear().await {
        eprintln!("profiles: the cache: {error}");
    }
    let app = App::new(db, settings.ttl, Flags::new(settings.users_percent));
    let listener = TcpListener::bind(&settings.address).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    println!(
        "curl -i http://{address}/api/v1/users/1/full-profile         # twice: x-cache says where it came from"
    );
    println!("curl -i 'http://{address}/api/v1/achievements/leaderboard?limit=3'");
    println!(
        "curl -X POST http://{address}/api/v1/achievements/1 --json '{{\"badge\":\"first story\",\"points\":900}}'"
    );
    println!("curl http://{address}/stats");
    // In the background: who comes first does not wait for it.
    if settings.warm_users > 0 {
        let app = app.clone();
        tokio::spawn(async move {
            let Ok(leaders) = app.achievements.leaders(settings.warm_users).await else { return };
            app.users.warm(leaders).await;
        });
    }
    tokio::select! {
        served = axum::serve(listener, app.router()) => served?,
        stopped = tokio::signal::ctrl_c() => stopped?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    /// Every pattern matches a key that some function declares, and no two functions share a key by mistake.
    #[test]
    fn what_is_dropped_is_what_is_cached() {
        let findings = larder::check().err().map(|findings| findings.to_string());
        assert_eq!(findings, None);
    }
}
