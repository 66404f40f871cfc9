use larder::cache_invalidate;

#[cache_invalidate("user:<user.idd>")]
async fn save(user: (u64, u64)) -> u64 {
    user.0
}

fn main() {}
