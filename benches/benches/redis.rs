//! A hit on Redis beside the clients and the peers' macros that can use it, all on one server that the benchmark
//! starts: `cargo bench -p benches --bench redis`, with `-- --quick` to see that it runs.
//!
//! Every subject runs on one tokio thread. `-- --only <words>` leaves out the subjects without these words.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use benches::server::Server;
use benches::table::{Table, number, ratio};
use benches::user::{User, load};
use cached::AsyncRedisCache;
use cached::macros::concurrent_cached;
use fred::prelude::{ClientLike as _, KeysInterface as _};
use larder::{Cache, Memory, Redis, cached};
use redis::AsyncCommands as _;
use rustis::commands::StringCommands as _;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

/// The keys that are asked for, in turn.
const KEYS: u64 = 10_000;

/// The callers that ask at the same time.
const TASKS: [u64; 3] = [1, 64, 512];

fn main() {
    let asked = |option: &str| std::env::args().any(|argument| argument == option);
    let only = std::env::args().skip_while(|argument| argument != "--only").nth(1).unwrap_or_default();
    let effort = if asked("--quick") { QUICK } else { FULL };
    let server = Server::start();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("{}", hits(&runtime, &server, &only, effort));
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    /// Calls of all tasks together, for each number of tasks.
    calls: [u64; 3],
}

const FULL: Effort = Effort { rounds: 21, calls: [3_000, 100_000, 200_000] };
const QUICK: Effort = Effort { rounds: 3, calls: [300, 5_000, 5_000] };

/// A way to read one value, by its number.
struct Subject {
    name: &'static str,
    get: Rc<dyn Fn(u64) -> Pin<Box<dyn Future<Output = ()>>>>,
}

impl Subject {
    fn new<F: Future<Output: 'static> + 'static>(
        name: &'static str,
        get: impl Fn(u64) -> F + 'static,
    ) -> Self {
        let get = move |id| -> Pin<Box<dyn Future<Output = ()>>> {
            let answer = get(id);
            Box::pin(async move {
                black_box(answer.await);
            })
        };
        Self { name, get: Rc::new(get) }
    }

    /// How long `tasks` callers need for `calls` reads.
    fn elapsed(&self, runtime: &Runtime, tasks: u64, calls: u64) -> Duration {
        LocalSet::new().block_on(runtime, async {
            let start = Instant::now();
            let callers: Vec<_> = (0..tasks)
                .map(|task| {
                    let get = Rc::clone(&self.get);
                    tokio::task::spawn_local(async move {
                        for call in 0..calls / tasks {
                            get((task * 7_919 + call) % KEYS).await;
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.await.expect("no panic");
            }
            start.elapsed()
        })
    }
}

/// Thousand reads a second of each subject, by the number of callers.
fn hits(runtime: &Runtime, server: &Server, only: &str, effort: Effort) -> Table {
    let mut subjects = runtime.block_on(subjects(&server.url()));
    subjects.retain(|subject| subject.name.contains(only));
    let mut medians = vec![Vec::new(); subjects.len()];
    for (tasks, calls) in TASKS.into_iter().zip(effort.calls) {
        let mut samples = vec![Vec::new(); subjects.len()];
        for round in 0..=effort.rounds {
            for turn in 0..subjects.len() {
                // Nobody always runs after the same neighbour.
                let subject = (turn + round) % subjects.len();
                let elapsed = subjects[subject].elapsed(runtime, tasks, calls);
                #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand")]
                let thousands = (calls / tasks * tasks) as f64 / elapsed.as_secs_f64() / 1e3;
                // The first round fills, and warms up.
                if round > 0 {
                    samples[subject].push(thousands);
                }
            }
        }
        for (medians, mut samples) in medians.iter_mut().zip(samples) {
            samples.sort_by(f64::total_cmp);
            medians.push(samples[samples.len() / 2]);
        }
    }
    let raw = subjects.iter().position(|subject| subject.name == RAW);
    let mut table = Table::new(&[
        "thousand reads a second",
        "1 task",
        "of raw",
        "64 tasks",
        "of raw",
        "512 tasks",
        "of raw",
    ]);
    for (subject, mine) in subjects.iter().zip(&medians) {
        let mut cells = vec![subject.name.to_owned()];
        for (at, &mine) in mine.iter().enumerate() {
            cells.extend([number(mine), ratio(raw.map_or(f64::NAN, |raw| mine / medians[raw][at]))]);
        }
        table.row(cells);
    }
    table
}

const RAW: &str = "redis 1.8, MultiplexedConnection, GET";

/// The subjects, their values stored.
async fn subjects(url: &str) -> Vec<Subject> {
    URL.get_or_init(|| url.to_owned());
    let remote = || Redis::open(url).expect("a URL");
    let shared = Cache::builder().namespace("shared").remote(remote()).build();
    let packed =
        Cache::builder().namespace("packed").remote(remote()).codec(larder::Codec::MessagePack).build();
    // Every key is asked for within the two seconds for which a near value may be old.
    let near = Cache::builder()
        .namespace("near")
        .local(Memory::new(100_000))
        .remote(remote())
        .max_staleness(Duration::from_secs(3600))
        .build();

    let client = redis::Client::open(url).expect("a URL");
    let raw = client.get_multiplexed_async_connection().await.expect("a connection");
    let mut filling = raw.clone();
    for id in 0..KEYS {
        let _: () = filling.set(raw_key(id), &[b'x'; 200][..]).await.expect("stored");
    }
    let unbounded = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let unbounded =
        client.get_multiplexed_async_connection_with_config(&unbounded).await.expect("a connection");
    let rustis = rustis::client::Client::connect(url).await.expect("a connection");
    let fred = fred::types::config::Config::from_url(url).expect("a URL");
    let fred = fred::types::Builder::from_config(fred).build().expect("a client");
    fred.init().await.expect("a connection");

    vec![
        Subject::new(RAW, move |id| {
            let mut connection = raw.clone();
            async move { connection.get::<_, Vec<u8>>(raw_key(id)).await.expect("an answer") }
        }),
        Subject::new("redis 1.8 without its response timeout, GET", move |id| {
            let mut connection = unbounded.clone();
            async move { connection.get::<_, Vec<u8>>(raw_key(id)).await.expect("an answer") }
        }),
        Subject::new("rustis 0.27, GET", move |id| {
            let client = rustis.clone();
            async move { client.get::<rustis::resp::BulkString>(raw_key(id)).await.expect("an answer") }
        }),
        Subject::new("fred 10, GET", move |id| {
            let client = fred.clone();
            async move { client.get::<bytes::Bytes, _>(raw_key(id)).await.expect("an answer") }
        }),
        Subject::new("larder, Redis only, JSON", move |id| {
            let cache = shared.clone();
            async move { user(&cache, id).await }
        }),
        Subject::new("larder, Redis only, MessagePack", move |id| {
            let cache = packed.clone();
            async move { user(&cache, id).await }
        }),
        Subject::new("larder, memory over Redis", move |id| {
            let cache = near.clone();
            async move { user(&cache, id).await }
        }),
        Subject::new("cached 4.1 #[concurrent_cached] on Redis", |id| async move {
            peer(id).await.expect("an answer")
        }),
    ]
}

fn raw_key(id: u64) -> String {
    format!("raw:user:{id}")
}

#[cached(ttl = 36_000, key = "user:<id>", skip(_cache), cache = _cache)]
async fn user(_cache: &Cache, id: u64) -> User {
    load(id).await
}

static URL: OnceLock<String> = OnceLock::new();

#[concurrent_cached(
    map_error = "|error| format!(\"{error:?}\")",
    ty = "AsyncRedisCache<u64, User>",
    create = "{ AsyncRedisCache::builder(\"peer\").ttl(Duration::from_secs(36_000)).connection_string(URL.get().unwrap()).build().await.unwrap() }"
)]
async fn peer(id: u64) -> Result<User, String> {
    Ok(load(id).await)
}
