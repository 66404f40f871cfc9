use larder::cached;

trait Store {
    fn load(&self, id: u64) -> impl Future<Output = u64>;
}

struct Repo;

impl Store for Repo {
    #[cached(key = "user:<id>", skip(self), ttl = 60, stale = 60)]
    async fn load(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
