use larder::cache_invalidate;

#[cache_invalidate("user:<id>", on_okay)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
