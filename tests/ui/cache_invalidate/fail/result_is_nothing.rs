use larder::cache_invalidate;

#[cache_invalidate("user:<result.id>")]
async fn save(id: u64) {
    let _ = id;
}

fn main() {}
