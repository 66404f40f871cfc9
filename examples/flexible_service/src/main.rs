//! One service, one cache, whatever backend the environment names: `cargo run -p flexible_service`.
//!
//! This file sets up. What is cached is in `users`, `sessions`, `api`, `research` and `jobs`.

mod api;
mod db;
mod jobs;
mod problem;
mod research;
mod routes;
mod safe;
mod sessions;
mod upkeep;
mod users;

use std::error::Error;
use std::process::ExitCode;

use tokio::net::TcpListener;

use crate::db::Database;
use crate::jobs::Jobs;
use crate::routes::App;
use crate::sessions::SESSIONS;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flexible_service: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    // A backend that does not exist ends the program here. Left to the first call, it would turn caching off and say so.
    larder::from_env()?.install()?;
    larder::from_env_with_prefix("SESSIONS")?.install_as(&SESSIONS)?;
    // Removed when this function ends.
    let folder = tempfile::tempdir()?;
    let url = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
    let is_new = url.is_none();
    let url = url.unwrap_or_else(|| format!("sqlite://{}", folder.path().join("flexible.db").display()));
    let app = App { db: Database::open(&url).await?, jobs: Jobs::default() };
    // A shared cache may hold answers from another database. If it cannot be told now, it is told when it is there.
    if is_new {
        // What that would answer, nobody has asked for.
        let _ = upkeep::clear().await;
    }
    let address = std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    println!(
        "curl 'http://{address}/api/subdivisions?country=NZ'                      # twice: `cached` becomes true"
    );
    println!("curl http://{address}/research --json '{{\"question\":\"saint\",\"limit\":3}}'");
    println!(
        "curl -X POST http://{address}/datasets/subdivisions; curl http://{address}/datasets/subdivisions"
    );
    println!("curl http://{address}/stats");
    tokio::select! {
        served = axum::serve(listener, routes::router(app)) => served?,
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
