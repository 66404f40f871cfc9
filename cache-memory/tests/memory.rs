//! What the store promises whoever asks it: bounds that hold, evictions that are counted, hits that allocate nothing.
//! Nothing here knows how it is built.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cache_core::store::conformance::{self, entry, value};
use cache_core::store::{LocalStore, Removal};
use cache_core::{Entry, Key, KeyRef};
use cache_memory::Memory;

fn user(id: u64) -> Key {
    Key::from(format!("user:{id}"))
}

fn find(memory: &Memory, key: &str) -> Option<u64> {
    let mut found = None;
    memory.read(KeyRef::from(key), &mut |entry| found = value::<u64>(entry).copied());
    found
}

#[test]
fn the_contract_is_kept_under_every_kind_of_bound() {
    conformance::local(|| Arc::new(Memory::new(10_000)));
    conformance::local(|| Arc::new(Memory::builder().max_bytes(64 << 20).build()));
    conformance::local(|| Arc::new(Memory::builder().max_entries(10_000).max_bytes(64 << 20).build()));
}

#[test]
fn a_borrowed_key_finds_what_was_inserted_last_under_it() {
    let memory = Memory::new(100);
    memory.insert(entry(user(1), 10_u64, 0));
    memory.insert(entry(user(2), 20_u64, 0));
    memory.insert(entry(user(1), 11_u64, 0));
    assert_eq!(find(&memory, "user:1"), Some(11));
    assert_eq!(find(&memory, "user:2"), Some(20));
    assert_eq!(find(&memory, "user:3"), None);
    assert_eq!(memory.usage().entries, 2);
}

#[test]
fn a_long_key_is_told_from_another_with_the_same_head() {
    let memory = Memory::new(100);
    let (one, two) = (format!("{}1", "x".repeat(600)), format!("{}2", "x".repeat(600)));
    memory.insert(entry(Key::from(&one), 1_u64, 0));
    memory.insert(entry(Key::from(&two), 2_u64, 0));
    assert_eq!((find(&memory, &one), find(&memory, &two)), (Some(1), Some(2)));
}

#[test]
fn what_was_removed_or_cleared_is_not_found() {
    let memory = Memory::new(10_000);
    (0..5_000).for_each(|id| memory.insert(entry(user(id), id, 0)));
    memory.remove(KeyRef::from("user:7"));
    assert_eq!(find(&memory, "user:7"), None);
    assert_eq!(memory.usage().entries, 4_999);
    memory.clear();
    assert_eq!(memory.usage().entries, 0);
    assert!((0..5_000).all(|id| find(&memory, &format!("user:{id}")).is_none()));
    assert_eq!(memory.usage().evictions, 0, "neither is an eviction");
}

#[test]
fn a_small_store_holds_as_many_entries_as_it_was_built_for() {
    let memory = Memory::new(100);
    (0..100).for_each(|id| memory.insert(entry(user(id), id, 0)));
    assert!((0..100).all(|id| find(&memory, &format!("user:{id}")) == Some(id)));
}

#[test]
fn the_bound_by_entries_holds_while_many_keys_pass_through() {
    for bound in [0_u64, 1, 7, 300, 1_001, 5_000] {
        let memory = Memory::new(usize::try_from(bound).unwrap());
        for id in 0..20_000 {
            memory.insert(entry(user(id), id, 0));
            if id % 97 == 0 {
                assert!(memory.usage().entries <= bound, "{:?}", memory.usage());
            }
        }
        let usage = memory.usage();
        assert!(usage.entries <= bound && usage.entries * 10 >= bound * 9, "{usage:?} of {bound}");
    }
}

#[test]
fn the_bound_by_bytes_holds_while_many_keys_pass_through() {
    let bound = 1 << 20;
    let memory = Memory::builder().max_bytes(bound).build();
    assert!(memory.is_weighed());
    for id in 0..20_000_u64 {
        memory.insert(entry(user(id), id, usize::try_from(id % 5_000).unwrap()));
        if id % 97 == 0 {
            assert!(memory.usage().bytes <= 1 << 20, "{:?}", memory.usage());
        }
    }
    assert!(memory.usage().bytes > (1 << 20) / 10 * 9, "{:?}", memory.usage());
}

#[test]
fn both_bounds_hold_whichever_is_reached_first() {
    for weight in [0_usize, 500, 5_000] {
        let memory = Memory::builder().max_entries(1_000).max_bytes(1 << 20).build();
        let mut least_bytes = 0;
        for id in 0..5_000 {
            memory.insert(entry(user(id), id, weight));
            let usage = memory.usage();
            least_bytes = usage.entries * u64::try_from(weight).unwrap();
            assert!(usage.entries <= 1_000 && usage.bytes <= 1 << 20, "{usage:?}");
        }
        assert!(least_bytes <= 1 << 20);
    }
}

#[test]
fn an_entry_heavier_than_the_bound_is_refused_and_replaces_what_was_there() {
    let memory = Memory::builder().max_bytes(100_000).build();
    memory.insert(entry(user(1), 1_u64, 10));
    memory.insert(entry(user(1), 2_u64, 200_000));
    assert_eq!(find(&memory, "user:1"), None);
    assert_eq!(memory.usage().entries, 0);
    assert_eq!(memory.usage().evictions, 0, "nothing was dropped to make room");
}

#[test]
fn only_what_made_room_for_others_counts_as_evicted() {
    let memory = Memory::new(100);
    (0..100).for_each(|id| memory.insert(entry(user(id), id, 0)));
    (0..100).for_each(|id| memory.insert(entry(user(id), id, 0)));
    assert_eq!(memory.usage().evictions, 0, "a replacement is not an eviction");
    (100..350).for_each(|id| memory.insert(entry(user(id), id, 0)));
    let usage = memory.usage();
    assert_eq!(usage.evictions, 350 - usage.entries);
}

#[test]
fn an_entry_that_many_must_make_room_for_evicts_them_all() {
    let memory = Memory::builder().max_bytes(1 << 20).build();
    (0..5_000_u64).for_each(|id| memory.insert(entry(user(id), id, 0)));
    let before = memory.usage();
    memory.insert(entry(user(10_000), 1_u64, 900_000));
    let after = memory.usage();
    assert_eq!(find(&memory, "user:10000"), Some(1));
    assert_eq!(after.evictions - before.evictions, before.entries + 1 - after.entries);
    assert!(after.bytes <= 1 << 20);
}

#[test]
fn what_is_over_is_reclaimed_a_few_at_a_time_and_the_rest_stays() {
    let memory = Memory::new(10_000);
    (0..1_000).for_each(|id| memory.insert(entry(user(id), id, 0)));
    let mut looked_at = 0;
    let mut is_over = |entry: &Entry| {
        looked_at += 1;
        value::<u64>(entry).is_some_and(|id| id % 2 == 1).then_some(Removal::Expired)
    };
    memory.reclaim(10, &mut is_over);
    assert!(memory.usage().entries >= 990, "no more turns than were asked for");
    // Nobody is passed over, whichever list it is in.
    (0..199).for_each(|_| memory.reclaim(10, &mut is_over));
    assert!(looked_at <= 2_000);
    assert_eq!(memory.usage().entries, 500);
    assert!((0..1_000).all(|id| find(&memory, &format!("user:{id}")).is_some() == (id % 2 == 0)));
    assert_eq!(memory.usage().evictions, 0, "nothing had to make room");
}

#[test]
fn what_took_the_place_of_an_entry_that_is_over_stays() {
    let memory = Memory::new(100);
    memory.insert(entry(user(1), 1_u64, 0));
    let mut seen = false;
    memory.reclaim(1, &mut |_| {
        seen = true;
        None
    });
    assert!(seen);
    memory.insert(entry(user(1), 2_u64, 0));
    memory.reclaim(5, &mut |entry| (value::<u64>(entry) == Some(&1)).then_some(Removal::Invalidated));
    assert_eq!(find(&memory, "user:1"), Some(2));
}

#[test]
fn the_listener_hears_of_what_goes_and_why() {
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let listener = move |key: &Key, removal| log.lock().unwrap().push((key.to_string(), removal));
    let memory = Memory::builder().max_entries(2).on_removal(listener).build();
    memory.insert(entry(user(1), 1_u64, 0));
    memory.insert(entry(user(1), 2_u64, 0));
    assert_eq!(*heard.lock().unwrap(), [], "it was replaced");
    memory.insert(entry(user(2), 2_u64, 0));
    memory.insert(entry(user(3), 3_u64, 0));
    let evicted = std::mem::take(&mut *heard.lock().unwrap());
    assert_eq!(evicted.len(), 1);
    assert_eq!(evicted[0].1, Removal::Evicted);
    memory.reclaim(10, &mut |entry| (value::<u64>(entry) == Some(&3)).then_some(Removal::Expired));
    assert_eq!(*heard.lock().unwrap(), [("user:3".to_owned(), Removal::Expired)]);
}

/// Counts its drops.
struct Loud(Arc<AtomicUsize>);

impl Drop for Loud {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn evicted_replaced_removed_and_cleared_values_are_dropped_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let memory = Memory::new(100);
    let insert = |id| memory.insert(entry(user(id), Loud(Arc::clone(&drops)), 0));
    (0..300).for_each(insert);
    (200..300).for_each(insert);
    memory.remove(KeyRef::from("user:299"));
    memory.clear();
    assert_eq!(drops.load(Ordering::Relaxed), 400);
}

#[test]
fn a_hit_and_a_miss_allocate_nothing() {
    let memory = Memory::builder().max_entries(10_000).max_bytes(64 << 20).build();
    (0..1_000_u64).for_each(|id| memory.insert(entry(user(id), id, 8)));
    let keys: Vec<String> = (0..2_000).map(|id| format!("user:{id}")).collect();
    let mut sum = 0;
    let allocations = allocation_counter::measure(|| {
        for key in &keys {
            memory.read(KeyRef::from(key.as_str()), &mut |entry| {
                sum += value::<u64>(entry).copied().unwrap_or(0);
            });
        }
    });
    assert_eq!(sum, 999 * 1_000 / 2);
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn the_bytes_that_are_counted_are_about_those_that_are_taken() {
    let bound = 32 << 20;
    let taken = allocation_counter::measure(|| {
        let memory = Memory::builder().max_bytes(bound).build();
        (0..300_000_u64).for_each(|id| memory.insert(entry(user(id), id, 8)));
        assert!(memory.usage().evictions > 100_000, "the store is full");
        std::mem::forget(memory);
    });
    let taken = usize::try_from(taken.bytes_current).unwrap();
    assert!(taken <= bound && taken * 2 > bound, "{taken} of {bound}");
}

#[test]
fn many_threads_leave_a_store_whose_bounds_hold() {
    let memory = Memory::new(1_000);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let memory = &memory;
            scope.spawn(move || {
                for round in 0..5_000 {
                    let id = (round * 7 + thread * 1_000) % 4_000;
                    memory.insert(entry(user(id), id, 0));
                    if let Some(found) = find(memory, &format!("user:{}", (id + 1) % 4_000)) {
                        assert_eq!(found, (id + 1) % 4_000);
                    }
                    if round % 501 == 0 {
                        assert!(memory.usage().entries <= 1_000);
                        memory.remove(user(id).borrow());
                    }
                }
            });
        }
    });
    assert!(memory.usage().entries <= 1_000);
}
