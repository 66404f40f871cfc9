//! `cargo run -p clipizy -- compression`: what Redis holds of real values, as they are, with LZ4 and with Zstandard.

use larder::{Cache, Compression, Redis, Value};

use crate::HOUR;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::redis_server::RedisServer;
use crate::seed;
use crate::work::Work;

/// What is smaller stays as it is. This is the default, too.
const THRESHOLD: usize = 1024;

pub(crate) async fn report() -> Result<()> {
    let server = RedisServer::start().await?;
    let report = Report { caches: caches(&server)?, server };
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("clipizy.db").display());
    let database = Database::new(seed::open(&url).await?, Work::default());
    let files = Files::open(folder.path().join("files"), Work::default()).await?;

    println!("bytes of the stored entry; values of more than {THRESHOLD} bytes are compressed");
    println!("{:<32} {:>8} {:>8} {:>8}", "value", "none", "lz4", "zstd");
    report.row("user 7", &database.user_uncached(7).await?).await?;
    report.row("the 10 popular clips", &database.popular_uncached().await?).await?;
    for country in ["NZ", "FR", "GB"] {
        report.row(&format!("places of {country}"), &database.places_uncached(country).await?).await?;
    }
    report.row("50 clips found by `night`", &database.search_uncached("night").await?).await?;
    for name in ["countries.tsv", "subdivisions.tsv", "LICENSE-APACHE"] {
        report.row(&format!("text of {name}"), &files.text_uncached(name).await?).await?;
    }
    Ok(())
}

fn caches(server: &RedisServer) -> Result<Vec<Cache>> {
    let kinds = [Compression::None, Compression::Lz4, Compression::Zstd];
    let cache = |compression: Compression| {
        let redis = Redis::builder().port(server.port()).build()?;
        let namespace = format!("{compression:?}");
        let compression = compression.above(THRESHOLD);
        Ok(Cache::builder().namespace(namespace).compression(compression).remote(redis).build())
    };
    kinds.into_iter().map(cache).collect()
}

struct Report {
    server: RedisServer,
    caches: Vec<Cache>,
}

impl Report {
    /// Stores `value` in each cache, and says how long what Redis has of it is.
    async fn row<V: Value + PartialEq>(&self, what: &str, value: &V) -> Result<()> {
        print!("{what:<32}");
        for cache in &self.caches {
            cache.set(what, value, HOUR).await?;
            if cache.get::<V>(what).await?.as_ref() != Some(value) {
                return Err(Error::Cache(format!("{what} did not come back from {}", cache.namespace())));
            }
            print!(" {:>8}", self.server.length(&format!("{}:{what}", cache.namespace())).await?);
        }
        println!();
        Ok(())
    }
}
