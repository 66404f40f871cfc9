use larder::cache_invalidate;

#[cache_invalidate("user:<id>")]
fn save(id: u64) -> impl Future<Output = u64> {
    async move { id }
}

fn main() {}
