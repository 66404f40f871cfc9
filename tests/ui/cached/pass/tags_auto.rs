//! `auto` alone, among other tags, and of a bulk function.

use std::collections::HashMap;

use larder::cached;

#[cached(key = "user:<id>", tags = auto)]
async fn get_user(id: u64) -> u64 {
    id
}

#[cached(key = "member:<id>", tags = ["team:<team>", auto], skip(team))]
async fn get_member(id: u64, team: u64) -> u64 {
    id + team
}

#[cached(key = "number:<id>", tags = auto, each(id in ids))]
async fn get_numbers(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {
    let _ = (get_user(1), get_member(1, 2), get_numbers(&[1]));
}
