use larder::cache_invalidate;

#[cache_invalidate("user:<id>", strict)]
async fn save(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
