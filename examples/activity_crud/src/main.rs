//! A service for users, roles, permissions and what happens to them, over SeaORM. What it reads is cached; no line of it says
//! what drops an answer, since the connection sees what is read and what is written.
//!
//! ```sh
//! cargo run -p activity_crud              # prints its address
//! cargo run -p activity_crud -- tour      # changes things, and shows which answers that has dropped
//! ```

mod control;
mod database;
mod entity;
mod failure;
mod lifetime;
mod read;
mod routes;
mod tour;
mod write;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use axum::{Router, middleware};
use larder::Cache;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::database::{Db, Queries};
use crate::lifetime::Lifetimes;

/// What every handler has at hand.
#[derive(Clone, Debug)]
struct Service {
    db: Db,
    cache: Cache,
    queries: Queries,
    began: Instant,
}

#[tokio::main]
async fn main() -> ExitCode {
    let word = std::env::args().nth(1);
    match run(word.as_deref()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(word: Option<&str>) -> Result<(), Box<dyn Error>> {
    log_what_is_wanted()?;
    Lifetimes::from_env()?;
    let tour = match word {
        None => false,
        Some("tour") => true,
        Some(other) => {
            return Err(format!("unknown word {other:?}: `tour`, or nothing to serve").into());
        }
    };
    let address = std::env::var("ADDRESS");
    let address = if tour { "127.0.0.1:0" } else { address.as_deref().unwrap_or("127.0.0.1:3000") };
    // The tour changes things: it always has a database of its own.
    let (url, _folder) = match std::env::var("DATABASE_URL") {
        Ok(url) if !tour => (url, None),
        _ => {
            let folder = TempDir::new()?;
            (format!("sqlite://{}?mode=rwc", folder.path().join("activity.db").display()), Some(folder))
        }
    };
    let cache = larder::from_env()?;
    // Cached functions use it, and so does the connection that invalidates.
    cache.clone().install()?;
    control::register(&cache);
    let (db, queries, is_new) = database::open(&url).await?;
    // What a shared cache holds is of another database. If it cannot be told now, it is told when it is there.
    if is_new && let Err(error) = cache.clear().await {
        eprintln!("the cache: {error}");
    }
    let service = Service { db, cache, queries, began: Instant::now() };
    let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
    let address = listener.local_addr()?;
    let serving = axum::serve(listener, app(service));
    if tour {
        tokio::select! {
            served = serving => served?,
            toured = tour::run(address) => toured?,
        }
    } else {
        println!("listening on http://{address}");
        println!("curl -i http://{address}/users/1       # twice: cache: loaded, cache: local_hit");
        println!(
            "curl -i -X PUT http://{address}/roles/1 -H 'content-type: application/json' -d '{{\"name\": \"visitor\"}}'"
        );
        println!("curl -i http://{address}/users/1       # cache: loaded, and the new name");
        serving.with_graceful_shutdown(interrupted()).await?;
    }
    Ok(())
}

fn app(service: Service) -> Router {
    routes::routes()
        .merge(control::routes())
        .layer(middleware::from_fn(control::say_where_from))
        .with_state(service)
}

/// `RUST_LOG=larder=debug` shows each miss, load and invalidation.
fn log_what_is_wanted() -> Result<(), Box<dyn Error>> {
    let Ok(wanted) = std::env::var("RUST_LOG") else { return Ok(()) };
    let wanted: Targets = wanted.parse().map_err(|error| format!("RUST_LOG: {error}"))?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(layer).with(wanted).try_init()?;
    Ok(())
}

async fn interrupted() {
    // If it cannot be listened for, the service runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
