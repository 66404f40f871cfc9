use larder::cached;

#[cached(key = "user:<id>", stale_if_error = |error| true)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
