use larder::cache_invalidate;

#[cache_invalidate("user:<id>", wehn = id > 0)]
async fn save(id: u64) -> u64 {
    id
}

fn main() {}
