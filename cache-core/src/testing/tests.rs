//! The checker itself: what it must object to and what it must let pass, note by note.

use std::time::Duration;

use super::*;
use crate::pattern::Pattern;

const AT_ONCE: Duration = Duration::ZERO;

fn load(history: &History, key: &str, tags: &[&str]) -> u64 {
    let mut load = history.load(key);
    for &tag in tags {
        load.tag(tag);
    }
    load.number()
}

fn invalidate(history: &History, target: impl Into<Scope>) {
    history.invalidation(target).acknowledged();
}

fn is_stale(history: &History) -> bool {
    match history.check(AT_ONCE) {
        Ok(_) => false,
        Err(Violation::Stale(_)) => true,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_value_older_than_an_acknowledged_invalidation_is_stale() {
    for (target, covers) in [
        (Scope::from("user:1"), true),
        (Scope::from("user:2"), false),
        (Scope::from("user:*"), true),
        (Scope::from("us*"), true),
        (Scope::from("*:1"), true),
        (Scope::from("*s*r*1*"), true),
        (Scope::from("*2*"), false),
        (Scope::from("*"), true),
        (Scope::from(Pattern::from("user:1")), true),
        (Scope::Everything, true),
        (Scope::from(Tag::from("team")), true),
        (Scope::from(Tag::from("user:1")), false),
    ] {
        let history = History::new();
        let number = load(&history, "user:1", &["team"]);
        invalidate(&history, target.clone());
        history.read("user:1").returned(number);
        assert_eq!(is_stale(&history), covers, "{target:?}");
    }
}

#[test]
fn who_read_or_loaded_meanwhile_is_right() {
    let history = History::new();
    let old = load(&history, "k", &[]);
    let early = history.read("k");
    let invalidation = history.invalidation("k");
    let during = history.read("k");
    let new = load(&history, "k", &[]);
    invalidation.acknowledged();
    early.returned(old);
    during.returned(old);
    history.read("k").returned(new);
    history.read("k").found_nothing();
    let summary = history.check(AT_ONCE).unwrap();
    assert_eq!((summary.loads, summary.reads, summary.nothing, summary.overtaken), (2, 3, 1, 0));
}

#[test]
fn an_invalidation_that_is_not_acknowledged_promises_nothing() {
    let history = History::new();
    let number = load(&history, "k", &[]);
    drop(history.invalidation("k"));
    history.read("k").returned(number);
    assert!(!is_stale(&history));
}

#[test]
fn a_load_that_was_overtaken_is_counted_and_may_be_read_by_nobody_later() {
    let history = History::new();
    let waiter = history.read("k");
    let loading = history.load("k");
    let number = loading.number();
    invalidate(&history, "k");
    drop(loading);
    waiter.returned(number);
    assert_eq!(history.check(AT_ONCE).unwrap().overtaken, 1);
    history.read("k").returned(number);
    let Err(Violation::Stale(stale)) = history.check(AT_ONCE) else { panic!("the second read was stale") };
    assert_eq!((stale.number, stale.count), (number, 1));
    assert!(stale.loaded < stale.invalidated.0 && stale.invalidated.1 < stale.read.0, "{stale}");
}

#[test]
fn a_learned_tag_counts_from_the_beginning_of_its_load() {
    let history = History::new();
    let mut loading = history.load("k");
    let number = loading.number();
    invalidate(&history, Tag::from("team"));
    loading.tag("team");
    drop(loading);
    history.read("k").returned(number);
    assert!(is_stale(&history));
}

#[test]
fn what_a_value_is_made_of_counts_with_its_tags_and_its_age() {
    for (target, covers) in [
        (Scope::from(Tag::from("deep")), true),
        (Scope::from("inner"), false),
        (Scope::from("inner*"), false),
    ] {
        let history = History::new();
        let inner = load(&history, "inner", &["deep"]);
        invalidate(&history, target.clone());
        let mut middle = history.load("middle");
        middle.includes(inner);
        let mut outer = history.load("outer");
        outer.includes(middle.number());
        let number = outer.number();
        drop((middle, outer));
        history.read("outer").returned(number);
        assert_eq!(is_stale(&history), covers, "{target:?}");
    }
}

#[test]
fn dependents_go_with_what_they_depend_on() {
    for (tag, covers) in [("role", true), ("user", true), ("activity", true), ("other", false)] {
        let history = History::new();
        history.depends("role", &["user"]);
        history.depends("user", &["activity", "role"]);
        history.depends("activity", &["leaf"]);
        let number = load(&history, "k", &["leaf"]);
        invalidate(&history, Tag::from(tag));
        history.read("k").returned(number);
        assert_eq!(is_stale(&history), covers, "{tag}");
    }
}

#[test]
fn a_write_replaces_what_was_there_and_vouches_for_itself() {
    let history = History::new();
    let old = load(&history, "k", &[]);
    let write = history.write("k");
    let written = write.number();
    invalidate(&history, "k");
    write.acknowledged();
    history.read("k").returned(written);
    assert!(!is_stale(&history), "it may have been stored after the invalidation");
    history.read("k").returned(old);
    assert!(is_stale(&history), "it was replaced");
}

#[test]
fn a_mutation_may_store_its_own_result_and_no_other_may_survive_it() {
    let history = History::new();
    let own = load(&history, "k", &[]);
    let other = load(&history, "k", &[]);
    history.invalidation("k").sparing(own).acknowledged();
    history.read("k").returned(own);
    assert!(!is_stale(&history));
    history.read("k").returned(other);
    assert!(is_stale(&history));
}

#[test]
fn another_process_has_until_the_bound() {
    let here = History::new();
    let there = here.another_process();
    let number = load(&here, "k", &[]);
    invalidate(&here, "k");
    there.read("k").returned(number);
    assert!(there.check(Duration::from_secs(60)).is_ok());
    assert!(there.check(AT_ONCE).is_err(), "seen from there it was too late even at once");
    here.read("k").returned(number);
    assert!(here.check(Duration::from_secs(60)).is_err(), "in its own process it holds at once");
}

#[test]
fn an_invalidation_that_failed_holds_in_its_own_process() {
    let here = History::new();
    let there = here.another_process();
    let number = load(&here, "k", &[]);
    here.invalidation("k").failed();
    there.read("k").returned(number);
    assert!(!is_stale(&here));
    here.read("k").returned(number);
    assert!(is_stale(&here));
}

#[test]
fn what_a_value_is_made_of_counts_anew_in_another_process() {
    let here = History::new();
    let there = here.another_process();
    let inner = load(&here, "inner", &["deep"]);
    invalidate(&here, Tag::from("deep"));
    let mut outer = there.load("outer");
    outer.includes(inner);
    let number = outer.number();
    drop(outer);
    there.read("outer").returned(number);
    assert!(!is_stale(&here));
    invalidate(&here, Tag::from("deep"));
    there.read("outer").returned(number);
    assert!(is_stale(&here));
}

#[test]
fn values_of_nobody_and_of_another_key_are_noticed() {
    let history = History::new();
    let number = load(&history, "a", &[]);
    history.read("b").returned(number);
    assert!(matches!(history.check(AT_ONCE), Err(Violation::Misplaced { .. })));
    let history = History::new();
    history.read("b").returned(9);
    assert!(matches!(history.check(AT_ONCE), Err(Violation::Unknown { number: 9, .. })));
}

#[test]
fn notes_of_many_threads_are_one_history() {
    let history = History::new();
    std::thread::scope(|scope| {
        for thread in 0..40 {
            let history = &history;
            scope.spawn(move || {
                let key = format!("k:{thread}");
                history.read(key.as_str()).returned(load(history, &key, &[]));
            });
        }
    });
    let summary = history.check(AT_ONCE).unwrap();
    assert_eq!((summary.loads, summary.reads), (40, 40));
}
