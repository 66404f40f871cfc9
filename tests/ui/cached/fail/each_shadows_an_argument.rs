use std::collections::HashMap;

use larder::cached;

#[cached(key = "user:<id>", each(id in ids))]
async fn get_users(id: u64, ids: &[u64]) -> HashMap<u64, u64> {
    let _ = id;
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
