use std::collections::HashMap;

use larder::cached;

#[cached(key = "user:<id>", ttl = 300, each(id in ids), lock)]
async fn get_users(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
