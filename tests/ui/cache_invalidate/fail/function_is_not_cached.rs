use larder::cache_invalidate;

async fn plain(id: u64) -> u64 {
    id
}

#[cache_invalidate(plain(id))]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
