use larder::cache_invalidate;

#[cache_invalidate(on_ok)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
