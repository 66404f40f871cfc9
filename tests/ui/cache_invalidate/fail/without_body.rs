use larder::cache_invalidate;

trait Store {
    #[cache_invalidate("user:<id>")]
    async fn save(&self, id: u64) -> u64;
}

fn main() {}
