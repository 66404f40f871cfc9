//! Sequences of ids, the same in every run.

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};

/// How many ids there are in most traces.
pub const IDS: u64 = 100_000;

/// `len` ids out of `ids`, of which few are asked for often: Zipf's law with exponent `skew`.
///
/// # Panics
///
/// If `skew` is negative.
#[must_use]
pub fn zipf(ids: u64, skew: f64, len: usize, seed: u64) -> Vec<u64> {
    let mut random = SmallRng::seed_from_u64(seed);
    // Ranks are dealt out at random, so that neighbours in rank are not neighbours in a map.
    let mut names: Vec<u64> = (0..ids).collect();
    names.shuffle(&mut random);
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 ids")]
    let ranks = Zipf::new(ids as f64, skew).expect("a finite exponent of 0 or more");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ranks are 1..=ids")]
    let rank = |rank: f64| rank as usize - 1;
    ranks.sample_iter(random).take(len).map(|sample| names[rank(sample)]).collect()
}

/// `len` ids out of `ids`, all alike.
#[must_use]
pub fn uniform(ids: u64, len: usize, seed: u64) -> Vec<u64> {
    let mut random = SmallRng::seed_from_u64(seed);
    (0..len).map(|_| random.random_range(0..ids)).collect()
}

/// Always the same id.
#[must_use]
pub fn one(len: usize) -> Vec<u64> {
    vec![42; len]
}
