//! Thousands of worlds in which everything goes wrong that can, each from a seed: in none of them is an old value served.
//!
//! `LARDER_SEED` repeats one; `LARDER_LONG=1` lets ten times as many run.

use tests::simulation::{Outcome, Seen, simulate};

/// The worlds that a suite sees.
const WORLDS: u64 = 2_000;

fn worlds() -> u64 {
    if std::env::var_os("LARDER_LONG").is_some_and(|long| long != "0") { 10 * WORLDS } else { WORLDS }
}

#[test]
fn the_same_seed_is_the_same_world_note_for_note() {
    for seed in 0..20 {
        let [one, other] = [simulate(seed), simulate(seed)];
        assert!(one.notes == other.notes, "seed {seed} was two worlds");
        assert_eq!(one.seen, other.seen);
    }
}

#[test]
fn invalidation_wins_in_every_world() {
    let first = tests::random::seed();
    let (mut all, mut reads) = (Seen::default(), 0);
    for seed in (0..worlds()).map(|number| first.wrapping_add(number)) {
        let Outcome { verdict, seen, .. } = simulate(seed);
        match verdict {
            Ok(summary) => reads += summary.reads,
            Err(violation) => panic!("LARDER_SEED={seed}: {violation}"),
        }
        all = all.and(seen);
    }
    println!("{} worlds, {reads} reads: {all:?}", worlds());
    // It is no proof if nothing went wrong.
    let Seen { deaths, lost, flushes, owed, distrusts, local_hits, remote_hits } = all;
    let least = [deaths, flushes, remote_hits].into_iter().min();
    assert!(least > Some(worlds() / 10), "{all:?}");
    assert!([lost, owed, distrusts, local_hits].into_iter().min() > Some(worlds()), "{all:?}");
}
