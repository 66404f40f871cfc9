use std::pin::Pin;

use larder::cached;

#[cached(key = "user:<id>")]
fn get_user(id: u64) -> Pin<Box<dyn Future<Output = u64>>> {
    Box::pin(async move { id })
}

fn main() {}
