use larder::cache_put;

#[cache_put(key = "user:<result.idd>")]
async fn save(id: u64) -> Result<(u64, u64), String> {
    Ok((id, id))
}

fn main() {}
