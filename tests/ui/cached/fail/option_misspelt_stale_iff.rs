use larder::cached;

#[cached(key = "user:<id>", stale_iff = |error| true)]
async fn get_user(id: u64) -> u64 {
    id
}

fn main() {}
