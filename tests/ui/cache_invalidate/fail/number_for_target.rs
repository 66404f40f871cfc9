use larder::cache_invalidate;

#[cache_invalidate(42)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
