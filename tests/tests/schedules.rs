//! Three threads that begin, load, publish, invalidate, read and join, in every order that chance finds: whole
//! caches, whose locks and atomics are points at which another thread may run.
//!
//! Only with `RUSTFLAGS="--cfg shuttle" cargo test --package tests --test schedules`, into a target folder of its
//! own. `LARDER_SCHEDULES` is the number of orders that are tried of each story.
//!
//! The waiting of a flight (tokio's semaphore) and the map of the local store are single steps here: orders within
//! them are not looked for, and neither are the reorderings of a weak memory. What stands in front of the store is
//! looked at step by step.
#![cfg(shuttle)]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::sabotage::{Fault, plant};
use larder::testing::{History, Violation};
use larder::{Cache, Scope, Tag};
use shuttle::future::{block_on, yield_now};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};
use tests::local_map::LocalMap;
use tests::yielding::for_polls;

const TTL: Duration = Duration::from_secs(300);

/// An application that writes down what it sees.
#[derive(Clone)]
struct App {
    cache: Cache,
    history: History,
}

/// One thing that a thread does.
type Step = fn(&App);

/// What happens before the threads run, what each of them does, and what happens after.
struct Story {
    before: &'static [Step],
    threads: [&'static [Step]; 3],
    after: &'static [Step],
}

impl App {
    fn new() -> Self {
        Self { cache: Cache::builder().local(LocalMap::default()).build(), history: History::new() }
    }

    /// Reads `key` through the cache; the load stops once, carries the tags that it learns, and uses `parts`.
    async fn load(&self, key: &str, learned: &[&str], part: Option<&str>) -> u64 {
        let read = self.history.read(key);
        let loaded = self.cache.get_or_load(key, TTL, || async {
            let mut load = self.history.load(key);
            yield_now().await;
            if let Some(part) = part {
                let used = Box::pin(self.load(part, &["deep"], None)).await;
                load.includes(used);
            }
            for &tag in learned {
                larder::tag(tag);
                load.tag(tag);
            }
            Ok::<_, Infallible>(load.number())
        });
        let Ok(number) = loaded.await;
        read.returned(number);
        number
    }

    fn invalidate(&self, target: impl Into<Scope>) {
        let target = target.into();
        let invalidation = self.history.invalidation(target.clone());
        block_on(self.cache.invalidate(target)).expect("there is no remote store");
        invalidation.acknowledged();
    }
}

fn read(app: &App) {
    block_on(app.load("user:1", &[], None));
}

fn read_tagged(app: &App) {
    block_on(app.load("user:1", &["deep"], None));
}

fn read_outer(app: &App) {
    block_on(app.load("outer", &[], Some("user:1")));
}

fn leave(app: &App) {
    block_on(for_polls(1, app.load("user:1", &["deep"], None)));
}

fn get(app: &App) {
    let reading = app.history.read("user:1");
    match block_on(app.cache.get::<u64>("user:1")).expect("there is no remote store") {
        Some(number) => reading.returned(number),
        None => reading.found_nothing(),
    }
}

fn set(app: &App) {
    let write = app.history.write("user:1");
    block_on(app.cache.set("user:1", &write.number(), TTL)).expect("there is no remote store");
    write.acknowledged();
}

fn set_if_absent(app: &App) {
    let write = app.history.write("user:1");
    if block_on(app.cache.set_if_absent("user:1", &write.number(), TTL)).expect("there is no remote store") {
        write.acknowledged();
    }
}

fn delete(app: &App) {
    let invalidation = app.history.invalidation("user:1");
    block_on(app.cache.delete("user:1")).expect("there is no remote store");
    invalidation.acknowledged();
}

fn batch(app: &App) {
    let batch = app.cache.batch();
    let both = [Scope::from("user:*"), Tag::from("deep").into()];
    let invalidations = both.map(|target| {
        batch.invalidate(target.clone());
        app.history.invalidation(target)
    });
    block_on(batch.flush()).expect("there is no remote store");
    for invalidation in invalidations {
        invalidation.acknowledged();
    }
}

/// As many patterns as are remembered in this build, of which the oldest covers the key.
fn fill_patterns(app: &App) {
    app.invalidate("us*1");
    nearly_fill_patterns(app);
}

/// One fewer, and none covers the key.
fn nearly_fill_patterns(app: &App) {
    (1..4).for_each(|number| app.invalidate(format!("*:nobody:{number}:*")));
}

const KEY: Step = |app| app.invalidate("user:1");
const LEVEL: Step = |app| app.invalidate("user:*");
const GLOB: Step = |app| app.invalidate("us*1");
const TAG: Step = |app| app.invalidate(Tag::from("deep"));
const DEPENDENCY: Step = |app| {
    app.cache.depends("role", &["deep"]);
    app.history.depends("role", &["deep"]);
    app.invalidate(Tag::from("role"));
};
const EVERYTHING: Step = |app| app.invalidate(Scope::Everything);
const ANOTHER: Step = |app| app.invalidate("team:*");
const ANOTHER_GLOB: Step = |app| app.invalidate("*:nobody:0:*");

const STORIES: &[(&str, Story)] = &[
    ("a key", Story { before: &[], threads: [&[read, get], &[KEY, read], &[read, get]], after: &[read] }),
    (
        "a level",
        Story { before: &[], threads: [&[read, get], &[LEVEL, read], &[read, get]], after: &[get, read] },
    ),
    (
        "a glob",
        Story { before: &[read], threads: [&[read, get], &[GLOB, get], &[read, get]], after: &[get, read] },
    ),
    (
        "everything",
        Story { before: &[read], threads: [&[get, read], &[EVERYTHING, get], &[read]], after: &[get] },
    ),
    (
        "a learned tag",
        Story {
            before: &[],
            threads: [&[read_tagged], &[TAG, read_tagged], &[read_tagged, get]],
            after: &[get],
        },
    ),
    (
        "a learned tag and another move",
        Story {
            before: &[],
            threads: [&[read_tagged], &[TAG, ANOTHER], &[read_tagged, read_tagged]],
            after: &[get],
        },
    ),
    (
        "an inherited tag",
        Story {
            before: &[read_tagged],
            threads: [&[read_outer], &[TAG, read_outer], &[read_tagged, read_outer]],
            after: &[read_outer],
        },
    ),
    (
        "a dependency",
        Story {
            before: &[read_tagged],
            threads: [&[read_outer], &[DEPENDENCY, get], &[read_tagged]],
            after: &[get, read_outer],
        },
    ),
    (
        "two that move",
        Story { before: &[read], threads: [&[KEY, get], &[LEVEL, get], &[read, get]], after: &[get] },
    ),
    (
        "a move and its neighbour",
        Story { before: &[read], threads: [&[KEY, get], &[ANOTHER, ANOTHER], &[get, get]], after: &[get] },
    ),
    ("set", Story { before: &[], threads: [&[read, get], &[set, get], &[read, get]], after: &[get] }),
    (
        "set and invalidate",
        Story { before: &[], threads: [&[set, get], &[KEY, get], &[read, get]], after: &[get] },
    ),
    (
        "set if absent",
        Story { before: &[], threads: [&[read, get], &[set_if_absent, get], &[LEVEL, read]], after: &[get] },
    ),
    (
        "leaving",
        Story { before: &[], threads: [&[leave, get], &[leave, read_tagged], &[TAG, get]], after: &[get] },
    ),
    (
        "delete",
        Story { before: &[read], threads: [&[read, get], &[delete, get], &[set, get]], after: &[get] },
    ),
    (
        "a batch",
        Story {
            before: &[read_tagged],
            threads: [&[read_outer], &[batch, get], &[read_tagged]],
            after: &[get],
        },
    ),
    (
        "a glob that is being forgotten",
        Story { before: &[read, fill_patterns], threads: [&[ANOTHER_GLOB], &[get, get], &[]], after: &[get] },
    ),
    (
        "a glob that makes another forgotten",
        Story {
            before: &[read, nearly_fill_patterns],
            threads: [&[GLOB, get], &[ANOTHER_GLOB, get], &[read, get]],
            after: &[get],
        },
    ),
];

/// What the first order shows in which `story` breaks the promise; nothing if none does.
fn broken(story: &'static Story, scheduler: impl Scheduler + 'static) -> Option<Violation> {
    let found = Arc::new(Mutex::new(None));
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    let runner = Runner::new(scheduler, config);
    runner.run({
        let found = Arc::clone(&found);
        move || {
            if found.lock().unwrap().is_some() {
                return;
            }
            let app = App::new();
            story.before.iter().for_each(|step| step(&app));
            let threads = story.threads.map(|steps| {
                let app = app.clone();
                shuttle::thread::spawn(move || steps.iter().for_each(|step| step(&app)))
            });
            for thread in threads {
                thread.join().unwrap();
            }
            story.after.iter().for_each(|step| step(&app));
            if let Err(violation) = app.history.check(Duration::ZERO) {
                *found.lock().unwrap() = Some(violation);
            }
            assert!(format!("{:?}", app.cache).contains("aloft: 0"), "nothing is left on the board");
        }
    });
    found.lock().unwrap().take()
}

fn orders() -> usize {
    let given = std::env::var("LARDER_SCHEDULES").ok().and_then(|orders| orders.parse().ok());
    given.unwrap_or(1_000)
}

fn broken_in_any_order(story: &'static Story) -> Option<Violation> {
    broken(story, RandomScheduler::new(orders())).or_else(|| broken(story, PctScheduler::new(3, orders())))
}

// One test, because the switch of the faults is one for the process.
#[test]
fn no_order_breaks_the_promise_and_a_missing_step_is_noticed() {
    for (name, story) in STORIES {
        if let Some(violation) = broken_in_any_order(story) {
            panic!("{name}: {violation}");
        }
        println!("{name}: {} orders", 2 * orders());
    }
    // The others need a remote store, or attributes.
    for fault in [
        Fault::HitUnasked,
        Fault::StoreUnasked,
        Fault::JoinAnyFlight,
        Fault::ShareUnasked,
        Fault::StampAfterLoad,
        Fault::LearnedTagsUnchecked,
        Fault::SetWithoutMove,
    ] {
        plant(Some(fault));
        let noticed = STORIES.iter().find(|(_, story)| broken_in_any_order(story).is_some());
        plant(None);
        let (name, _) = noticed.unwrap_or_else(|| panic!("{fault:?} is not noticed in any story"));
        println!("{fault:?} is noticed in the story of {name}");
    }
}
