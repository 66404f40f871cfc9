use std::collections::HashMap;

use larder::cached;

#[cached(key = "users:<filter>")]
async fn find(filter: HashMap<String, String>) -> u64 {
    filter.len() as u64
}

fn main() {}
