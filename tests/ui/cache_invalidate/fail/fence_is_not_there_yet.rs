use larder::cache_invalidate;

#[cache_invalidate("user:<id>", fence = "30s")]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
