use larder::cache_invalidate;

#[cache_invalidate("user:<result.idd>")]
async fn save(id: u64) -> Result<(u64, u64), String> {
    Ok((id, id))
}

fn main() {}
