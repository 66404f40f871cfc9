use larder::cache_invalidate;

#[cache_invalidate(users::get_user)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
