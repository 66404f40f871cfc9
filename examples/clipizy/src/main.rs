//! The backend of a service for music clips, with its cache in Redis: four services whose methods are cached, and the
//! cache's own operations over HTTP.
//!
//! ```sh
//! cargo run -p clipizy                  # serves; needs no server
//! CACHE_NAMESPACE=clipizy REDIS_HOST=127.0.0.1 cargo run -p clipizy
//! cargo run -p clipizy -- outage        # stops a Redis of its own under traffic, and starts it again
//! cargo run -p clipizy -- compression   # what is stored, with and without
//! ```

mod by_hand;
mod compression;
mod database;
mod error;
mod files;
mod health;
mod keys;
mod outage;
mod outside;
mod redis_server;
mod render;
mod routes;
mod seed;
mod sessions;
mod settings;
mod warm;
mod weather;
mod work;

use std::process::ExitCode;
use std::time::Duration;

use larder::Cache;
use tokio::net::TcpListener;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::render::Renderer;
use crate::routes::App;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::weather::WeatherService;
use crate::work::Work;

pub(crate) const HOUR: Duration = Duration::from_hours(1);

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match std::env::args().nth(1).as_deref() {
        None => serve().await,
        Some("outage") => outage::report().await,
        Some("compression") => compression::report().await,
        Some(word) => Err(Error::bad_request(format!(
            "`{word}` is not known here: `outage` and `compression` are reports, and without a word it serves"
        ))),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Refused(_, text) | Error::Cache(text) | Error::Outside(text) | Error::Storage(text)) => {
            eprintln!("clipizy: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<()> {
    let settings = Settings::from_env()?;
    larder::from_env()?.install().map_err(|error| Error::Cache(error.to_string()))?;

    // A shared cache may hold answers from another database. If it cannot be told now, it is told when it is there.
    if settings.is_new
        && let Err(error) = Cache::global().clear().await
    {
        eprintln!("clipizy: the cache: {error}");
    }
    let work = Work::default();
    let database = Database::new(seed::open(&settings.database).await?, work.clone());
    let files = Files::open(settings.files.clone(), work.clone()).await?;
    let outside = match &settings.weather {
        Some(url) => url.clone(),
        None => outside::start(work.outside_calls.clone()).await?,
    };
    let app = App {
        weather: WeatherService::new(&outside)?,
        sessions: Sessions::new(database.clone()),
        renderer: Renderer { database: database.clone(), files: files.clone(), work: work.clone() },
        database,
        files: files.clone(),
        work,
    };
    // Before anybody asks: a session that is made meanwhile would not be kept, since something was invalidated.
    tokio::spawn(files.watch().await);

    let listener = TcpListener::bind(&settings.address).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    println!("curl http://{address}/users/7");
    println!("curl http://{address}/weather/Canillo");
    println!("curl http://{address}/health");
    let router = routes::router(app);
    axum::serve(listener, router).with_graceful_shutdown(until_stopped()).await?;
    settings.clean_up()
}

/// Until somebody presses Ctrl-C.
async fn until_stopped() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("clipizy: Ctrl-C will not be heard: {error}");
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_target_of_an_invalidation_can_match_a_key() {
        larder::check().unwrap();
    }
}
