use std::collections::HashSet;

use larder::cached;

#[cached(key = "users:<ids>")]
async fn find(ids: &HashSet<u64>) -> u64 {
    ids.len() as u64
}

fn main() {}
