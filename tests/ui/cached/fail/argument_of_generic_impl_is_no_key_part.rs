use larder::cached;

struct Repo<K>(K);

impl<K: Clone + Send + Sync> Repo<K> {
    #[cached(key = "user:<id>", skip(self))]
    async fn load(&self, id: &K) -> u64 {
        let _ = (self, id);
        1
    }
}

fn main() {}
