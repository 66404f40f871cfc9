//! A hit on Redis beside the clients and the peers' macros that can use it, all on one server that the benchmark
//! starts: `cargo bench -p benches --bench redis`, with `-- --quick` to see that it runs. `benches/more-peers` builds it
//! with the peers whose dependencies are many.
//!
//! Every subject runs on one tokio thread. `-- --only <words>` leaves out the subjects without these words, of which there
//! may be several, with `|` between.
//! `-- --counted <callers> <calls>` takes no times, and is for callgrind: what more calls cost more is what a read costs.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use benches::document;
use benches::gathered::Gathered;
use benches::reads::{Subject, load};
use benches::rounds::in_turns;
use benches::server::Server;
use benches::subject::per_call;
use benches::table::{Table, number, ratio};
use benches::user::User;
use cached::AsyncRedisCache;
use cached::macros::concurrent_cached;
use fred::prelude::{ClientLike as _, KeysInterface as _};
use larder::{Cache, Codec, Memory, Redis, Scope, Tag, cached};
use redis::AsyncCommands as _;
use rustis::commands::StringCommands as _;
use tokio::runtime::{Builder, Runtime};

/// The keys that are asked for, in turn.
const KEYS: u64 = 10_000;

/// The argument by which a benchmark is told to be the program that is counted.
const COUNTED: &str = "--counted";

/// The keys of a program that is counted, which is slow.
const FEW_KEYS: u64 = 2_000;

/// The callers that ask at the same time.
const TASKS: [u64; 3] = [1, 64, 512];

fn main() {
    let asked = |option: &str| std::env::args().any(|argument| argument == option);
    let only = std::env::args().skip_while(|argument| argument != "--only").nth(1).unwrap_or_default();
    let effort = if asked("--quick") { QUICK } else { FULL };
    let server = Server::start();
    if let Some([tasks, calls]) = counted() {
        return be_counted(&server, &only, tasks, calls);
    }
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    for table in hits(&runtime, &server, &only, effort) {
        println!("{table}");
    }
    if only.is_empty() {
        println!("{}", invalidations(&runtime, &server, effort));
        println!("{}", codecs(effort));
    }
}

/// If this process was started to be counted: how many callers make how many calls.
fn counted() -> Option<[u64; 2]> {
    let mut rest = std::env::args().skip_while(|argument| argument != COUNTED).skip(1);
    Some([rest.next()?.parse().ok()?, rest.next()?.parse().ok()?])
}

/// Runs the subject once to fill, and then as often as it was told to.
fn be_counted(server: &Server, only: &str, tasks: u64, calls: u64) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    for subject in everybody(&runtime, server, only, FEW_KEYS) {
        let _ = subject.elapsed(&runtime, 1, FEW_KEYS, FEW_KEYS);
        let _ = subject.elapsed(&runtime, tasks, calls, FEW_KEYS);
    }
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    /// Calls of all tasks together, for each number of tasks.
    calls: [u64; 3],
    /// Entries under an invalidation that covers many.
    many: u64,
}

const FULL: Effort = Effort { rounds: 15, calls: [2_000, 30_000, 60_000], many: 1_000_000 };
const QUICK: Effort = Effort { rounds: 3, calls: [300, 5_000, 5_000], many: 10_000 };

/// Thousand reads a second of each subject, by the number of callers; and the processor time of one read in the
/// client's thread, which tells more where others use the machine, too.
fn hits(runtime: &Runtime, server: &Server, only: &str, effort: Effort) -> [Table; 2] {
    let subjects = everybody(runtime, server, only, KEYS);
    let mut rates = vec![Vec::new(); subjects.len()];
    let mut costs = vec![Vec::new(); subjects.len()];
    for (tasks, calls) in TASKS.into_iter().zip(effort.calls) {
        let mut samples = vec![(Vec::new(), Vec::new()); subjects.len()];
        for round in 0..=effort.rounds {
            for turn in 0..subjects.len() {
                // Nobody always runs after the same neighbour.
                let subject = (turn + round) % subjects.len();
                let run = || {
                    let before = used();
                    let elapsed = subjects[subject].elapsed(runtime, tasks, calls, KEYS);
                    (elapsed, used().saturating_sub(before))
                };
                // The first round fills, and warms up.
                if round == 0 {
                    run();
                } else {
                    let calls = calls / tasks * tasks;
                    let (elapsed, used) = subjects[subject].checked(server, calls, run);
                    let calls = usize::try_from(calls).unwrap_or(usize::MAX);
                    samples[subject].0.push(1e6 / per_call(elapsed, calls));
                    samples[subject].1.push(per_call(used, calls) / 1e3);
                }
            }
        }
        for (subject, (rate, cost)) in samples.into_iter().enumerate() {
            rates[subject].push(median(rate));
            costs[subject].push(median(cost));
        }
    }
    let headings = |what| [what, "1 task", "of raw", "64 tasks", "of raw", "512 tasks", "of raw"];
    let raw = subjects.iter().position(|subject| subject.name == RAW);
    let table = |what, medians: &[Vec<f64>], over: fn(f64, f64) -> f64| {
        let mut table = Table::new(&headings(what));
        for (subject, mine) in subjects.iter().zip(medians) {
            let mut cells = vec![subject.name.to_owned()];
            for (at, &mine) in mine.iter().enumerate() {
                cells.extend([number(mine), ratio(raw.map_or(f64::NAN, |raw| over(mine, medians[raw][at])))]);
            }
            table.row(cells);
        }
        table
    };
    [
        table("thousand reads a second", &rates, |mine, raw| mine / raw),
        table("processor time of the client, µs a read", &costs, |mine, raw| mine / raw),
    ]
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// How long this thread has had a processor so far, where Linux says it.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

const RAW: &str = "redis 1.8, MultiplexedConnection, GET";

/// The subjects with these words, and of those whose dependencies are many the ones that this is built with.
fn everybody(runtime: &Runtime, server: &Server, only: &str, keys: u64) -> Vec<Subject> {
    let mut subjects = runtime.block_on(subjects(&server.url(), keys));
    #[cfg(feature = "more-peers")]
    subjects.extend(runtime.block_on(more_peers::subjects(&server.url())));
    subjects.retain(|subject| only.split('|').any(|words| subject.name.contains(words)));
    subjects
}

/// The subjects, their values stored.
async fn subjects(url: &str, keys: u64) -> Vec<Subject> {
    URL.get_or_init(|| url.to_owned());
    // Nothing is to fail because somebody else uses the machine.
    let remote = || patient(url);
    let shared = Users { cache: Cache::builder().namespace("shared").remote(remote()).build() };
    let builder = Cache::builder().namespace("packed").remote(remote());
    let packed = Users { cache: builder.codec(Codec::MessagePack).build() };
    // Every key is asked for within the time for which a near value may be old.
    let builder = Cache::builder().namespace("near").local(Memory::new(100_000)).remote(remote());
    let near = Users { cache: builder.max_staleness(Duration::from_secs(3600)).build() };

    let client = redis::Client::open(url).expect("a URL");
    let config = redis::AsyncConnectionConfig::new;
    let bounded = config().set_response_timeout(Some(PATIENCE));
    let raw = client.get_multiplexed_async_connection_with_config(&bounded).await.expect("a connection");
    let mut filling = raw.clone();
    for id in 0..keys {
        let _: () = filling.set(raw_key(id), &[b'x'; 200][..]).await.expect("stored");
    }
    let unbounded = config().set_response_timeout(None);
    let unbounded =
        client.get_multiplexed_async_connection_with_config(&unbounded).await.expect("a connection");
    for id in 0..keys {
        let user = serde_json::to_vec(&load(id).await).expect("JSON");
        let _: () = filling.set(json_key(id), user).await.expect("stored");
    }
    for scope in ["gathered:everything", "gathered:users"] {
        let _: () = filling.set(scope, &[b'g'; 16][..]).await.expect("stored");
    }
    let gathered = Gathered::over(unbounded.clone());
    let by_hand = Gathered::by_hand(url.trim_start_matches("redis://")).await;
    let rustis = rustis::client::Client::connect(url).await.expect("a connection");
    let fred = fred::types::config::Config::from_url(url).expect("a URL");
    let fred = fred::types::Builder::from_config(fred).build().expect("a client");
    fred.init().await.expect("a connection");

    let (decoding, decoding_gathered) = (raw.clone(), gathered.clone());
    vec![
        Subject::new(RAW, move |id| {
            let mut connection = raw.clone();
            async move { connection.get::<_, Vec<u8>>(raw_key(id)).await.expect("an answer") }
        }),
        Subject::new("redis 1.8, GET of a user in JSON, decoded", move |id| {
            let mut connection = decoding.clone();
            async move { user(&connection.get::<_, Vec<u8>>(json_key(id)).await.expect("an answer")) }
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
        Subject::new("redis 1.8, gathered into MGET, unchecked", move |id| {
            let gathered = gathered.clone();
            async move { gathered.get(raw_key(id)).await }
        }),
        Subject::new("a connection by hand, gathered, unchecked", move |id| {
            let by_hand = by_hand.clone();
            async move { by_hand.get(raw_key(id)).await }
        }),
        Subject::new("redis 1.8, the same gathered into MGET, decoded", move |id| {
            let gathered = decoding_gathered.clone();
            async move { user(&gathered.get(json_key(id)).await) }
        }),
        Subject::new("larder, Redis only, JSON", move |id| {
            let users = shared.clone();
            async move { users.get(id).await }
        }),
        Subject::new("larder, Redis only, MessagePack", move |id| {
            let users = packed.clone();
            async move { users.get(id).await }
        }),
        Subject::new("larder, memory over Redis", move |id| {
            let users = near.clone();
            async move { users.get(id).await }
        })
        .near(),
        // It gives up after a time of its own, which a busy machine may take.
        Subject::new("cached 4.1 #[concurrent_cached] on Redis", peer),
    ]
}

fn raw_key(id: u64) -> String {
    format!("raw:user:{id}")
}

fn json_key(id: u64) -> String {
    format!("json:user:{id}")
}

fn user(json: &[u8]) -> User {
    serde_json::from_slice(json).expect("a user")
}

#[derive(Clone)]
struct Users {
    cache: Cache,
}

impl Users {
    #[cached(ttl = 36_000, key = "user:<id>", skip(self), cache = self.cache)]
    async fn get(&self, id: u64) -> User {
        load(id).await
    }
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

/// What covers everybody in [`Staff`], and an invalidation of it.
fn covers() -> [(&'static str, Scope); 2] {
    [("`user:*`", Scope::from("user:*")), ("a tag", Tag::from("staff").into())]
}

struct Staff(Cache);

impl Staff {
    /// Everybody up to `count`, stored.
    async fn of(url: &str, namespace: &str, count: u64) -> Self {
        let staff = Self(Cache::builder().namespace(namespace).remote(patient(url)).build());
        let ids: Vec<u64> = (0..count).collect();
        for ids in ids.chunks(1_000) {
            staff.members(ids).await;
        }
        staff
    }

    #[cached(ttl = 36_000, key = "user:<id>", each(id in ids), tags = ["staff"], skip(self), cache = self.0)]
    async fn members(&self, ids: &[u64]) -> HashMap<u64, User> {
        let mut members = HashMap::new();
        for &id in ids {
            members.insert(id, load(id).await);
        }
        members
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

fn patient(url: &str) -> Redis {
    let redis = Redis::builder().url(url).read_deadline(PATIENCE).write_deadline(PATIENCE);
    redis.invalidate_deadline(PATIENCE).build().expect("a URL")
}

/// What an invalidation costs by how much it covers, beside looking for the keys and removing them.
fn invalidations(runtime: &Runtime, server: &Server, effort: Effort) -> Table {
    let url = server.url();
    let few = runtime.block_on(Staff::of(&url, "few", 10));
    let many = runtime.block_on(Staff::of(&url, "many", effort.many));
    let client = redis::Client::open(url.as_str()).expect("a URL");
    let unbounded = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&unbounded);
    let mut raw = runtime.block_on(connection).expect("a connection");
    let lots = format!("{} entries", effort.many);
    let mut table = Table::new(&["an invalidation on Redis, µs", "10 entries", &lots, "ratio"]);
    let mut ours = f64::NAN;
    for (name, scope) in covers() {
        let run = |staff: &Staff| {
            let start = Instant::now();
            runtime.block_on(staff.0.invalidate(scope.clone())).expect("delivered");
            start.elapsed()
        };
        let [small, large] =
            in_turns(20 * effort.rounds, 1, &mut [&mut || run(&few), &mut || run(&many)]).map(|ns| ns / 1e3);
        ours = large;
        table.row(vec![name.to_owned(), number(small), number(large), ratio(large / small)]);
    }
    let present: u64 = runtime.block_on(redis::cmd("DBSIZE").query_async(&mut raw)).expect("an answer");
    assert!(present > effort.many, "the entries are there: {present}");
    let start = Instant::now();
    let removed = runtime.block_on(remove(&mut raw, "many:user:*"));
    let took = per_call(start.elapsed(), 1) / 1e3;
    assert_eq!(removed, effort.many);
    table.row(vec!["SCAN and UNLINK".to_owned(), String::new(), number(took), String::new()]);
    table.row(vec!["that over ours".to_owned(), String::new(), number(took / ours), String::new()]);
    table
}

/// Removes all keys that match, as is done without generations.
async fn remove(raw: &mut redis::aio::MultiplexedConnection, pattern: &str) -> u64 {
    let (mut cursor, mut removed) = (0_u64, 0);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
        let (next, keys): (u64, Vec<String>) = scan.query_async(raw).await.expect("an answer");
        if !keys.is_empty() {
            removed += redis::cmd("UNLINK").arg(keys).query_async::<u64>(raw).await.expect("an answer");
        }
        cursor = next;
        if cursor == 0 {
            return removed;
        }
    }
}

/// What a value costs on its way out and in: as bytes, and smaller.
fn codecs(effort: Effort) -> Table {
    let mut table = Table::new(&["a value", "bytes", "out, ns", "in, ns"]);
    for (size, lines) in [("a small document", 8), ("a large document", 150)] {
        let document = document::of(lines);
        let text = serde_json::to_vec(&document).expect("JSON");
        let packed = rmp_serde::to_vec_named(&document).expect("MessagePack");
        let lz4 = lz4_flex::compress_prepend_size(&text);
        let zstd = zstd::bulk::compress(&text, 1).expect("compressed");
        let length = text.len();
        let mut ways: [(&str, usize, Work<'_>, Work<'_>); 4] = [
            (
                "JSON",
                text.len(),
                Box::new(|| drop(black_box(serde_json::to_vec(&document)))),
                Box::new(|| drop(black_box(serde_json::from_slice::<document::Document>(&text)))),
            ),
            (
                "MessagePack",
                packed.len(),
                Box::new(|| drop(black_box(rmp_serde::to_vec_named(&document)))),
                Box::new(|| drop(black_box(rmp_serde::from_slice::<document::Document>(&packed)))),
            ),
            (
                "LZ4 of the JSON",
                lz4.len(),
                Box::new(|| drop(black_box(lz4_flex::compress_prepend_size(&text)))),
                Box::new(|| drop(black_box(lz4_flex::decompress_size_prepended(&lz4)))),
            ),
            (
                "Zstandard 1 of the JSON",
                zstd.len(),
                Box::new(|| drop(black_box(zstd::bulk::compress(&text, 1)))),
                Box::new(|| drop(black_box(zstd::bulk::decompress(&zstd, length)))),
            ),
        ];
        for (name, bytes, out, back) in &mut ways {
            // Few, so that most samples end before somebody else wants the processor.
            let calls = 20;
            let timed = |work: &mut Work<'_>| {
                let start = Instant::now();
                (0..calls).for_each(|_| work());
                start.elapsed()
            };
            let [out] = in_turns(10 * effort.rounds, calls, &mut [&mut || timed(out)]);
            let [back] = in_turns(10 * effort.rounds, calls, &mut [&mut || timed(back)]);
            table.row(vec![format!("{size}, {name}"), bytes.to_string(), number(out), number(back)]);
        }
    }
    table
}

type Work<'w> = Box<dyn FnMut() + 'w>;
