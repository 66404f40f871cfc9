use larder::cache_invalidate;

#[cache_invalidate("user:<id>", when = id > 0, when = id > 0)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
