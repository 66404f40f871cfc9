use larder::cache_invalidate;

#[cache_invalidate("user:<id>", on_ok, settle = "500ms")]
async fn save(id: u64) -> Result<u64, std::io::Error> {
    Ok(id)
}

fn main() {}
