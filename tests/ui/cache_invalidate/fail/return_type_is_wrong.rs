use larder::cache_invalidate;

#[cache_invalidate("user:<id>")]
async fn save(id: u64) -> Missing {
    id
}

fn main() {}
