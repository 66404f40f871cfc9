use larder::cache_invalidate;

#[cache_invalidate("user:<result.id>")]
async fn save(result: (u64, u64)) -> u64 {
    result.0
}

fn main() {}
