use larder::cache_invalidate;

#[cache_invalidate("user:<id>", crate = larder, crate = larder)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
