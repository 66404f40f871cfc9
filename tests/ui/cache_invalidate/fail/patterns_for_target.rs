use larder::cache_invalidate;

#[cache_invalidate(patterns = ["user:*", "feed:*"])]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
