use larder::cache_invalidate;

#[cache_invalidate("user:<id>", fence = |user| Duration::from_secs(1))]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
