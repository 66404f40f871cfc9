use std::time::Duration;

use larder::cached;

const WAIT: Duration = Duration::from_secs(2);

#[cached(key = "flag:<id>", ttl = 300, lock)]
async fn flag(id: u64) -> u64 {
    id
}

#[cached(key = "fixed:<id>", ttl = 300, lock = "5s")]
async fn fixed(id: u64) -> Result<u64, std::io::Error> {
    Ok(id)
}

#[cached(key = "computed:<id>", ttl = 300, stale = 60, lock = WAIT)]
async fn computed(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {
    let _ = (flag::key(1), fixed::key(1), computed::key(1));
    let _ = async { (flag(1).await, fixed(1).await.ok(), computed(1).await) };
}
