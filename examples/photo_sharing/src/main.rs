//! A service for albums, photos and the faces in them, cached in every way that such a service needs.
//!
//! `cargo run -p photo_sharing`, and see `README.md`.

mod albums;
mod db;
mod downloads;
mod faces;
mod people;
mod photos;
mod processing;
mod refusal;
mod search;
mod stats;
mod users;

use std::env;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};
use larder::Cache;
use larder::http::CacheLayer;
use tokio::net::TcpListener;

use crate::db::Db;
use crate::downloads::Downloads;
use crate::processing::Queue;

/// The longest upload, in bytes.
const UPLOAD: usize = 8 << 20;

/// What the handlers share.
#[derive(Clone)]
struct App {
    db: Db,
    cache: Cache,
    downloads: Downloads,
    queue: Queue,
}

fn routes(app: App) -> Router {
    // What never changes is kept as a whole response, by us and by clients; it has the tag of the photo or face that it shows.
    let immutable = CacheLayer::new(app.cache.clone()).tags(|request| {
        let mut path = request.uri.path().split('/').skip(1);
        let kind = path.next().unwrap_or_default().trim_end_matches('s');
        [format!("{kind}:{}", path.next().unwrap_or_default())]
    });
    Router::new()
        .route("/photos/{id}/file", get(photos::file))
        .route("/faces/{id}", get(faces::get))
        .layer(immutable)
        .route("/login", post(users::login))
        .route("/users/{id}/profile", get(users::get_profile).put(users::put_profile))
        .route("/users/{id}/settings", get(users::get_settings).put(users::put_settings))
        .route("/users/{id}/permissions", get(users::get_permissions))
        .route("/users/{id}/role", put(users::put_role))
        .route("/users/{id}/last-search", get(users::get_last_search))
        .route("/users/{id}/albums", get(albums::list).post(albums::post))
        .route("/users/{id}/albums/search", get(search::get_albums))
        .route("/albums/{id}", get(albums::get).put(albums::put).delete(albums::remove))
        .route("/albums/{id}/summary", get(albums::get_summary))
        .route("/albums/{id}/faces", get(faces::list))
        .route("/albums/{id}/clusters", get(faces::get_clusters).put(faces::put_clusters))
        .route("/albums/{id}/photos", get(photos::list).post(photos::post))
        .route("/photos/{id}", get(photos::get))
        .route("/photos/{id}/status", get(photos::get_status))
        .route("/photos/{id}/download", get(photos::download))
        .route("/photos/{id}/downloads", get(photos::get_downloads))
        .route("/faces/{id}/embedding", get(faces::get_embedding))
        .route("/faces/{id}/similar", get(faces::get_similar))
        .route("/faces/{id}/person", put(people::put_face))
        .route("/people/{id}", put(people::put))
        .route("/search", get(search::get))
        .route("/search/suggestions", get(search::get_suggestions))
        .route("/search/by-selfie", post(search::by_selfie))
        .route("/api/v1/cache/stats", get(stats::cache))
        .route("/api/v1/cache", delete(stats::clear))
        .route("/stats", get(stats::all))
        .layer(DefaultBodyLimit::max(UPLOAD))
        .with_state(app)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(seconds) = env::var("SEARCH_TTL") {
        let seconds = seconds.parse().map_err(|_| "`SEARCH_TTL` is a number of seconds, such as 600")?;
        let _ = search::TTL.set(Duration::from_secs(seconds));
    }
    let cache = larder::from_env()?;
    cache.clone().install()?;
    // Names of people are found by searching: with the tag `people` goes the tag `search`.
    cache.depends("people", &["search"]);

    // Removed when the program ends.
    let folder = tempfile::tempdir()?;
    let usual = format!("sqlite://{}/photos.db?mode=rwc", folder.path().display());
    let given = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
    // A shared cache may hold answers from another database. If it cannot be told now, it is told when it is there.
    if given.is_none()
        && let Err(error) = cache.clear().await
    {
        eprintln!("the cache: {error}");
    }
    let db = Db::open(&given.unwrap_or(usual)).await?;
    let downloads = Downloads::new(db.clone(), cache.clone());
    let (queue, processing) = processing::start(db.clone()).await?;

    let address = env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}");
    println!("  curl -d '{{\"email\":\"ada@example.org\"}}' -H 'content-type: application/json' {url}/login");
    println!(
        "  curl -H 'x-user: 1' -H 'content-type: image/jpeg' --data-binary @some.jpg '{url}/albums/1/photos?name=some.jpg'"
    );
    println!("  curl {url}/albums/1/summary");
    println!("  curl {url}/stats");

    let app = App { db: db.clone(), cache, downloads: downloads.clone(), queue };
    axum::serve(listener, routes(app)).with_graceful_shutdown(interrupted()).await?;

    // The queue went with the routes: what was uploaded is processed, and what was counted is written.
    processing.await?;
    downloads.write_all().await?;
    db.close().await;
    Ok(())
}

/// Ends with Ctrl-C.
async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("Ctrl-C cannot be heard, so only the system ends this program: {error}");
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use larder::keys;

    /// The keys of the system that are kept by an attribute, with the shortest and the longest time that it gives them, in
    /// minutes. The profile and the counters are kept by hand, and results for as long as `SEARCH_TTL` says.
    const CONFIGURED: [(&str, u64, u64); 14] = [
        ("user:<user_id>:albums", 5, 10),
        ("album:<album_id>:details", 30, 60),
        ("album:<album_id>:faces", 60, 60),
        ("album:<album_id>:summary", 60, 60),
        ("album:<album_id>:clusters", 60, 60),
        ("album:<album_id>:photos", 10, 30),
        ("photo:<photo_id>:details", 60, 60),
        ("photo:<photo_id>:status", 1, 5),
        ("face:<face_id>:details", 24 * 60, 24 * 60),
        ("face:<face_id>:embedding", 24 * 60, 24 * 60),
        ("face:<face_id>:similar", 10, 30),
        ("user:<user_id>:settings", 60, 60),
        ("user:<user_id>:permissions", 30, 30),
        ("search:<prefix:hash>:suggestions", 60, 60),
    ];

    #[test]
    fn every_configuration_has_its_key_and_its_time_to_live() {
        let declared = keys();
        for (template, shortest, longest) in CONFIGURED {
            let ttl = declared.iter().find(|known| known.template == template).and_then(|known| known.ttl);
            let minutes = ttl.map(|ttl| ttl.as_secs() / 60);
            assert!(minutes.is_some_and(|ttl| (shortest..=longest).contains(&ttl)), "{template}: {ttl:?}");
        }
        let by_expression = declared.iter().find(|known| known.template == "search:<request:hash>:results");
        assert_eq!(by_expression.map(|known| known.ttl), Some(None));
        assert_eq!(crate::search::ttl().as_secs(), 600);
    }

    #[test]
    fn every_target_is_a_key_or_a_tag_of_some_function() {
        larder::check().unwrap();
    }
}
