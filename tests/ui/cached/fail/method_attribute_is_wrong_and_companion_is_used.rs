use larder::{Any, cached};

struct Repo;

impl Repo {
    #[cached(key = "user:<id>", skip(self), ttl = "soon")]
    async fn load(&self, id: u64) -> u64 {
        id
    }
}

fn main() {
    let _ = Repo.load(1);
    let _ = Repo.load_key(1);
    let _ = Repo.load_pattern(Any);
    let _ = Repo.load_refresh(1);
}
