//! `cargo run -p clipizy -- outage`: Redis is killed under traffic and started again, then stands still and goes on, and a
//! table says what callers saw of it, second by second. `outage tiered` does the same with near copies in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder::{Cache, Memory, Redis};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::database::{Change, Database};
use crate::error::{Error, Result};
use crate::redis_server::RedisServer;
use crate::work::Work;
use crate::{health, seed};

const CLIENTS: i64 = 8;
/// How long a client waits between two requests.
const PAUSE: Duration = Duration::from_millis(2);
const SECOND: Duration = Duration::from_secs(1);
const NAMESPACE: &str = "clipizy";
/// Whose name is changed while the server is away, and whose while it stands still.
const KILLED: i64 = 7;
const STILL: i64 = 8;

pub(crate) async fn report() -> Result<()> {
    let tiered = std::env::args().nth(2).as_deref() == Some("tiered");
    let mut server = RedisServer::start().await?;
    let cache = cache(&server, tiered)?;
    cache.clone().install().map_err(|error| Error::Cache(error.to_string()))?;
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("clipizy.db").display());
    let work = Work::default();
    let database = Database::new(seed::open(&url).await?, work.clone());

    let traffic = Arc::new(Traffic::default());
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(Arc::clone(&traffic).asks(database.clone(), client));
    }
    let mut table = Table { cache: cache.clone(), work, traffic: Arc::clone(&traffic), second: 0 };

    println!(
        "{CLIENTS} clients ask for {} users, over {}",
        seed::USERS,
        if tiered { "a near cache and Redis" } else { "Redis" }
    );
    Table::head();
    table.seconds(2, "up").await;

    server.stop().await?;
    println!("   redis-server is killed");
    table.seconds(1, "killed").await;
    table.rename(&database, KILLED).await?;
    table.seconds(2, "killed").await;
    let old = server.has_on_disk(&format!("{NAMESPACE}:user:{KILLED}")).await?;
    println!("   on its disk is {}", if old { "the old user still" } else { "no such user" });
    server.start_again().await?;
    println!("   redis-server is started again");
    table.seconds(3, "up").await;

    server.stand_still().await?;
    println!("   redis-server stands still: it is there, and does not answer");
    table.seconds(2, "still").await;
    table.rename(&database, STILL).await?;
    table.seconds(2, "still").await;
    server.go_on().await?;
    println!("   redis-server goes on, with the old user in its memory");
    table.seconds(3, "up").await;

    clients.shutdown().await;
    table.totals();
    newcomer(&server, &database, &table.work).await?;
    server.stop().await
}

fn cache(server: &RedisServer, tiered: bool) -> Result<Cache> {
    let redis = Redis::builder().port(server.port()).build()?;
    let cache = Cache::builder().namespace(NAMESPACE).remote(redis);
    Ok(if tiered { cache.local(Memory::new(10_000)) } else { cache }.build())
}

/// What a program reads that was not there, and so knows of nothing.
async fn newcomer(server: &RedisServer, database: &Database, work: &Work) -> Result<()> {
    let cache = cache(server, false)?;
    for id in [KILLED, STILL] {
        let before = work.queries.get();
        let found = cache.scope(database.user(id)).await?.map_or(0, |user| user.revision);
        let from = if work.queries.get() == before { "Redis" } else { "the database" };
        println!("a program that starts now finds user {id} in {from}: revision {found} of 2");
    }
    Ok(())
}

/// What the clients do, and what they saw in this second.
#[derive(Debug, Default)]
struct Traffic {
    /// The revision of each user that an answer must have: that of the last change that was acknowledged.
    revisions: Mutex<HashMap<i64, Arc<AtomicI64>>>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    times: Vec<Duration>,
    wrong: u64,
    errors: u64,
}

impl Traffic {
    fn revision(&self, user: i64) -> Arc<AtomicI64> {
        let mut revisions = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(revisions.entry(user).or_insert_with(|| Arc::new(AtomicI64::new(1))))
    }

    fn acknowledged(&self, user: i64, revision: i64) {
        self.revision(user).store(revision, Ordering::SeqCst);
    }

    /// One client, for ever.
    async fn asks(self: Arc<Self>, database: Database, client: i64) {
        for step in 0_i64.. {
            let id = (step * 7 + client * 5) % seed::USERS + 1;
            // What is read from now on must not be older than this.
            let newest = self.revision(id).load(Ordering::SeqCst);
            let began = Instant::now();
            let answer = database.user(id).await;
            let took = began.elapsed();
            self.saw(took, |seen| match answer {
                Ok(Some(user)) if user.id == id && user.revision >= newest => {}
                Ok(_) => seen.wrong += 1,
                Err(_) => seen.errors += 1,
            });
            sleep(PAUSE).await;
        }
    }

    fn saw(&self, took: Duration, and: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.times.push(took);
        and(&mut seen);
    }

    fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Table {
    cache: Cache,
    work: Work,
    traffic: Arc<Traffic>,
    second: u64,
}

impl Table {
    fn head() {
        println!(
            "{:>6} {:>6} {:>8} {:>6} {:>8} {:>6} {:>6} {:>10} {:>10} {:>8} {:>5}",
            "second",
            "redis",
            "answers",
            "hits",
            "queries",
            "wrong",
            "errors",
            "median",
            "p99",
            "breaker",
            "owed"
        );
    }

    /// A row for each of so many seconds.
    async fn seconds(&mut self, count: u32, redis: &str) {
        let began = Instant::now();
        for row in 0..count {
            let before = (self.cache.stats().hits, self.work.queries.get());
            let begins = began + SECOND * row;
            sleep_until(begins + SECOND / 10).await;
            // Early, since a server that stands still has its whole deadline for an answer.
            let health = self.cache.health().await;
            sleep_until(begins + SECOND).await;
            let hits = self.cache.stats().hits - before.0;
            let queries = self.work.queries.get() - before.1;
            let owed = self.cache.owed_invalidations();
            let Seen { mut times, wrong, errors } = self.traffic.take();
            times.sort_unstable();
            let quantile =
                |per_cent: usize| times.get(times.len() * per_cent / 100).copied().unwrap_or_default();
            self.second += 1;
            println!(
                "{:>6} {redis:>6} {:>8} {hits:>6} {queries:>8} {wrong:>6} {errors:>6} {:>10.1?} {:>10.1?} {:>8} {owed:>5}",
                self.second,
                times.len(),
                quantile(50),
                quantile(99),
                health::breaker(&health),
            );
        }
    }

    /// Changes a user, and says so.
    async fn rename(&self, database: &Database, id: i64) -> Result<()> {
        let change = Change { name: format!("Listener {id}, renamed"), plan: "studio".to_owned() };
        let began = Instant::now();
        let user = database.update_user(id, &change).await?;
        let took = began.elapsed();
        let revision = user.map_or(0, |user| user.revision);
        self.traffic.acknowledged(id, revision);
        println!("   user {id} is renamed: revision {revision}, in {took:.1?}");
        Ok(())
    }

    fn totals(&self) {
        let stats = self.cache.stats();
        println!(
            "Redis failed {} operations ({} of them late), the breaker opened {} times, and {} were not sent",
            stats.remote_errors, stats.remote_timeouts, stats.breaker_openings, stats.remote_skipped
        );
    }
}
