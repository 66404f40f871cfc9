//! Every option that decides when a value is computed, with every return type, on every backend: a test for each
//! option, which goes through the other two. What an option does in its corners is tested in a file of its own.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use larder::{Cache, CacheBuilder, Memory, cached};
use tests::held_store::HeldStore;
use tests::{Gate, until};
use tokio::time::{advance, sleep, timeout};

/// Every function's `ttl`, and its stale window if it has one.
const MINUTE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(1);

/// What a load fails with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Broken {
    Down,
    Gone,
}

/// What a call returned, whatever its type.
type Seen = Result<Option<u64>, Broken>;

/// A call of one of the functions below, for an id.
type Call = fn(App, u64) -> Pin<Box<dyn Future<Output = Seen> + Send>>;

/// A return type.
trait Shape: Sized {
    fn of(seen: Seen) -> Self;
    fn seen(self) -> Seen;
}

macro_rules! shape {
    ($output:ty, $of:expr, $seen:expr) => {
        impl Shape for $output {
            fn of(seen: Seen) -> Self {
                $of(seen)
            }
            fn seen(self) -> Seen {
                $seen(self)
            }
        }
    };
}

const NO_SUCH: &str = "this type cannot say that";

shape!(u64, |seen: Seen| seen.expect(NO_SUCH).expect(NO_SUCH), |it| Ok(Some(it)));
shape!(Option<u64>, |seen: Seen| seen.expect(NO_SUCH), Ok);
shape!(
    Result<u64, Broken>,
    |seen: Seen| seen.map(|it| it.expect(NO_SUCH)),
    |it: Self| it.map(Some)
);
shape!(Seen, |it| it, |it| it);

/// An application whose loads return their number, unless they are told what else to do.
#[derive(Clone)]
struct App {
    cache: Cache,
    state: Arc<State>,
}

struct State {
    loads: AtomicU64,
    /// What loads return in place of their number.
    instead: Mutex<Option<Seen>>,
    /// How long they take.
    takes: Mutex<Duration>,
    gate: Mutex<Gate>,
    on: AtomicBool,
}

impl App {
    fn new(cache: Cache) -> Self {
        let state = State {
            loads: AtomicU64::new(0),
            instead: Mutex::default(),
            takes: Mutex::default(),
            gate: Mutex::default(),
            on: AtomicBool::new(true),
        };
        state.gate.lock().unwrap().open();
        Self { cache, state: Arc::new(state) }
    }

    async fn load<S: Shape>(&self, _id: u64) -> S {
        let number = self.state.loads.fetch_add(1, Ordering::SeqCst) + 1;
        let (gate, takes) = (self.state.gate.lock().unwrap().clone(), *self.state.takes.lock().unwrap());
        gate.pass().await;
        if !takes.is_zero() {
            sleep(takes).await;
        }
        let instead = *self.state.instead.lock().unwrap();
        S::of(instead.unwrap_or(Ok(Some(number))))
    }

    fn returns(&self, instead: Option<Seen>) {
        *self.state.instead.lock().unwrap() = instead;
    }

    /// Stops loads from now on, until the gate is opened.
    fn hold(&self) -> Gate {
        let gate = Gate::default();
        *self.state.gate.lock().unwrap() = gate.clone();
        gate
    }

    fn is_on(&self) -> bool {
        self.state.on.load(Ordering::SeqCst)
    }

    /// Waits until so many refreshes have ended since the start.
    async fn refreshed(&self, count: u64) {
        let landed = || format!("{:?}", self.cache).contains("aloft: 0");
        until(|| self.cache.stats().refreshes == count && landed()).await;
    }
}

/// The functions of one return type, each with one of the options (and with what that option needs).
struct Functions {
    output: &'static str,
    none: Call,
    /// Of types that can say `None`.
    none_ttl: Option<Call>,
    ttl_from_value: Call,
    stale: Call,
    /// Of types that can be an error.
    stale_if: Option<Call>,
    timeout: Call,
    early: Call,
    unless: Call,
    when: Call,
    lock: Call,
    first_version: Call,
    second_version: Call,
}

macro_rules! call {
    ($function:path) => {
        |app, id| Box::pin(async move { $function(&app, id).await.seen() })
    };
}

macro_rules! functions {
    ($module:ident: $output:ty, version: $version:literal $(, $option:ident: $function:item)*) => {
        mod $module {
            use super::*;

            #[cached(ttl = 60, skip(app), cache = app.cache)]
            async fn none(app: &App, id: u64) -> $output {
                app.load(id).await
            }

            #[cached(ttl = |value| MINUTE * u32::try_from(*value).unwrap(), skip(app), cache = app.cache)]
            async fn ttl_from_value(app: &App, id: u64) -> $output {
                app.load(id).await
            }

            #[cached(ttl = 60, stale = 60, skip(app), cache = app.cache)]
            async fn stale(app: &App, id: u64) -> $output {
                app.load(id).await
            }

            #[cached(ttl = 60, stale = 60, timeout = "50ms", skip(app), cache = app.cache)]
            async fn timeout(app: &App, id: u64) -> $output {
                app.load(id).await
            }

            #[cached(ttl = 60, early = 1e9, skip(app), cache = app.cache)]
            async fn early(app: &App, id: u64) -> $output {
                app.load(id).await
            }

            #[cached(ttl = 60, unless = |value| *value == 13, skip(app), cache = app.cache)]
            async fn unless(app: &App, id: u64) -> $output {
                app.load(id).await
            }

            #[cached(ttl = 60, when = app.is_on(), skip(app), cache = app.cache)]
            async fn when(app: &App, id: u64) -> $output {
                app.load(id).await
            }

            #[cached(ttl = 60, lock, skip(app), cache = app.cache)]
            async fn lock(app: &App, id: u64) -> $output {
                app.load(id).await
            }

            #[cached(ttl = 60, version = 1, key = $version, shared, skip(app), cache = app.cache)]
            async fn first_version(app: &App, id: u64) -> $output {
                app.load(id).await
            }

            #[cached(ttl = 60, version = 2, key = $version, shared, skip(app), cache = app.cache)]
            async fn second_version(app: &App, id: u64) -> $output {
                app.load(id).await
            }

            $($function)*

            pub(super) fn functions() -> Functions {
                #[allow(unused_mut, reason = "a return type may have no option of its own")]
                let mut functions = Functions {
                    output: stringify!($output),
                    none: call!(none),
                    none_ttl: None,
                    ttl_from_value: call!(ttl_from_value),
                    stale: call!(stale),
                    stale_if: None,
                    timeout: call!(timeout),
                    early: call!(early),
                    unless: call!(unless),
                    when: call!(when),
                    lock: call!(lock),
                    first_version: call!(first_version),
                    second_version: call!(second_version),
                };
                $(functions.$option = Some(call!($option));)*
                functions
            }
        }
    };
}

functions!(plain: u64, version: "plain:<id>");
functions!(option: Option<u64>, version: "option:<id>",
    none_ttl: #[cached(ttl = 60, none_ttl = 30, skip(app), cache = app.cache)]
    async fn none_ttl(app: &App, id: u64) -> Option<u64> {
        app.load(id).await
    }
);
functions!(result: Result<u64, Broken>, version: "result:<id>",
    stale_if: #[cached(ttl = 60, stale = 60, timeout = "50ms", stale_if = |error| *error == Broken::Down, skip(app), cache = app.cache)]
    async fn stale_if(app: &App, id: u64) -> Result<u64, Broken> {
        app.load(id).await
    }
);
functions!(result_of_option: Result<Option<u64>, Broken>, version: "result_of_option:<id>",
    none_ttl: #[cached(ttl = 60, none_ttl = 30, skip(app), cache = app.cache)]
    async fn none_ttl(app: &App, id: u64) -> Result<Option<u64>, Broken> {
        app.load(id).await
    },
    stale_if: #[cached(ttl = 60, stale = 60, timeout = "50ms", stale_if = |error| *error == Broken::Down, skip(app), cache = app.cache)]
    async fn stale_if(app: &App, id: u64) -> Result<Option<u64>, Broken> {
        app.load(id).await
    }
);

const TYPES: [fn() -> Functions; 4] =
    [plain::functions, option::functions, result::functions, result_of_option::functions];

/// A process with a store to share.
type Backend = fn(CacheBuilder, HeldStore) -> Cache;

const BACKENDS: [(&str, Backend); 3] = [
    ("memory", |builder, _| builder.local(Memory::new(1000)).build()),
    ("remote", |builder, store| builder.remote(store).build()),
    ("tiered", |builder, store| builder.local(Memory::new(1000)).remote(store).build()),
];

/// One cell of the table.
struct Cell {
    app: App,
    functions: Functions,
    /// The same application in another process: it shares what the backend shares, and counts the same loads.
    elsewhere: App,
}

/// Every return type on every backend. The last line that a failing test prints says which cell it was.
fn cells(jitter: f64) -> impl Iterator<Item = Cell> {
    TYPES.into_iter().flat_map(move |functions| {
        BACKENDS.into_iter().map(move |(backend, build)| {
            let (store, functions) = (HeldStore::open(), functions());
            println!("{} on {backend}", functions.output);
            let cache = || build(Cache::builder().jitter(jitter), store.clone());
            let app = App::new(cache());
            Cell { elsewhere: App { cache: cache(), ..app.clone() }, app, functions }
        })
    })
}

impl App {
    async fn sees(&self, call: Call, expected: impl Into<Option<u64>>) {
        // The clock is paused: a call that waits for what does not come is given up at once.
        let seen = timeout(MINUTE, call(self.clone(), 1)).await.expect("an answer");
        assert_eq!(seen, Ok(expected.into()));
    }

    /// Calls from now to the last moment of `time` answer `value`; then it is over.
    async fn lives(&self, call: Call, value: impl Into<Option<u64>> + Copy, time: Duration) {
        let loads = self.state.loads.load(Ordering::SeqCst);
        self.sees(call, value).await;
        advance(time.saturating_sub(TICK)).await;
        self.sees(call, value).await;
        advance(TICK).await;
        assert_eq!(self.state.loads.load(Ordering::SeqCst), loads, "all of them are hits");
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_option_what_is_there_lives_for_its_ttl() {
    for Cell { app, functions, .. } in cells(0.0) {
        let call = functions.none;
        app.sees(call, 1).await;
        app.lives(call, 1, MINUTE).await;
        app.sees(call, 2).await;
        let failed = functions.stale_if.map(|_| Err(Broken::Down));
        for not_stored in functions.none_ttl.map(|_| Ok(None)).into_iter().chain(failed) {
            app.cache.clear().await.unwrap();
            app.returns(Some(not_stored));
            assert_eq!(call(app.clone(), 1).await, not_stored);
            app.returns(None);
            assert_ne!(call(app.clone(), 1).await, not_stored);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn none_ttl_is_how_long_a_none_lives() {
    for Cell { app, functions, .. } in cells(0.0) {
        let Some(call) = functions.none_ttl else { continue };
        app.sees(call, 1).await;
        app.lives(call, 1, MINUTE).await;
        app.returns(Some(Ok(None)));
        app.sees(call, None).await;
        app.returns(None);
        app.lives(call, None, MINUTE / 2).await;
        app.sees(call, 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn ttl_from_the_value_is_that_of_each_value() {
    for Cell { app, functions, .. } in cells(0.0) {
        let call = functions.ttl_from_value;
        app.sees(call, 1).await;
        app.lives(call, 1, MINUTE).await;
        app.sees(call, 2).await;
        app.lives(call, 2, 2 * MINUTE).await;
        app.sees(call, 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn stale_is_how_long_the_old_value_answers_while_it_is_refreshed() {
    for Cell { app, functions, .. } in cells(0.0) {
        let call = functions.stale;
        app.sees(call, 1).await;
        app.lives(call, 1, MINUTE).await;
        let gate = app.hold();
        app.sees(call, 1).await;
        gate.open();
        app.refreshed(1).await;
        app.lives(call, 2, MINUTE).await;
        advance(MINUTE).await;
        app.sees(call, 3).await;
        assert_eq!(app.cache.stats().refreshes, 1, "after the window the caller loads");
    }
}

#[tokio::test(start_paused = true)]
async fn stale_if_says_which_errors_deserve_the_old_value() {
    for Cell { app, functions, .. } in cells(0.0) {
        let Some(call) = functions.stale_if else { continue };
        app.sees(call, 1).await;
        app.lives(call, 1, MINUTE).await;
        app.returns(Some(Err(Broken::Down)));
        app.sees(call, 1).await;
        app.refreshed(1).await;
        // A refresh that failed rests a second.
        advance(Duration::from_secs(1)).await;
        app.returns(Some(Err(Broken::Gone)));
        assert_eq!(call(app.clone(), 1).await, Err(Broken::Gone));
    }
}

#[tokio::test(start_paused = true)]
async fn timeout_is_how_long_a_stale_value_is_held_back() {
    for Cell { app, functions, .. } in cells(0.0) {
        let call = functions.timeout;
        app.sees(call, 1).await;
        app.lives(call, 1, MINUTE).await;
        app.sees(call, 2).await;
        app.refreshed(1).await;
        app.lives(call, 2, MINUTE).await;
        let gate = app.hold();
        app.sees(call, 2).await;
        gate.open();
        app.refreshed(2).await;
        app.lives(call, 3, MINUTE).await;
        advance(MINUTE).await;
        app.sees(call, 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn early_refreshes_a_value_that_took_its_time_before_its_end() {
    for Cell { app, functions, .. } in cells(0.0) {
        let call = functions.early;
        app.sees(call, 1).await;
        // A load that takes no time can wait until the end.
        app.lives(call, 1, MINUTE).await;
        *app.state.takes.lock().unwrap() = Duration::from_millis(50);
        app.sees(call, 2).await;
        *app.state.takes.lock().unwrap() = Duration::ZERO;
        // A near copy leaves that to whoever asks the shared store, which it does itself every two seconds.
        advance(Duration::from_secs(2)).await;
        let gate = app.hold();
        app.sees(call, 2).await;
        gate.open();
        app.refreshed(1).await;
        app.lives(call, 3, MINUTE).await;
        app.sees(call, 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn unless_keeps_a_value_from_being_stored() {
    for Cell { app, functions, .. } in cells(0.0) {
        let call = functions.unless;
        app.sees(call, 1).await;
        app.lives(call, 1, MINUTE).await;
        app.returns(Some(Ok(Some(13))));
        app.sees(call, 13).await;
        app.returns(None);
        app.sees(call, 3).await;
        app.lives(call, 3, MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn when_takes_a_call_past_the_cache() {
    for Cell { app, functions, .. } in cells(0.0) {
        let call = functions.when;
        app.sees(call, 1).await;
        app.state.on.store(false, Ordering::SeqCst);
        app.sees(call, 2).await;
        app.sees(call, 3).await;
        app.state.on.store(true, Ordering::SeqCst);
        app.lives(call, 1, MINUTE).await;
        app.sees(call, 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_of_another_version_is_a_miss() {
    for Cell { app, functions, elsewhere } in cells(0.0) {
        let (first, second) = (functions.first_version, functions.second_version);
        app.sees(first, 1).await;
        app.lives(first, 1, MINUTE).await;
        app.sees(first, 2).await;
        // In a process a function has one version. The next comes with the next program, and finds the old values.
        elsewhere.sees(second, 3).await;
        elsewhere.lives(second, 3, MINUTE).await;
        elsewhere.sees(second, 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_spreads_the_ends_of_what_was_stored_together() {
    const COUNT: u64 = 40;
    for Cell { app, functions, .. } in cells(0.5) {
        let loads = || app.state.loads.load(Ordering::SeqCst);
        let call_all = async || {
            let before = loads();
            for id in 0..COUNT {
                (functions.none)(app.clone(), id).await.unwrap();
            }
            loads() - before
        };
        assert_eq!(call_all().await, COUNT);
        advance((MINUTE / 2).saturating_sub(TICK)).await;
        assert_eq!(call_all().await, 0, "none ends before half its time");
        advance(MINUTE / 2).await;
        let ended = call_all().await;
        assert!((1..COUNT).contains(&ended), "some end early, some late: {ended} of {COUNT}");
        advance(2 * MINUTE).await;
        assert_eq!(call_all().await, COUNT, "all have ended");
    }
}

#[tokio::test(start_paused = true)]
async fn lock_lets_one_of_two_processes_load_if_they_share_a_store() {
    for Cell { app, functions, elsewhere } in cells(0.0) {
        let gate = app.hold();
        let calls = [app.clone(), elsewhere].map(|app| tokio::spawn((functions.lock)(app, 1)));
        let shares = app.cache.health().await.remote.is_some();
        let loads = || app.state.loads.load(Ordering::SeqCst);
        gate.arrived(if shares { 1 } else { 2 }).await;
        // Whoever does not wait begins within this time.
        advance(Duration::from_secs(1)).await;
        gate.open();
        let answers = join_all(calls).await.into_iter().map(|answer| answer.unwrap().unwrap());
        let answers: Vec<_> = answers.collect();
        if shares {
            assert_eq!((answers, loads()), (vec![Some(1), Some(1)], 1));
        } else {
            assert_eq!((answers, loads()), (vec![Some(1), Some(2)], 2), "nothing is shared");
        }
    }
}
