use larder::cache_invalidate;

#[cache_invalidate(tags = auto)]
async fn rename_user(id: u64) -> u64 {
    id
}

fn main() {}
