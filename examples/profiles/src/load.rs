//! The load report: the same traffic over HTTP with the cache off and on, beside what was expected of it.

mod client;
mod table;
mod traffic;

use std::collections::HashSet;
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use larder::Cache;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::client::Client;
use self::traffic::{Kind, Traffic};
use crate::db::{Database, Seed};
use crate::flags::Flags;
use crate::routes::App;
use crate::settings::Settings;

const SEED: Seed = Seed { users: 2_000, awards: 60_000 };
const REQUESTS: u64 = 40_000;
const CLIENTS: usize = 4;

/// How many answers without any content are timed.
const EMPTY: usize = 500;

type Failure = Box<dyn Error + Send + Sync>;

/// What was seen of one kind of page.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) times: Vec<Duration>,
    /// Of the first half of the traffic and of the second.
    pub(crate) halves: [Lookups; 2],
}

/// What came of asking the cache.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lookups {
    pub(crate) asked: u64,
    pub(crate) hits: u64,
    /// Those that waited for the load of another.
    pub(crate) joined: u64,
}

impl Lookups {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            hits: self.hits + other.hits,
            joined: self.joined + other.joined,
        }
    }
}

/// One run of the traffic.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// By the number of the kind.
    pub(crate) seen: [Seen; 3],
    pub(crate) queries: u64,
    /// Entries that the cache of this process dropped to make room.
    pub(crate) evictions: u64,
    pub(crate) took: Duration,
    /// How long an answer takes that has no content.
    pub(crate) empty: Duration,
}

/// Runs everything, and prints the report.
pub(crate) async fn report(settings: &Settings, requests: Option<&str>) -> Result<(), Failure> {
    let requests = match requests.map(str::parse) {
        None => REQUESTS,
        Some(Ok(requests)) if requests > 0 => requests,
        Some(_) => return Err("after `load` comes how many requests, such as `40000`, or nothing".into()),
    };
    let folder = tempfile::tempdir()?;
    let traffic = Arc::new(Traffic::new(SEED.users, requests));
    let cache = Cache::global();
    cache.set_enabled(false);
    let off = run(settings, &traffic, &folder.path().join("off.db")).await?;
    cache.set_enabled(true);
    // A shared store may hold what an earlier run has left.
    cache.clear().await?;
    let on = run(settings, &traffic, &folder.path().join("on.db")).await?;
    println!("{}", table::report(settings, SEED, CLIENTS, &traffic, &off, &on));
    Ok(())
}

/// The whole traffic, against a new server and a new database: what the last run has written is not there.
async fn run(settings: &Settings, traffic: &Arc<Traffic>, database: &Path) -> Result<Run, Failure> {
    let db = Database::open(&format!("sqlite://{}", database.display()), SEED).await?;
    let app = App::new(db.clone(), settings.ttl, Flags::new(settings.users_percent));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move { axum::serve(listener, app.router()).await });
    let empty = empty_answer(address).await?;
    let evictions = Cache::global().stats().evictions;
    let (before, start) = (db.queries(), Instant::now());
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(client(address, Arc::clone(traffic), Arc::clone(&next)));
    }
    let mut run = Run { empty, ..Run::default() };
    while let Some(seen) = clients.join_next().await {
        for (of_all, of_one) in run.seen.iter_mut().zip(seen??) {
            of_all.times.extend(of_one.times);
            for (of_all, of_one) in of_all.halves.iter_mut().zip(of_one.halves) {
                *of_all = of_all.and(of_one);
            }
        }
    }
    run.took = start.elapsed();
    run.queries = db.queries() - before;
    run.evictions = Cache::global().stats().evictions - evictions;
    for seen in &mut run.seen {
        seen.times.sort_unstable();
    }
    server.abort();
    Ok(run)
}

/// One reader, who takes the next request as soon as the last is answered.
async fn client(
    address: SocketAddr,
    traffic: Arc<Traffic>,
    next: Arc<AtomicU64>,
) -> Result<[Seen; 3], Failure> {
    let mut client = Client::connect(address).await?;
    let mut seen = <[Seen; 3]>::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = traffic.request(number) else { return Ok(seen) };
        let start = Instant::now();
        let answer = client.ask(&request).await?;
        let took = start.elapsed();
        if !answer.status.is_success() {
            return Err(format!("{} {}: {}", request.method, request.path, answer.status).into());
        }
        if let Some(seen) = request.kind.and_then(|kind| seen.get_mut(kind as usize)) {
            seen.times.push(took);
            let [first, second] = &mut seen.halves;
            let half = if number < traffic.requests / 2 { first } else { second };
            *half = half.and(answer.lookup());
        }
    }
}

async fn empty_answer(address: SocketAddr) -> Result<Duration, Failure> {
    let mut client = Client::connect(address).await?;
    let mut times = Vec::with_capacity(EMPTY);
    for _ in 0..EMPTY {
        let start = Instant::now();
        client.ask(&traffic::nothing()).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(median(&times))
}

/// The middle of times in their order; nothing of none.
pub(crate) fn median(times: &[Duration]) -> Duration {
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// How many different pages of a kind the traffic asks for: so many misses has any cache that is empty at first.
pub(crate) fn different(traffic: &Traffic, kind: Kind) -> u64 {
    let pages =
        (0..).map_while(|number| traffic.request(number)).filter(|request| request.kind == Some(kind));
    pages.map(|request| request.path).collect::<HashSet<_>>().len() as u64
}
