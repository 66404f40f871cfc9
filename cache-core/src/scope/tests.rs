//! The rule as a table: what each move makes of entries that were stamped before and after it.

use super::*;

fn current(scopes: &Scopes, stamp: &Stamp, key: &Key) -> bool {
    scopes.is_current(stamp, key.borrow())
}

#[test]
fn each_scope_covers_exactly_what_it_says() {
    let keys = ["user:1", "user:2", "user:1:posts", "user:1:posts:2", "users", "team:1", "a:user:1"];
    let cases: &[(&str, &[&str])] = &[
        ("user:1", &["user:1"]),
        ("user:*", &["user:1", "user:2", "user:1:posts", "user:1:posts:2"]),
        ("user:1:*", &["user:1:posts", "user:1:posts:2"]),
        ("*:posts", &["user:1:posts"]),
        ("user*", &["user:1", "user:2", "user:1:posts", "user:1:posts:2", "users"]),
        ("*user:1*", &["user:1", "user:1:posts", "user:1:posts:2", "a:user:1"]),
        ("*", &keys),
        ("nobody:*", &[]),
    ];
    for (target, covered) in cases {
        let scopes = Scopes::new();
        let before: Vec<_> = keys.iter().map(|&key| scopes.stamp(&key.into(), &[])).collect();
        scopes.advance(&Scope::from(*target));
        for (&text, stamp) in keys.iter().zip(&before) {
            let key = Key::from(text);
            let survives = !covered.contains(&text);
            assert_eq!(current(&scopes, stamp, &key), survives, "{target} and an older {text}");
            assert_eq!(current(&scopes, stamp, &key), survives, "{target} and {text}, asked again");
            assert!(current(&scopes, &scopes.stamp(&key, &[]), &key), "{target} and a newer {text}");
        }
    }
}

#[test]
fn a_tag_covers_what_carries_it() {
    let scopes = Scopes::new();
    let key = Key::from("user:1");
    let team = Tag::from("team:7");
    let (with, without) = (scopes.stamp(&key, std::slice::from_ref(&team)), scopes.stamp(&key, &[]));
    scopes.advance(&Scope::from("team:7"));
    assert!(current(&scopes, &with, &key), "a key is not a tag of the same text");
    scopes.advance(&team.into());
    assert!(!current(&scopes, &with, &key));
    assert!(current(&scopes, &without, &key));
}

#[test]
fn a_tag_that_is_learned_late_covers_from_the_beginning() {
    let scopes = Scopes::new();
    let (key, team, other) = (Key::from("user:1"), Tag::from("team:7"), Tag::from("team:8"));
    let stamp = scopes.stamp(&key, &[]);
    scopes.advance(&team.clone().into());
    let moved = scopes.extend(&stamp, std::slice::from_ref(&team));
    assert!(!current(&scopes, &moved, &key), "it moved before anything carried it");
    let quiet = scopes.extend(&stamp, std::slice::from_ref(&other));
    assert!(current(&scopes, &quiet, &key));
    scopes.advance(&other.into());
    assert!(!current(&scopes, &quiet, &key));
    assert!(current(&scopes, &stamp, &key), "without the tag it is another entry");
}

#[test]
fn more_tags_than_are_remembered_err_towards_not_storing() {
    let scopes = Scopes::new();
    let key = Key::from("user:1");
    let (before, tag) = (scopes.stamp(&key, &[]), Tag::from("late"));
    for n in 0..=MAX_MOVED_TAGS {
        scopes.advance(&Tag::from(format!("team:{n}")).into());
    }
    assert!(!current(&scopes, &scopes.extend(&before, std::slice::from_ref(&tag)), &key));
    let after = scopes.stamp(&key, &[]);
    assert!(current(&scopes, &scopes.extend(&after, std::slice::from_ref(&tag)), &key));
    assert!(scopes.tags.lock().cells.len() <= MAX_MOVED_TAGS);
}

#[test]
fn a_moved_entry_never_comes_back() {
    let scopes = Scopes::new();
    let key = Key::from("user:1");
    let stamp = scopes.stamp(&key, &[]);
    scopes.advance(&Scope::from("user:1"));
    for other in ["x", "y:*", "*z"] {
        scopes.advance(&Scope::from(other));
        assert!(!current(&scopes, &stamp, &key));
    }
}

#[test]
fn a_long_key_is_covered_by_its_whole_text() {
    let scopes = Scopes::new();
    let key = Key::from(format!("search:{}:{}", "q".repeat(600), 1));
    let stamp = scopes.stamp(&key, &[]);
    scopes.advance(&Scope::from(format!("search:{}:*", "q".repeat(600))));
    assert!(!current(&scopes, &stamp, &key));
}

#[test]
fn forgotten_globs_err_towards_misses() {
    let scopes = Scopes::new();
    let (hit, covered) = (Key::from("warm"), Key::from("x-0-y"));
    let (warm, cold, gone) = (scopes.stamp(&hit, &[]), scopes.stamp(&hit, &[]), scopes.stamp(&covered, &[]));
    for n in 0..=MAX_GLOBS {
        scopes.advance(&Scope::from(format!("*-{n}-*")));
        assert!(current(&scopes, &warm, &hit), "what is read stays confirmed");
    }
    assert!(!current(&scopes, &gone, &covered), "its glob is forgotten, its move is not");
    assert!(!current(&scopes, &cold, &hit), "not looked at since: the price of the bound");
    assert!(scopes.globs.read().moved.len() <= MAX_GLOBS);
}

#[test]
fn cells_live_no_longer_than_what_they_cover() {
    let scopes = Scopes::new();
    for n in 0..100_000 {
        drop(scopes.stamp(&Key::from(format!("user:{n}:posts:{n}")), &[]));
    }
    let cells: usize = scopes.cells.iter().map(|cells| cells.lock().by_scope.len()).sum();
    assert!(cells <= SHARDS * 64, "{cells} cells for nothing");
}

#[test]
fn the_table_of_cells_does_not_grow_while_keys_come_and_go() {
    let mut cells = Cells::default();
    let mut used = std::collections::VecDeque::new();
    for number in 0..300_000_u64 {
        used.push_back(cells.cell(hash_of(&number.to_le_bytes()), None));
        if used.len() > 1_300 {
            used.pop_front();
        }
    }
    assert!(cells.by_scope.len() <= 1_950);
    assert!(cells.by_scope.capacity() < 4_096, "room for {}", cells.by_scope.capacity());
}

#[test]
fn the_last_level_is_the_longest_prefix_that_is_a_scope() {
    let deep = "a:".repeat(2 * MAX_LEVELS);
    for key in ["", "user", "user:1", "user:1:", ":", &deep] {
        let longest = levels(key).last().unwrap_or_default();
        assert_eq!(last_level(key.as_bytes()), longest.as_bytes(), "{key:?}");
    }
    assert_eq!(last_level(b"user:1:posts"), b"user:1:");
}
