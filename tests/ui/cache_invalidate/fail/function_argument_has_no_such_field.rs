use larder::cache_invalidate;

#[larder::cached(key = "user:<id>")]
async fn get_user(id: u64) -> u64 {
    id
}

#[cache_invalidate(get_user(user.idd))]
async fn save(user: (u64, u64)) -> u64 {
    user.0
}

fn main() {}
