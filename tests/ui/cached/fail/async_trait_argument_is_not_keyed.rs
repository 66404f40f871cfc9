use async_trait::async_trait;
use larder::cached;

#[async_trait]
trait Store: Sync {
    #[cached(key = "user:<id>")]
    async fn load(&self, id: u64, page: u64) -> u64 {
        id + page
    }
}

fn main() {}
