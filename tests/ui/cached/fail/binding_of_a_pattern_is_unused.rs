#![deny(unused_variables)]

use larder::cached;

#[cached(key = "user:<id>", skip(org))]
async fn get_user((org, id): (u64, u64)) -> u64 {
    id
}

fn main() {}
