use larder::{cache_invalidate, cached};

struct Repo;

impl Repo {
    #[cached(key = "user:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id
    }

    #[cache_invalidate(self.load("a"))]
    async fn save(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
