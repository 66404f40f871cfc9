use larder::cache_invalidate;

#[cache_invalidate("user:<result>")]
async fn save(id: u64) -> Option<f64> {
    drop(id);
    None
}

fn main() {}
