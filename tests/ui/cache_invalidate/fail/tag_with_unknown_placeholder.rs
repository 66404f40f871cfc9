use larder::cache_invalidate;

#[cache_invalidate(tags = ["team:<team>"])]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
