use larder::cached;

struct Repo;

impl Repo {
    #[cached(key = "user:<id>", skip(self))]
    async fn load(&self, id: u64) -> u64 {
        id
    }

    #[cached(key = "user:<name:lower>", skip(self))]
    async fn find(&self, name: &str) -> u64 {
        name.len() as u64
    }
}

fn main() {}
