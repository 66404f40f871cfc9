use larder::cached;

#[cached(key = "price:<id>", max_staleness = "100ms")]
async fn text(id: u64) -> u64 {
    id
}

#[cached(key = "stock:<id>", ttl = 300, max_staleness = 1, stale = 60, lock)]
async fn seconds(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {
    let _ = async { (text(1).await, seconds(1).await) };
}
