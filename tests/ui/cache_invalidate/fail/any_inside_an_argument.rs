use larder::cache_invalidate;

#[larder::cached(key = "user:<id>")]
async fn get_user(id: (u64, u64)) -> u64 {
    id.0
}

#[cache_invalidate(get_user((id, _)))]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
