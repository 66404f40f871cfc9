use larder::cached;

struct Repo {
    tenant: u64,
}

impl Repo {
    #[cached(key = "user:<id>")]
    async fn load(&self, id: u64) -> u64 {
        self.tenant + id
    }
}

fn main() {}
